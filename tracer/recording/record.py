"""The operator's side of one recording: ask the API, start agents, send probes, gather.

Reads as the recipe that it is. The result is a Bundle; nothing is concluded here beyond "is there
anything left to wait for".
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import msgspec

from tracer import __version__
from tracer.collect.kube_questions import traced
from tracer.core.case import Case
from tracer.core.facts import Facts
from tracer.core.settle import NEIGHBOUR_S, UNDERLAY_S, Waiting, waiting
from tracer.core.verdict import other_backend
from tracer.errors import CollectFailed
from tracer.model.bundle import FORMAT, Bundle
from tracer.model.message import Probe
from tracer.model.record import Record
from tracer.model.request import EndKind, ProbeKind, ProbePlan, Request
from tracer.recording.ends import of_ends, resolve, wanted
from tracer.recording.further import Further
from tracer.recording.many import now
from tracer.recording.peers import Peers
from tracer.recording.reach import REMOVING, Reach
from tracer.recording.session import Session

INTERVAL_MS = 10
REPLY_MS = 1000
"""How long a probe's own socket waits for its answer."""


class Order(Record, frozen=True, kw_only=True):
    """What the command line asked for."""

    source: str
    destination: str
    namespace: str
    plan: ProbePlan | None
    passive_s: float | None
    predict: bool = False
    """Read the nodes' tables, and send nothing."""
    active: bool
    reach: Reach
    family: int | None = None
    """4 or 6; None: IPv4 where both ends have it."""


class Recorder:
    """One recording under way. `bundle()` is legal at any time: a partial result is a result."""

    def __init__(self, order: Order, progress: Callable[[str], None]) -> None:
        words = (order.source, order.destination)
        asked = wanted(words, order.namespace)
        progress("reading pods and leases")
        api = order.reach.api()
        cluster, self._not_permitted = traced(api, asked)
        self._probe_id = os.getpid() & 0xFFFF
        source, destination = resolve(words, order.namespace, cluster, order.family)
        self._cluster = of_ends(cluster, (source, destination))
        self._order = order
        self._request = Request(
            source=source,
            destination=destination,
            plan=order.plan,
            passive_s=order.passive_s,
            probe_id=self._probe_id,
            active=order.active,
            predict=order.predict,
        )
        self._progress = progress
        sends = order.plan is not None
        way = order.reach.way(api, order.passive_s or 0.0, sends=sends)
        self._session = Session(way)
        self._created_at = now()
        self._peers = Peers(self._request, cluster, self._session.nodes)
        probe = self._first_probe(order.plan) if order.plan is not None else None
        self._further = Further(self._peers, self._session, probe, progress)

    def run(self) -> None:
        """Record from the first agent's start to the last one's end; nothing where flannel's

        backend is one that flantrace does not follow.
        """
        session, request = self._session, self._request
        if other_backend(Case(Facts(self.bundle()), request, ())) is not None:
            return
        nodes = list(dict.fromkeys((request.source.node, request.destination.node)))
        try:
            port = self._further.datagram_port
            session.start({node: self._peers.start(node, port) for node in nodes})
            self._await_ready(nodes)
            if request.source.node in session.ready and not request.predict:
                self._send_or_watch()
            if request.active and set(nodes) <= set(session.ready):
                self._further.run(self.bundle)
        finally:
            if self._order.reach.ephemeral:
                self._progress(REMOVING)
            session.stop(patience_s=3.0)
        if not session.nodes and not session.observations:
            first = session.troubles[0]
            raise CollectFailed(first.what, where=session.way.where, hint=first.hint)

    def bundle(self) -> Bundle:
        """Everything recorded so far."""
        session = self._session
        return Bundle(
            format=FORMAT,
            tool_version=__version__,
            created_at=self._created_at,
            request=self._further.added(self._request),
            cluster=self._cluster,
            nodes=dict(session.nodes),
            agents=session.reports(),
            observations=tuple(session.observations),
            sent=tuple(session.sent),
            datagrams=tuple(self._further.datagrams),
            troubles=(*session.troubles, *self._not_permitted),
        )

    def _await_ready(self, nodes: list[str]) -> None:
        session = self._session
        self._progress(f"starting agents on {' and '.join(nodes)}")
        patience_s = self._order.reach.timeout_s + session.way.patience_s
        deadline = time.monotonic() + patience_s
        session.listen(lambda: set(nodes) <= set(session.ready) | session.gone, deadline)
        for node in session.listening() - set(session.ready):
            session.trouble(
                node,
                f"the agent on {node} was not ready in {patience_s:g} s",
                "give it more time: --timeout SECONDS",
            )

    def _send_or_watch(self) -> None:
        plan, session = self._request.plan, self._session
        if plan is None:
            self._watch(self._request.passive_s or 0.0)
            return
        total = 0
        for order in self._probes(plan):
            session.send(self._request.source.node, order)
            total += order.count
        self._progress(f"sending {total} {plan.kind.value} probes")
        source = self._request.source.node
        session.listen(
            lambda: len(session.sent) >= total or source not in session.listening(),
            time.monotonic() + total * INTERVAL_MS / 1000 + REPLY_MS / 1000 + 1.0,
        )
        self._settle()

    def _watch(self, seconds: float) -> None:
        """The pods' own traffic, for so long, or until there is enough of it or nobody left."""
        session, begun = self._session, time.monotonic()
        # What one agent saw before the other watched looks lost; pods start seconds apart.
        session.observations.clear()
        self._progress(f"watching the pods' own traffic for {seconds:g} s")
        try:
            session.listen(lambda: not session.listening() or session.full, begun + seconds)
        finally:
            passed = time.monotonic() - begun
            watched = seconds if passed >= seconds else round(passed, 1)
            self._request = msgspec.structs.replace(self._request, passive_s=watched)
        if session.full:
            session.trouble(
                None,
                f"the recording ended after {watched:g} s: {len(session.observations)} observations"
                " were enough",
                "a shorter time does as well: --for",
            )

    def _settle(self) -> None:
        """Wait as long as the kernel may still tell what became of a probe, and no longer."""
        begun = time.monotonic()
        patience = {Waiting.UNDERLAY: UNDERLAY_S, Waiting.NEIGHBOUR: NEIGHBOUR_S}
        for state in iter(lambda: waiting(self.bundle()), Waiting.NOTHING):
            waited = time.monotonic() - begun + REPLY_MS / 1000
            if waited >= patience[state] or not self._session.listening():
                return
            self._progress(f"waiting for what became of the probes ({state.value})")
            seen = len(self._session.observations)
            self._session.listen(
                lambda seen=seen: len(self._session.observations) > seen,  # type: ignore[misc]
                min(time.monotonic() + 0.2, begun + patience[state]),
            )

    def _probes(self, plan: ProbePlan) -> list[Probe]:
        """The small ones, then one of the overlay's full MTU."""
        first = self._first_probe(plan)
        if not plan.full_mtu or plan.kind is not ProbeKind.ICMP:
            return [first]
        return [first, msgspec.structs.replace(first, first_seq=plan.count + 1, count=1, size=0)]

    def _first_probe(self, plan: ProbePlan) -> Probe:
        source = self._request.source
        return Probe(
            id=self._probe_id,
            src=source.ip,
            dst=self._request.destination.ip,
            probe=plan.kind,
            port=plan.port,
            first_seq=1,
            count=plan.count,
            size=plan.size,
            interval_ms=INTERVAL_MS,
            timeout_ms=REPLY_MS,
            from_host=source.kind is EndKind.NODE or source.host_network,
        )
