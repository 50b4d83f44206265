"""Everything that a watch has heard, as one recording at any moment, and the findings that stand.

Live is record, then replay: what stands follows from the recording of the moment alone. Times are
those of whoever diagnoses, CLOCK_MONOTONIC in nanoseconds; what nodes say by their own clocks is
moved to it as it comes in.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from tracer.core.before import LATE_NS, Event, Events, told
from tracer.core.evidence import Explained, first_ns, outline
from tracer.core.examine import examined
from tracer.core.gaps import Gaps
from tracer.core.happened import flanneld_changed, lease_changed
from tracer.core.kept import Kept
from tracer.core.known import Known
from tracer.core.ledger import Ledger
from tracer.core.offsets import Offsets
from tracer.core.pods_heard import PodsHeard
from tracer.core.promised import with_promised
from tracer.core.standing import Changed, Findings
from tracer.core.suspects import suspects
from tracer.core.under_way import UnderWay
from tracer.model.bundle import FORMAT, Bundle, Trouble
from tracer.model.cluster import ClusterState, FlannelPod, NetConf, Node, Pod
from tracer.model.diagnosis import Finding, Severity
from tracer.model.glimpse import Glimpse
from tracer.model.lease import Lease
from tracer.model.message import FromAgent, Ready
from tracer.model.observation import Observation
from tracer.model.packet import Net
from tracer.model.request import CheckRequest
from tracer.model.state import NodeState
from tracer.model.watch import (
    Counts,
    Deviant,
    Deviating,
    Dropping,
    Happening,
    News,
    ReadAt,
    Watched,
)

API = ""
"""In the place of a node's name: a change in the API."""

Timed = TypeVar("Timed", Deviating, Dropping)


