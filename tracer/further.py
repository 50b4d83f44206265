"""The tests that a recording makes when packets were lost and the tables cannot say why."""

import random
import time
from collections.abc import Callable

from tracer.core.settle import lost_on_underlay
from tracer.model.bundle import Bundle
from tracer.model.message import Datagram
from tracer.model.path import Way
from tracer.peers import Peers
from tracer.session import Session

DATAGRAM_S = 1.0
"""How long a test datagram may take between two uplinks."""


class Further:
    """Made only where the request allows active tests, and never more of them than needed."""

    def __init__(self, peers: Peers, session: Session, progress: Callable[[str], None]) -> None:
        self._peers = peers
        self._session = session
        self._progress = progress
        self._port = random.randint(20_000, 30_000)
        self.datagram_port = self._port if peers.request.active else 0
        """The port that test datagrams come from: how agents know them. 0: none will be sent."""
        self.datagrams: list[Datagram] = []

    def run(self, recorded: Callable[[], Bundle]) -> None:
        """Whatever the recording so far leaves open."""
        self._test_underlay(recorded())

    def _test_underlay(self, bundle: Bundle) -> None:
        """Requests or replies vanished between the uplinks: is it VXLAN's port, or every port?"""
        lost = lost_on_underlay(bundle)
        if not lost:
            return
        request = self._peers.request
        ends = (request.source.node, request.destination.node)
        sender, receiver = ends if lost[0].way is Way.REQUEST else ends[::-1]
        src, dst = self._peers.own_ip(sender), self._peers.public_ip(receiver)
        if src is None or dst is None:
            return
        port = self._peers.port_of(sender)
        test = Datagram(src=src, dst=dst, src_port=self._port, ports=(port, port + 1))
        self._progress(f"testing the underlay: one datagram to udp {port} and one to {port + 1}")
        self.datagrams.append(test)
        self._session.send(sender, test)
        session = self._session
        seen = len(session.observations)
        session.listen(lambda: len(session.observations) >= seen + 4, time.monotonic() + DATAGRAM_S)
