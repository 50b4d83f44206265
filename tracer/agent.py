"""What runs on a node: take a snapshot, attach, stream what passes, probe when told, detach.

Speaks on stdio, one JSON object a line. Leaves by itself when its standard input ends, when the
operator's heartbeats stop, and on SIGTERM, SIGINT and SIGPIPE. Changes nothing on the node.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import time
from typing import TYPE_CHECKING, NoReturn

from msgspec import structs

from tracer import __version__
from tracer.collect.operator import (
    BEAT_S,
    SILENCE_S,
    Garbled,
    Leave,
    OperatorStream,
    Silence,
)
from tracer.errors import FlantraceError
from tracer.model.message import (
    PROTOCOL,
    Bye,
    Datagram,
    Examine,
    Hello,
    Hold,
    Probe,
    Problem,
    Ready,
    Start,
    Stop,
    ToAgent,
)
from tracer.model.record import Record
from tracer.model.state import NodeState

if TYPE_CHECKING:
    from tracer.collect.bpf import Watch
    from tracer.collect.probe import Prober
    from tracer.model.observation import AttachedPoint
    from tracer.model.packet import Ip

SKEW = "install the same version of flantrace on both sides, or pass --agent"


class Agent:
    """One node's side of one trace."""

    def __init__(self, node_in: int = 0, node_out: int = 1) -> None:
        self._operator = OperatorStream(node_in, node_out)
        self._selector = selectors.DefaultSelector()
        self._watch: Watch | None = None
        self._probers: list[Prober] = []
        self._state: NodeState | None = None

    def run(self) -> int:
        """Serve one operator to its end. Returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _leave)
        self._operator.begin()
        try:
            self._selector.register(self._operator, selectors.EVENT_READ)
            start = self._start()
            if isinstance(start, Hold):
                self._hold(start)
            self._prepare(start)
            while True:
                self._turn()
        except Silence:
            said = f"the agent heard nothing from flantrace for {SILENCE_S:.0f} s and left"
            with contextlib.suppress(BrokenPipeError, Leave):
                self._say(Problem(what=said, hint="trace again"))
        except (Leave, BrokenPipeError):
            pass
        finally:
            with contextlib.suppress(BrokenPipeError, Leave):
                self._end()
        return 0

    def _start(self) -> Start | Hold:
        """Greet, then wait for the operator's first line."""
        while True:
            self._selector.select(SILENCE_S)
            for message in self._orders():
                if not isinstance(message, Start | Examine | Hold):
                    continue
                self._say(
                    Hello(
                        protocol=PROTOCOL,
                        version=__version__,
                        node=message.node,
                        pid=os.getpid(),
                    )
                )
                if message.protocol != PROTOCOL:
                    raise Leave
                if isinstance(message, Start | Hold):
                    return message
                self._examine(message.node)
                raise Leave

    def _examine(self, node: str) -> None:
        """What this machine can do, and nothing else."""
        from tracer.collect.health import health

        self._say(health(node))
        self._say(Bye(lost=None))

    def _hold(self, first: Hold) -> NoReturn:
        """Watch, for as long as the operator listens."""
        from tracer.watching.node import NodeWatch

        operator = self._operator
        with NodeWatch(first.node, self._say) as watch:
            watch.obey(first)
            while True:
                wait = max(0.0, min(watch.due(), time.monotonic() + BEAT_S) - time.monotonic())
                select.select([operator.fileno(), *watch.files()], [], [], wait)
                for order in self._orders():
                    if isinstance(order, Stop):
                        raise Leave
                    if isinstance(order, Hold):
                        watch.obey(order)
                watch.step()
                operator.beat()

    def _prepare(self, start: Start) -> None:
        """Snapshot, attach, ready. What fails is a Problem; the rest goes on."""
        from tracer.collect.snapshot import snapshot

        state = snapshot(start.node, pods=start.pods, firewall=start.firewall)
        self._state = state
        if start.pair is None:
            from tracer.core.promised import without_promised

            self._say(without_promised(state, start.leases) if start.leases else state)
        elif self._watched(start, start.pair, state):
            return
        self._say(Ready(points=(), attach="none", drops=False, reasons=False))

    def _watched(self, start: Start, pair: tuple[Ip, Ip], state: NodeState) -> bool:
        """Say the state, with the kernel's answers for the pair, and attach if that is wanted.

        False: nothing is attached.
        """
        from tracer.collect.lookups import lookups
        from tracer.collect.points import points

        found, problems = points(state, peers=start.peers, pods=start.pods, pair=pair)
        answers = lookups(state, found, pair=pair, peers=start.peers)
        self._say(structs.replace(state, lookups=answers))
        if not start.watch:
            return False
        for problem in problems:
            self._say(Problem(what=problem, hint="is the pod running on this node?"))
        try:
            self._attach(start, pair, state, found)
        except FlantraceError as error:
            self._say(Problem(what=error.what, hint=error.hint))
            return False
        return True

    def _attach(
        self,
        start: Start,
        pair: tuple[Ip, Ip],
        state: NodeState,
        points: tuple[AttachedPoint, ...],
    ) -> None:
        from tracer.collect.bpf import Filter, Watch

        own = {link.vxlan.port for link in state.links if link.vxlan is not None}
        watched = Filter(
            pair=pair,
            vxlan_ports=tuple(sorted(own | set(start.vxlan_ports))),
            neighbours=start.neighbours,
            datagram_port=start.datagram_port,
            netns=(state.netns, *(pod.netns for pod in state.pods)),
        )
        self._watch = watch = Watch(start.node, watched, points)
        for problem in watch.problems:
            self._say(Problem(what=problem, hint="trace again; devices came or went"))
        self._selector.register(watch.fileno(), selectors.EVENT_READ)
        self._say(
            Ready(
                points=watch.points,
                attach=watch.attach,
                drops=watch.drops,
                reasons=watch.reasons,
            )
        )

    def _turn(self) -> None:
        """Wait for the next thing to do, and do it."""
        due = min([time.monotonic() + BEAT_S, *(prober.due() for prober in self._probers)])
        self._selector.select(max(0.0, due - time.monotonic()))
        for message in self._orders():
            self._obey(message)
        self._report()
        for prober in list(self._probers):
            self._operator.tell(prober.step())
            if prober.done:
                for file in prober.files():
                    self._selector.unregister(file)
                prober.close()
                self._probers.remove(prober)
        self._operator.beat()

    def _obey(self, message: Record) -> None:
        if isinstance(message, Probe):
            self._probe(message)
        elif isinstance(message, Datagram):
            from tracer.collect.datagram import send

            for problem in send(message):
                self._say(Problem(what=problem, hint="the underlay test did not leave this node"))
        elif isinstance(message, Stop):
            raise Leave

    def _probe(self, order: Probe) -> None:
        from tracer.collect.pods import pod_netns_fd
        from tracer.collect.probe import Prober

        try:
            prober = Prober(order, None if order.from_host else pod_netns_fd(order.src))
        except FlantraceError as error:
            self._say(Problem(what=error.what, hint=error.hint))
            return
        for file in prober.files():
            self._selector.register(file, selectors.EVENT_READ)
        self._probers.append(prober)

    def _orders(self) -> list[ToAgent]:
        """The operator's lines that have arrived. Leave at the stream's end, or patience's."""
        try:
            return self._operator.orders()
        except Garbled as error:
            self._say(Problem(what=str(error), hint=SKEW))
            raise

    def _report(self) -> None:
        if self._watch is not None:
            self._operator.tell(self._watch.drain())

    def _end(self) -> None:
        """Detach first, then read the ring to its end: nothing that was recorded is lost."""
        lost: int | None = None
        for prober in self._probers:
            prober.close()
        if self._watch is not None:
            self._watch.close()
            self._report()
            lost = self._watch.lost()
        if self._state is not None:
            from tracer.collect.snapshot import counters

            self._say(Bye(lost=lost, links=counters()))

    def _say(self, record: Record) -> None:
        self._operator.tell((record,))


def _leave(*_: object) -> None:
    raise Leave
