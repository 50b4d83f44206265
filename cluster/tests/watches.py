"""Watches on the real cluster: one that joins agents, and those of `flantrace install --watch`."""

import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cluster.paths import ROOT
from cluster.setup import NODES, Cluster
from cluster.tests.flantrace import PROGRAM, environ
from cluster.tests.watching import PATIENCE_S, started, until
from tests.lab.watched import ASK, SAMPLE
from tracer.install.settings import METRICS_PORT
from tracer.install.watch import WATCH, WATCH_SELECTOR

PAGE = ROOT / "docs" / "how-to" / "watch-all-nodes.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.S | re.M)
PYTHON = str(PROGRAM.with_name("python"))
TURNS = ("OPENED", "CHANGED", "CLOSED")


class Pods:
    """The pods of the DaemonSet, by their node: what they say, and what they count."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._known: Counter[str] = Counter()

    def status(self) -> dict[str, Any]:
        """The DaemonSet's."""
        found: dict[str, Any] = self._cluster.get("-n", "flantrace", "daemonset", WATCH)["status"]
        return found

    def restarts(self) -> dict[str, int]:
        """Of the container on each node: a watch that the probe or the memory's limit ended."""
        return {
            pod["spec"]["nodeName"]: pod["status"]["containerStatuses"][0]["restartCount"]
            for pod in self._pods()
        }

    def log(self, node: str) -> list[str]:
        """Every line of the watch on that node."""
        (pod,) = (one for one in self._pods() if one["spec"]["nodeName"] == node)
        words = ("-n", "flantrace", "logs", pod["metadata"]["name"])
        return self._cluster.kubectl(*words).splitlines()

    def turn_over(self) -> None:
        """What was said until now is an older test's affair."""
        self._known = Counter({node: len(self.log(node)) for node in NODES})

    def turns(self, node: str) -> list[tuple[str, str]]:
        """(turn, rule) of each new line that tells of a finding; of several names the first."""
        words = [line.split() for line in self.log(node)[self._known[node] :]]
        return [(one[1], one[3]) for one in words if len(one) > 3 and one[1] in TURNS]

    def opened(self) -> set[tuple[str, str]]:
        """(node that says so, rule) of each finding that was opened."""
        return {(node, rule) for node in NODES for rule in self._those(node, "OPENED")}

    def open(self) -> set[tuple[str, str]]:
        """Those that were not closed."""
        return {
            (node, rule)
            for node in NODES
            for rule, times in (self._those(node, "OPENED") - self._those(node, "CLOSED")).items()
            if times
        }

    def _those(self, node: str, turn: str) -> Counter[str]:
        return Counter(rule for one, rule in self.turns(node) if one == turn)

    def answer(self, node: str, path: str) -> str:
        """What it serves beside the node, asked from where people type."""
        url = f"http://{NODES[node]}:{METRICS_PORT}{path}"
        return self._cluster.operator.run(PYTHON, "-ISc", ASK, url)

    def packets(self, node: str, peer: str, hook: str) -> float:
        """Packets of the peer that were counted there."""
        found = map(SAMPLE.fullmatch, self.answer(node, "/metrics").splitlines())
        wanted = {f'node="{node}"', f'peer="{peer}"', f'hook="{hook}"'}
        return sum(
            float(one[3])
            for one in found
            if one is not None
            and one[1] == "flantrace_packets_total"
            and wanted <= set((one[2] or "").split(","))
        )

    def counts_on(self, node: str, peer: str, hook: str) -> None:
        """Returns when some packet more was counted there."""
        before = self.packets(node, peer, hook)
        what = f"{node} counts no packet of {peer} at {hook}"
        until(lambda: self.packets(node, peer, hook) > before, what)

    def begins(self, node: str) -> None:
        """Returns when the log says how the watch stands at its start."""
        line = f"  watching {node}: {len(NODES)} leases, heard of "
        until(lambda: any(line in one for one in self.log(node)), f"{node} does not say {line}")

    def recordings(self, node: str, folder: Path) -> list[Path]:
        """Those of incidents on that node, fetched as the page says, the oldest first."""
        (block,) = (one for one in BLOCK.findall(PAGE.read_text()) if "recordings" in one)
        done = subprocess.run(
            [*self._cluster.operator.enter, "env", "-C", str(folder), "sh", "-ec", block],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            env={**environ(), "NODE": node}, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        return sorted((folder / "recordings").glob("*_pinned.tgz"))

    def told(self) -> str:
        """For a test that fails."""
        return "\n".join(f"--- {node}\n" + "\n".join(self.log(node)) for node in NODES)

    def says(self, node: str, turn: tuple[str, str], within_s: float) -> None:
        """Returns when the watch on that node has said it. AssertionError: it did not in time."""
        self.until(lambda: turn in self.turns(node), f"{node}: no {turn}", within_s)

    def until(self, condition: Callable[[], bool], what: str, within_s: float) -> None:
        """Wait for it. AssertionError: it did not come, and all that was said instead."""
        try:
            until(condition, what, within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from None

    def _pods(self) -> Sequence[dict[str, Any]]:
        found: Sequence[dict[str, Any]] = self._cluster.get(
            "-n", "flantrace", "pods", "-l", WATCH_SELECTOR
        )["items"]
        return found


@contextmanager
def joined(cluster: Cluster) -> Iterator[Callable[[str], str]]:
    """`flantrace watch` of all nodes; waits for the line with these words. Ended by Ctrl-C."""
    process = started(cluster, "flantrace", "watch")
    assert process.stdout is not None
    pipe, said = process.stdout.fileno(), ""
    os.set_blocking(pipe, False)

    def line(words: str) -> str:
        found: list[str] = []

        def has() -> bool:
            nonlocal said
            with suppress(BlockingIOError):
                said += os.read(pipe, 1 << 16).decode()
            found.extend(one for one in said.splitlines(keepends=True) if words in one)
            return bool(found)

        try:
            until(has, f"no line with {words!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}: {said}") from None
        return found[0]

    try:
        yield line
        os.set_blocking(pipe, True)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, err) == (0, ""), said + out
