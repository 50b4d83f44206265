"""A lab with steady traffic, and a real watch of all its nodes: what it says, as it says it."""

import json
import queue
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.lab.universe import Universe

TALK = str(Path(__file__).parent.parent / "lab" / "talk.py")
FLANTRACE = [sys.executable, "-m", "tracer"]

STARTED_S = 15.0
"""Agents that start on a busy machine, and a while in which nothing may be wrong."""


class Said(NamedTuple):
    """One line of the watch."""

    at: float
    """When it was read, by time.monotonic."""
    turn: str
    rule: str
    also: tuple[str, ...]
    node: str
    severity: str
    sentence: str
    times: int
    """How often it was opened in the last ten minutes."""

    @property
    def names(self) -> frozenset[str]:
        """All that it may be."""
        return frozenset((self.rule, *self.also))


class Watched:
    """The lab, the traffic, the watch. `open`: the findings that stand, by rule and node."""

    def __init__(self, lab: Universe, pairs: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        self.lab = lab
        self.said: list[Said] = []
        self.open: dict[tuple[str, str], Said] = {}
        self._lines: queue.SimpleQueue[Said] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [*lab.inside, *FLANTRACE, "watch", "--lab", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.troubles: list[str] = []
        for target in (self._read, self._read_troubles):
            threading.Thread(target=target, daemon=True).start()
        self._talks = [
            subprocess.Popen(
                [*lab.inside, *FLANTRACE, "lab", "exec", pod, "--", sys.executable, TALK, *to],
                stdin=subprocess.PIPE,
            )
            for pod, to in pairs
        ]

    def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Read on until it holds, or time is up."""
        end = time.monotonic() + seconds
        while not holds():
            left = end - time.monotonic()
            if left <= 0:
                return False
            try:
                one = self._lines.get(timeout=min(left, 0.2))
            except queue.Empty:
                continue
            self.said.append(one)
            if one.turn == "closed":
                self.open.pop((one.rule, one.node), None)
            else:
                self.open[(one.rule, one.node)] = one
        return True

    def rest(self, seconds: float) -> None:
        """Read on for so long."""
        self.until(lambda: False, seconds)

    def close(self) -> int:
        """End the traffic and the watch, whose exit code it is."""
        for talk in self._talks:
            assert talk.stdin is not None
            talk.stdin.close()
        self._process.terminate()
        code = self._process.wait(20)
        for talk in self._talks:
            talk.wait(10)
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            document: dict[str, Any] = json.loads(line)
            finding = document["finding"]
            self._lines.put(
                Said(
                    time.monotonic(),
                    document["turn"],
                    finding["rule"],
                    tuple(finding["also"]),
                    finding["node"],
                    finding["severity"],
                    finding["sentence"],
                    document["times"],
                )
            )

    def _read_troubles(self) -> None:
        assert self._process.stderr is not None
        self.troubles.extend(self._process.stderr)


def addresses(lab: Universe) -> dict[str, list[str]]:
    """Pod -> its addresses."""
    with urllib.request.urlopen(f"{lab.server()}/api/v1/namespaces/default/pods") as answer:
        pods = json.load(answer)["items"]
    return {
        pod["metadata"]["name"]: [one["ip"] for one in pod["status"].get("podIPs", ())]
        for pod in pods
    }


@contextmanager
def watched(lab: Universe) -> Iterator[Watched]:
    """A watch of the lab's nodes, in which nothing is wrong at the beginning."""
    pods = addresses(lab)
    pairs = (("pod-a", ("pod-b", "pod-c")), ("pod-b", ("pod-a", "pod-c")))
    talks = [(pod, tuple(ip for peer in to for ip in pods[peer])) for pod, to in pairs]
    made = Watched(lab, talks)
    try:
        made.rest(STARTED_S)
        assert not made.open, made.said
        assert not made.troubles, made.troubles
        yield made
    finally:
        made.close()
