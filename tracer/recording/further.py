"""The tests that a recording makes when packets were lost and the tables cannot say why."""

import random
import time
from collections.abc import Callable

from msgspec.structs import replace

from tracer import __version__
from tracer.core.ladder import bracket
from tracer.core.rules.datagrams import seen_of
from tracer.core.settle import lost_on_underlay
from tracer.model.bundle import Bundle
from tracer.model.message import PROTOCOL, Datagram, Probe, Start, Stop
from tracer.model.path import Way
from tracer.model.request import Request
from tracer.recording.peers import Peers
from tracer.recording.session import Session

DATAGRAM_S = 1.0
"""How long a test datagram may take between two uplinks."""

RUNG_MS = 300
"""How long a probe of a further size waits for its answer."""

ROUNDS = 4

THIRD_NODE_S = 8.0
"""How long the agent of a third node may take to be ready."""


class Further:
    """Made only where the request allows active tests, and never more of them than needed."""

    def __init__(
        self,
        peers: Peers,
        session: Session,
        probe: Probe | None,
        progress: Callable[[str], None],
    ) -> None:
        """`probe`: the ordinary one; None: nothing was sent."""
        self._peers = peers
        self._session = session
        self._probe = probe
        self._progress = progress
        self._port = random.randint(20_000, 30_000)
        self.datagram_port = self._port if peers.request.active else 0
        """The port that test datagrams come from: how agents know them. 0: none will be sent."""
        self.datagrams: list[Datagram] = []
        self._sizes: tuple[int, ...] = ()

    def added(self, request: Request) -> Request:
        """The request with what was sent beyond it."""
        if request.plan is None or not self._sizes:
            return request
        return replace(request, plan=replace(request.plan, sizes=self._sizes))

    def run(self, recorded: Callable[[], Bundle]) -> None:
        """Whatever the recording so far leaves open."""
        self._test_sizes(recorded)
        self._test_ports(recorded())

    def _test_sizes(self, recorded: Callable[[], Bundle]) -> None:
        """Small ones pass and that of full MTU does not: which is the largest that passes?"""
        probe = self._probe
        for _ in range(ROUNDS):
            found = bracket(recorded())
            rungs = found.rungs() if found is not None else ()
            if found is None or not rungs or probe is None:
                return
            self._progress(f"looking for the size that passes: {found.passed} to {found.lost} B")
            first = probe.first_seq + probe.count + 1 + len(self._sizes)
            self._sizes += rungs
            for number, size in enumerate(rungs):
                one = replace(
                    probe, first_seq=first + number, count=1, size=size, timeout_ms=RUNG_MS
                )
                self._session.send(self._peers.request.source.node, one)
            whole = {*range(first, first + len(rungs))}
            self._session.listen(
                lambda whole=whole: whole <= {sent.seq for sent in self._session.sent},  # type: ignore[misc]
                time.monotonic() + RUNG_MS / 1000 + DATAGRAM_S,
            )

    def _test_ports(self, bundle: Bundle) -> None:
        """Everything vanished between the uplinks: is it VXLAN's port, or every port?"""
        lost = lost_on_underlay(bundle)
        if not lost or bracket(bundle) is not None:
            return
        request = self._peers.request
        ends = (request.source.node, request.destination.node)
        sender, receiver = ends if lost[0].way is Way.REQUEST else ends[::-1]
        port = self._peers.port_of(sender)
        self._progress(f"testing the underlay: one datagram to udp {port} and one to {port + 1}")
        if self._send_datagrams(sender, receiver, port) < 4:
            self._ask_third_node(receiver, port)

    def _ask_third_node(self, receiver: str, port: int) -> None:
        """Is it these two nodes alone, or does the receiver take VXLAN from nobody?"""
        session, request = self._session, self._peers.request
        ends = (request.source.node, request.destination.node)
        third = next((one.node for one in self._peers.leases if one.node not in ends), None)
        if third is None:
            return
        self._progress(f"testing the underlay from a third node, {third}")
        patience_s = THIRD_NODE_S + session.way.patience_s
        session.start({third: Start(protocol=PROTOCOL, version=__version__, node=third, pair=None)})
        session.listen(
            lambda: third in session.ready or third in session.gone,
            time.monotonic() + patience_s,
        )
        if third not in session.ready:
            if third not in session.gone:
                what = f"the agent on {third} was not ready in {patience_s:g} s"
                session.trouble(third, what, "")
            return
        self._send_datagrams(third, receiver, port)
        session.send(third, Stop())

    def _send_datagrams(self, sender: str, receiver: str, port: int) -> int:
        """To VXLAN's port and the next one; how many observations came of it."""
        src, dst = self._peers.own_ip(sender), self._peers.public_ip(receiver)
        if src is None or dst is None:
            return 0
        test = Datagram(src=src, dst=dst, src_port=self._port, ports=(port, port + 1))
        earlier = tuple(self.datagrams)
        self.datagrams.append(test)
        session = self._session
        session.send(sender, test)
        watched = sender in (self._peers.request.source.node, self._peers.request.destination.node)
        first = len(session.observations)  # packets of probes may come in late beside them

        def seen() -> int:
            return seen_of(test, earlier, session.observations[first:])

        session.listen(lambda: seen() >= (4 if watched else 2), time.monotonic() + DATAGRAM_S)
        return seen()