class Vigil:
    """Of the nodes that are watched."""

    def __init__(self, nodes: Sequence[str], version: str) -> None:
        self.nodes = tuple(nodes)
        self.known = Known()
        self.ledgers = {node: Ledger(node) for node in nodes}
        self.gaps = Gaps()
        self.states: dict[str, NodeState] = {}
        self.findings = Findings()
        self.openings: dict[str, int] = {}
        """Rule -> how often it was opened."""
        self._kept = Kept()
        self.silent: dict[str, Trouble] = {}
        """Nodes that say nothing, and why."""
        self.problems: dict[str, tuple[Trouble, ...]] = {}
        """Node -> what could not be observed there."""
        self._version = version
        self._flannel: dict[str, FlannelPod] = {}
        self._pods = PodsHeard()
        self._events = Events()
        self._happened: deque[Happening] = deque(maxlen=1000)
        self._offsets = Offsets()
        self._found: tuple[Finding, ...] = ()
        self._explained = Explained()
        self._under_way = UnderWay()
        self.settled = False
        """What the API said until now was there before us, and is no news."""
        self._due = self._counted = False
        self.pressing = False
        """It is a node that said what is new, and not the API alone."""
        self._evidence: object = None

    @property
    def due(self) -> bool:
        """Something is new that may change the findings."""
        if self._counted and not self._due:
            self._due = self._evidence != self._keys()
            self.pressing = self.pressing or self._due
        self._counted = False
        return self._due or self._pods.waits

    def learn(
        self, now: int, nodes: Iterable[Node], gone: Iterable[str] = (), conf: NetConf | None = None
    ) -> None:
        """What the API says of nodes and of flannel's configuration."""
        changes = self.known.take(nodes, gone, conf)
        for before, lease in changes:
            if before is not None and (lease is None or lease.pod_cidr != before.pod_cidr):
                for ledger in self.ledgers.values():
                    ledger.forget(before.node, before.pod_cidr)
        whose = {one.node for change in changes for one in change if one is not None}
        if self.settled:
            self._under_way.learn(now, whose)
            self.gaps.learn(now, whose)
        news = changes if self.settled else ()
        events = (lease_changed(now, change.before, change.now) for change in news)
        self._happen(API, [event for event in events if event is not None])
        self._due = self._due or bool(changes) or conf is not None

    def learn_flannel(self, now: int, before: FlannelPod | None, pod: FlannelPod | None) -> None:
        """A pod that runs flanneld came, is another, or went."""
        one = pod or before
        if one is None:
            return
        if pod is None:
            self._flannel.pop(one.name, None)
        else:
            self._flannel[one.name] = pod
        event = flanneld_changed(now, before, pod)
        if event is not None and self.settled:
            self._happen(API, [event])
            self._due = True

    def learn_pod(self, now: int, before: Pod | None, pod: Pod | None) -> None:
        """A pod of a watched node came, is another, or went."""
        self._pods.learn(now, before, pod)

    def pods(self, node: str) -> tuple[Pod, ...]:
        """Those of a watched node, as far as they have been heard of."""
        return self._pods.of(node)

    def hear(self, now: int, node: str, message: FromAgent) -> None:
        """What the watch on a node says."""
        if isinstance(message, Counts):
            self._offsets.hear(node, message.time_ns, now)
            self._kept.count(message)
            self.ledgers[node].take(message)
            self.gaps.take(node, self.ledgers, self._subnets(), self._offsets.now)
            self._counted = True
        elif isinstance(message, Glimpse):
            self._offsets.hear(node, message.until_ns, now)
            self.gaps.glimpse(message, self._offsets.now[node])
        elif isinstance(message, Deviant):
            self.ledgers[node].record(message)
            self._counted = True
            self._kept.keep(message.seen, deviates=True)
        elif isinstance(message, Observation):
            self._kept.keep(message)
        elif isinstance(message, Ready):
            self._kept.points(node, message.points)
        elif isinstance(message, News):
            offset = self._offsets.now.get(node, 0)
            moved = [replace(one, time_ns=one.time_ns + offset) for one in message.happened]
            self._happen(
                node, [Event(one.time_ns, one.what, frozenset(one.about)) for one in moved]
            )
        elif isinstance(message, NodeState):
            self.states[node] = message
            self._due = self.pressing = True

    def happened(self) -> tuple[Happening, ...]:
        """The last changes, in their order."""
        return tuple(self._happened)

    def anew(self, node: str) -> None:
        """The watch on a node begins once more: its counters and its clock do."""
        self.ledgers[node] = Ledger(node)
        self.gaps.forget(node)
        self._kept.forget(node)
        self._offsets.forget(node)

    def bundle(self, now: int, at: str) -> Bundle:
        """Everything of this moment, as a recording. `at`: UTC, ISO 8601.

        Of thousands of nodes those that are watched, and those of which something may be wrong.
        """
        watched = self._watched(now)
        leases = self.known.leases()
        read = {one.node: one.time_ns for one in watched.read}
        states = [
            self._under_way.settled(one, read[node], self.known.leases_of)
            for node, one in self.states.items()
        ]
        names = {*self.nodes, *suspects(leases, states, watched)}
        concerned = [lease for lease in leases if lease.node in names]
        judged = self._pods.judged(now, ((one, read[one.node]) for one in states))
        return Bundle(
            format=FORMAT,
            tool_version=self._version,
            created_at=at,
            check=CheckRequest(nodes=self.nodes),
            cluster=ClusterState(
                captured_at=at,
                nodes=tuple(one for name, one in self.known.nodes.items() if name in names),
                pods=self._pods.every(),
                flannel_pods=tuple(one for one in self._flannel.values() if one.node in names),
                net_conf=self.known.conf_text,
            ),
            nodes={node: with_promised(state, concerned) for node, state in judged.items()},
            troubles=(
                *self.silent.values(),
                *(one for all_ in self.problems.values() for one in all_),
            ),
            watched=watched,
        )

    def segment(self, now: int, at: str) -> Bundle:
        """The same with the packets that were recorded since the last one."""
        cut = self._kept.cut(self._offsets.now, self.known.vxlan_ports)
        bundle = self.bundle(now, at)
        watched = replace(self._watched(now), sampled=cut.sampled, aside=cut.aside)
        return replace(bundle, observations=cut.observations, watched=watched)

    def look(self, now: int, bundle: Bundle | None) -> list[Changed]:
        """What turned of the findings. `bundle`: of this moment; None: nothing is new."""
        if bundle is not None:
            self._due, self.pressing, self._evidence = False, False, self._keys()
            examination, explained = examined(bundle)
            self._explained.note(now, explained)
            self._found = tuple(one for one in examination.findings if one.severity in _TOLD)
        turned = self.findings.look(now, self._found)
        for one in turned:
            if one.turn == "opened":
                self.openings[one.finding.rule] = self.openings.get(one.finding.rule, 0) + 1
        return turned

    def before(self, changed: Changed, watched: Watched | None) -> tuple[str, ...]:
        """What changed just before it was opened, in words."""
        first = first_ns(changed.finding, watched)
        if first is None:
            found = self._events.before(changed.finding, changed.opened_ns)
            return tuple(told(one, changed.opened_ns) for one in found)
        found = self._events.before(changed.finding, first, LATE_NS)
        return tuple(told(one, first, " the first packet that shows it") for one in found)

    def _happen(self, node: str, events: Sequence[Event]) -> None:
        self._events.add(events)
        self._happened.extend(one.of(node) for one in events)

    def _watched(self, now: int) -> Watched:
        happened = [one for one in self._happened if now - one.time_ns <= 60_000_000_000]
        ledgers = self.ledgers.values()
        dropping = (self._moved(of.node, one) for of in ledgers for one in of.dropping())
        return Watched(
            time_ns=now,
            deviating=self._explained.marked(self._deviating()),
            dropping=self._explained.marked(dropping),
            gaps=self._explained.marked(self.gaps.gaps()),
            happened=tuple(happened[-100:]),
            read=tuple(
                ReadAt(node=node, time_ns=state.monotonic_ns + self._offsets.now.get(node, 0))
                for node, state in self.states.items()
            ),
        )

    def _deviating(self) -> Iterator[Deviating]:
        every = (
            self._moved(of.node, one) for of in self.ledgers.values() for one in of.deviating()
        )
        return self._under_way.over(every, self.known.leases_of, self.known.vxlan_ports)

    def _moved(self, node: str, one: Timed) -> Timed:
        """By our clock."""
        offset = self._offsets.now.get(node, 0)
        return replace(one, first_ns=one.first_ns + offset, last_ns=one.last_ns + offset)

    def _subnets(self) -> Mapping[str, tuple[Net, ...]]:
        return {node: tuple(_nets(self.known.leases_of(node))) for node in self.nodes}

    def _keys(self) -> object:
        dropping = (one for ledger in self.ledgers.values() for one in ledger.dropping())
        return outline(self._deviating(), dropping, self.gaps.gaps())


_TOLD = (Severity.ERROR, Severity.WARNING)


def _nets(leases: Iterable[Lease]) -> Iterator[Net]:
    yield from (lease.pod_cidr for lease in leases if lease.pod_cidr is not None)
