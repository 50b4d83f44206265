"""What has passed of nodes that are watched beside this one, told more often than the counts."""

import time
from collections.abc import Callable

from tracer.core.known import Known
from tracer.model.glimpse import Both, Glimpse
from tracer.model.message import FromAgent
from tracer.model.watch import HOOKS
from tracer.watching.eyes import Eyes

EVERY_S = 0.1

_IN, _OUT = HOOKS.index("uplink_in"), HOOKS.index("uplink_out")


class Glimpses:
    """Of one node."""

    def __init__(self, node: str, say: Callable[[FromAgent], None]) -> None:
        self._node = node
        self._say = say
        self._at = 0.0
        self.beside: tuple[str, ...] = ()

    @property
    def due(self) -> float:
        """By CLOCK_MONOTONIC, in seconds."""
        return self._at if self.beside else float("inf")

    def tend(self, now: float, eyes: Eyes, known: Known) -> None:
        """Say what has passed, if it is time."""
        if now < self.due:
            return
        self._at = now + EVERY_S
        peers = [
            (node, lease.pod_cidr)
            for node in self.beside
            for lease in known.leases_of(node)
            if lease.pod_cidr is not None
        ]
        before = time.monotonic_ns()
        passed = tuple(
            Both(node, subnet, total.at[_IN].packets, total.at[_OUT].packets)
            for node, subnet, total in eyes.glimpse(peers)
        )
        if passed:
            until = time.monotonic_ns()
            self._say(Glimpse(node=self._node, time_ns=before, until_ns=until, passed=passed))
