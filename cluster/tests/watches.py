"""Watches on the real cluster: one that joins agents, and those of `flantrace install --watch`."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from cluster.setup import NODES, Cluster
from cluster.tests.flantrace import PROGRAM
from cluster.tests.watching import until
from tests.lab.watched import ASK, SAMPLE
from tracer.install.settings import METRICS_PORT
from tracer.install.watch import WATCH, WATCH_SELECTOR

PYTHON = str(PROGRAM.with_name("python"))
TURNS = ("OPENED", "CHANGED", "CLOSED")


class Pods:
    """The pods of the DaemonSet, by their node: what they say, and what they count."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

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

    def turns(self, node: str) -> list[tuple[str, str]]:
        """(turn, rule) of each line that tells of a finding, in the order of the lines."""
        words = [line.split() for line in self.log(node)]
        return [(one[1], one[3]) for one in words if len(one) > 3 and one[1] in TURNS]

    def open(self) -> set[tuple[str, str]]:
        """(node that says so, rule) of each finding that is open."""
        found: Counter[tuple[str, str]] = Counter()
        for node in NODES:
            for turn, rule in self.turns(node):
                found[node, rule] += {"OPENED": 1, "CHANGED": 0, "CLOSED": -1}[turn]
        return {one for one, times in found.items() if times > 0}

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

    def told(self) -> str:
        """For a test that fails."""
        return "\n".join(f"--- {node}\n" + "\n".join(self.log(node)) for node in NODES)

    def says(self, node: str, turn: tuple[str, str], within_s: float) -> float:
        """Seconds until the watch on that node has said it. AssertionError: it did not."""
        began = time.monotonic()
        until(lambda: turn in self.turns(node), f"{node}: no {turn}\n{self.told()}", within_s)
        return time.monotonic() - began

    def _pods(self) -> Sequence[dict[str, Any]]:
        found: Sequence[dict[str, Any]] = self._cluster.get(
            "-n", "flantrace", "pods", "-l", WATCH_SELECTOR
        )["items"]
        return found
