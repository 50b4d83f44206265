"""Probes on order: sent on schedule, answered or timed out, driven by somebody else's loop."""

import contextlib
import math
import os
import select
import time

from tracer.collect.capabilities import lacking
from tracer.collect.flight import Answer, Flights, Launch, Terms, terms
from tracer.collect.probe_icmp import EchoFlights
from tracer.collect.probe_tcp import ConnectFlights
from tracer.collect.probe_udp import DatagramFlights
from tracer.errors import CollectFailed, UsageError
from tracer.model.message import Probe, Sent
from tracer.model.record import Record
from tracer.model.request import ProbeKind

_NS = 1_000_000_000
_MS = 1_000_000


class _Flying(Record, frozen=True, kw_only=True):
    """A probe without an answer yet."""

    launch: Launch
    sent_ns: int


class Prober:
    """One order's probes. Call `step` when `files` are readable or `due` has come, until `done`."""

    def __init__(self, order: Probe, netns_fd: int | None) -> None:
        """`netns_fd`: the pod's namespace, ours from now on; None: where we are.

        CollectFailed: the sockets cannot be opened. UsageError: an order that cannot be meant.
        """
        self._order = order
        self._netns_fd = netns_fd
        self._epoll = select.epoll()
        self._flying: dict[int, _Flying] = {}
        self._next = 0
        self._flights: Flights | None = None
        try:
            self._flights = _flights(order, terms(order, netns_fd))
        except (OSError, ValueError) as error:
            self.close()
            missing = lacking(("NET_RAW",)) if isinstance(error, PermissionError) else None
            why = f"the agent lacks {missing}" if missing else str(error)
            raise CollectFailed(
                f"probes from {order.src} cannot be sent: {why}",
                where=os.uname().nodename,
                hint="probes need root on the node and a running pod that still has this address",
            ) from error
        except BaseException:
            self.close()
            raise
        self._begin_ns = time.monotonic_ns()

    @property
    def done(self) -> bool:
        """Every probe was reported."""
        return self._next >= self._order.count and not self._flying

    def files(self) -> list[int]:
        """What to wait for: one descriptor, readable when any of the sockets has something."""
        return [self._epoll.fileno()]

    def due(self) -> float:
        """When to call `step` at the latest, on the monotonic clock in seconds; inf when done."""
        moments = [flying.sent_ns + self._timeout_ns for flying in self._flying.values()]
        if self._next < self._order.count:
            moments.append(self._send_ns)
        return min(moments) / _NS if moments else math.inf

    def step(self) -> list[Sent]:
        """Send what is due, read what came, give up what is late. Returns the finished probes."""
        flights = self._flights
        if flights is None:
            return []
        finished = [self._answered(answer) for answer in flights.answers()]
        now = time.monotonic_ns()
        while self._next < self._order.count and self._send_ns <= now:
            finished.append(self._launch(flights, self._order.first_seq + self._next))
            self._next += 1
        for seq, flying in list(self._flying.items()):
            if flying.sent_ns + self._timeout_ns <= now:
                finished.append(self._finish(seq, Answer(seq=seq)))
        self._watch(flights)
        return [sent for sent in finished if sent is not None]

    def close(self) -> None:
        """Close everything; probes still flying are not reported."""
        if self._flights is not None:
            self._flights.close()
            self._flights = None
        self._epoll.close()
        if self._netns_fd is not None:
            os.close(self._netns_fd)
            self._netns_fd = None

    @property
    def _timeout_ns(self) -> int:
        return self._order.timeout_ms * _MS

    @property
    def _send_ns(self) -> int:
        """When the next probe is to leave: by the schedule, not by when the last one did."""
        return self._begin_ns + self._next * self._order.interval_ms * _MS

    def _launch(self, flights: Flights, seq: int) -> Sent | None:
        sent_ns = time.monotonic_ns()
        try:
            launch = flights.launch(seq)
        except OSError as error:
            size = self._order.size or 0
            return Sent(seq=seq, size=size, sent_ns=sent_ns, error=error.strerror or str(error))
        self._flying[seq] = _Flying(launch=launch, sent_ns=sent_ns)
        return None

    def _answered(self, answer: Answer) -> Sent | None:
        return self._finish(answer.seq, answer) if answer.seq in self._flying else None

    def _finish(self, seq: int, answer: Answer) -> Sent:
        flying = self._flying.pop(seq)
        if self._flights is not None:
            self._flights.forget(seq)
        elapsed = time.monotonic_ns() - flying.sent_ns
        return Sent(
            seq=seq,
            size=flying.launch.size,
            sent_ns=flying.sent_ns,
            reply=answer.reply,
            reply_from=answer.origin,
            rtt_us=elapsed // 1000 if answer.reply is not None else None,
            error=answer.error,
            src_port=flying.launch.src_port,
        )

    def _watch(self, flights: Flights) -> None:
        """Have epoll wait for the sockets that are open; closed ones left by themselves."""
        for file, events in flights.files().items():
            with contextlib.suppress(FileExistsError):
                self._epoll.register(file, events)


def _flights(order: Probe, given: Terms) -> Flights:
    if order.probe is ProbeKind.ICMP:
        return EchoFlights(given)
    if order.probe is ProbeKind.UNKNOWN or not order.port:
        raise UsageError(
            f"a {order.probe.value} probe without a port",
            where=f"probes to {order.dst}",
            hint="pass --probe icmp, or --probe tcp|udp with --port N",
        )
    kind = ConnectFlights if order.probe is ProbeKind.TCP else DatagramFlights
    return kind(given, order.first_seq)
