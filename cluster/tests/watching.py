"""Traces under way on the real cluster: begun, disturbed, and what is left of them."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cluster.setup import NODES, Cluster
from cluster.tests.flantrace import environ

PATIENCE_S = 30
LONGEST_S = 120
"""However a trace ends, after so long it has."""


def until(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for something that was promised. AssertionError: it did not come."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def started(cluster: Cluster, *words: str) -> subprocess.Popen[str]:
    """A command in the operator's place."""
    return subprocess.Popen(
        [*cluster.operator.enter, *words],
        env=environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def flantrace(cluster: Cluster, *words: str) -> tuple[int, str, str]:
    """One command line to its end: exit code, stdout on one line, stderr."""
    process = started(cluster, "flantrace", *words)
    out, err = process.communicate(timeout=LONGEST_S)
    return process.returncode, " ".join(out.split()), err


class Watching:
    """A passive trace of web-a and web-b, from the moment at which both agents watch."""

    def __init__(self, cluster: Cluster, *words: str) -> None:
        trace = ("web-a", "web-b", "--passive", "--for", "14s", "--no-save")
        self.process = started(cluster, "flantrace", *trace, *words)
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if line.startswith("watching"):
                time.sleep(2)  # something is to be seen before it is disturbed
                return
        out, _ = self.process.communicate(timeout=LONGEST_S)
        raise AssertionError(
            f"the trace never began to watch: {said} {out} {self.process.returncode}"
        )

    def answer(self) -> str:
        """What it printed at its end, on one line."""
        out, err = self.process.communicate(timeout=LONGEST_S)
        assert "Traceback" not in err
        return " ".join(out.split())

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Tell it to end."""
        self.process.send_signal(number)


@contextlib.contextmanager
def pinging(cluster: Cluster, source: str = "web-a", destination: str = "web-b") -> Iterator[None]:
    """A pod pings another one, some times a second."""
    address = cluster.get("pod", destination)["status"]["podIP"]
    loop = f"while ping -c 1 -W 1 {address} >/dev/null || true; do usleep 200000; done"
    process = started(cluster, "kubectl", "exec", "-i", source, "--", "sh", "-c",
                      f"{{ {loop}; }} & cat; kill $!")  # fmt: skip
    try:
        yield
    finally:
        process.kill()
        process.wait()


def agents(cluster: Cluster, *nodes: str) -> list[int]:
    """Pids of the agents that run in pods on these nodes (none named: on all)."""
    return _inside(cluster, b"agent", *nodes)


def _inside(cluster: Cluster, command: bytes, *nodes: str) -> list[int]:
    places = [cluster.places[node] for node in nodes or NODES]
    namespaces = {os.stat(f"/proc/{place.pid}/ns/net").st_ino for place in places}
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            inside = os.stat(f"/proc/{pid}/ns/net").st_ino in namespaces
            if inside and words[1:3] == [b"/usr/bin/flantrace", command]:
                found.append(pid)
    return found


def ephemeral(cluster: Cluster) -> list[str]:
    """Names of the pods that were made for one recording."""
    listed = cluster.get("pods", "-n", "flantrace", "-l", "flantrace/ephemeral")
    return [one["metadata"]["name"] for one in listed["items"]]


def nothing_is_left(cluster: Cluster) -> None:
    """Neither an agent, nor a pod that was made for one recording, nor its container."""
    until(lambda: not agents(cluster), "an agent stayed")
    until(lambda: not ephemeral(cluster), "a pod stayed")
    until(lambda: len(_inside(cluster, b"idle")) == len(NODES), "a container stayed")
