"""flantrace as a person calls it, at the operator's place, with an admin's kubeconfig."""

import json
import os
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.build import programs
from cluster.paths import KUBECONFIG, state
from cluster.setup import Cluster
from cluster.shell import ENVIRON
from cluster.tests.ways import Way

PROGRAM = Path(sys.executable).parent / "flantrace"
PATIENCE_S = 180


@dataclass(frozen=True)
class Answer:
    """What a command answered, as --json."""

    command: str
    code: int
    document: dict[str, Any]

    def named(self, *severities: str) -> set[str]:
        """The rules of its findings, of those severities or of any."""
        return {
            finding["rule"]
            for finding in self.document["findings"]
            if not severities or finding["severity"] in severities
        }

    def fix(self, rule: str) -> tuple[str, ...]:
        """What a rule's first finding says to do."""
        found = (one for one in self.document["findings"] if one["rule"] == rule)
        return tuple(next(found)["fix"])

    @property
    def verdict(self) -> str:
        """The rule that a trace's verdict names, or its outcome; a check's exit code."""
        verdict = self.document.get("verdict")
        if verdict is None:
            return f"exit code {self.code}"
        return str(verdict["rule"] or verdict["outcome"])

    @property
    def healthy(self) -> bool:
        """Nothing at all is found, and packets, if any were sent, arrived."""
        return self.code == 0 and not self.document["findings"]

    def read_all_of(self, nodes: Collection[str]) -> bool:
        """Nothing is found on any of them; another Node may be there that could not be read."""
        return set(nodes) <= set(self.document["read"]) and not self.document["findings"]

    def __str__(self) -> str:
        found = [
            f"  {one['severity']} {one['rule']} {one['node']}: {one['sentence']}"
            for one in self.document["findings"]
        ]
        return "\n".join((f"$ {self.command}: {self.verdict}", *found))


class Flantrace:
    """Calls it; `way` gives the options that lead to the nodes."""

    def __init__(self, cluster: Cluster, way: Way) -> None:
        self._cluster = cluster
        self._way = way

    def trace(self, source: str, destination: str, *more: str) -> Answer:
        """flantrace SOURCE DESTINATION."""
        return self._answer(source, destination, "--no-save", *more)

    def check(self, *more: str) -> Answer:
        """flantrace check."""
        return self._answer("check", "--no-save", *more)

    def predict(self, source: str, destination: str, *more: str) -> Answer:
        """flantrace predict SOURCE DESTINATION."""
        return self._answer("predict", source, destination, "--no-save", *more)

    def way(self) -> tuple[str, ...]:
        """The options that lead to the nodes, for whoever starts it by himself."""
        return self._way()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Any command, as it is, with the way to the nodes."""
        return typed(self._cluster, *words, *self._way())

    def _answer(self, *words: str) -> Answer:
        done = self.run(*words, "--json")
        command = " ".join(("flantrace", *words))
        assert done.returncode in (0, 1, 3), (
            f"{command}: exit code {done.returncode}: {done.stderr or done.stdout}"
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Answer(command, done.returncode, json.loads(done.stdout))


def typed(cluster: Cluster, *words: str) -> subprocess.CompletedProcess[str]:
    """`flantrace WORDS`, at the operator's place."""
    return subprocess.run(
        [*cluster.operator.enter, str(PROGRAM), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environ(),
        timeout=PATIENCE_S,
    )


def environ() -> dict[str, str]:
    """What a person at the operator's place has: kubectl and flantrace, and a kubeconfig."""
    found = {
        **ENVIRON,
        "PATH": f"{programs()}:{PROGRAM.parent}:{ENVIRON['PATH']}",
        "KUBECONFIG": str(state() / KUBECONFIG),
    }
    # A checkout that is not the one which is installed in this Python.
    if "PYTHONPATH" in os.environ:
        found["PYTHONPATH"] = os.environ["PYTHONPATH"]
    return found
