"""Observations -> paths: by skb and inner identity within a node, by inner identity between nodes.

Never by skb address or wall clock across nodes: in the lab both nodes share a kernel, and a join
by address would even seem to work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tracer.core.course import course, ends, is_pod, watched, why_unsure
from tracer.core.drops import Progress, awaited, drops_of, own, waited_for
from tracer.core.end import freed_for
from tracer.core.hops import hops_of
from tracer.core.outcome import Judged, doubted_at_the_edges, judged
from tracer.core.segments import Coverage, Point, merged
from tracer.core.sightings import Sighting, is_answer, seq_of, sightings, way_of
from tracer.model.bundle import Bundle
from tracer.model.message import Sent
from tracer.model.packet import Inner, InnerId, Ip
from tracer.model.path import Hop, Outcome, Path, Place, Way
from tracer.model.request import End, ProbeKind

SURE = ("echo reply", "SYN-ACK", "datagram")
"""Answers that only the destination gives. A RST or "port unreachable" may be a firewall's word in
its name: the kernel's record of a drop outweighs it."""


def correlate(bundle: Bundle) -> tuple[Path, ...]:
    """Every packet's path, requests first, by number. Hops carry no entries yet."""
    groups: dict[Way, dict[InnerId, list[Sighting]]] = {Way.REQUEST: {}, Way.REPLY: {}}
    arps: list[Sighting] = []
    for sighting in sightings(bundle):
        way = way_of(bundle, sighting)
        if way is not None and sighting.inner_id is not None:
            groups[way].setdefault(sighting.inner_id, []).append(sighting)
        elif sighting.freed and sighting.packet.arp is not None:
            arps.append(sighting)
    numbers = {sent.seq for sent in bundle.sent if is_answer(bundle, sent)}
    sure = {sent.seq for sent in bundle.sent if sent.seq in numbers and sent.reply in SURE}
    replied = numbers | _numbers(bundle, Way.REPLY, groups[Way.REPLY])
    there = _Trip(bundle, Way.REQUEST, arps, answered=sure, replied=replied)
    back = _Trip(bundle, Way.REPLY, arps, answered=numbers, replied=numbers)
    requests = there.paths(groups[Way.REQUEST])
    requests += _unseen_requests(there, requests)
    replies = back.paths(groups[Way.REPLY])
    replies += _unseen_replies(back, requests, replies)
    return tuple(sorted(requests, key=_order) + sorted(replies, key=_order))


def _order(path: Path) -> int:
    return path.seq if path.seq is not None else 0


def _numbers(bundle: Bundle, way: Way, groups: Mapping[InnerId, list[Sighting]]) -> set[int]:
    """The probes to which these packets belong."""
    numbers = (seq_of(bundle, _first(seen), way) for seen in groups.values())
    return {number for number in numbers if number is not None}


def _first(seen: Sequence[Sighting]) -> Inner | None:
    return next((one.packet.inner for one in seen if one.packet.inner is not None), None)


@dataclass
class _Trip:
    """One way of the trace, and what is known of it before any single packet is looked at."""

    bundle: Bundle
    way: Way
    arps: list[Sighting]
    answered: set[int]
    """Probes whose answer the sending socket received."""
    replied: set[int]
    """Those, and the ones whose answer was seen anywhere."""
    places: tuple[Place, ...] = field(init=False)
    ends: tuple[End, End] = field(init=False)
    _awaited: dict[str, frozenset[Ip]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.places = course(self.bundle, self.way)
        self.ends = ends(self.bundle.traced, self.way)

    def paths(self, groups: dict[InnerId, list[Sighting]]) -> list[Path]:
        """One path for each packet; of a probe's several packets the one that opens it."""
        groups, parts = merged(groups, self.places)
        found: dict[int | InnerId, tuple[Path, list[Sighting]]] = {}
        for inner_id, every in groups.items():
            seen = own(every, self.bundle, *self.ends)
            path = self._path(inner_id, seen, parts.get(inner_id, {}))
            if path is not None:
                found.setdefault(path.seq if path.seq is not None else inner_id, (path, seen))
        return doubted_at_the_edges(self.bundle, list(found.values()))

    def _path(
        self, inner_id: InnerId, seen: list[Sighting], parts: Mapping[Point, Coverage]
    ) -> Path | None:
        """None: only copies of it were seen."""
        sender, receiver = self.ends
        inner = _first(seen)
        seq = seq_of(self.bundle, inner, self.way)
        answered = seq in self.answered
        progress = Progress(seen, self.places)
        earlier, drop = drops_of(seen, progress, self.bundle, self.ends)
        fatal = [] if answered else self._fatal(drop, progress)
        hops = hops_of(progress.passes, earlier + fatal, (sender.node, receiver.node), parts)
        if not hops:
            return None
        verdict = judged(
            self.bundle,
            self.places,
            receiver,
            hops,
            dropped=bool(fatal),
            answered=answered,
            replied=seq in self.replied,
        )
        return self._as_path(inner_id, seq, inner.ip_length if inner else 0, hops, verdict)

    def _fatal(self, drop: Sighting | None, progress: Progress) -> list[Sighting]:
        """The drop that ended it, after the ARP requests that were freed while it waited."""
        cause = drop.observation.drop if drop is not None else None
        found = [drop] if drop is not None else []
        last = progress.furthest
        if not self.arps or last is None or (cause and not freed_for(cause, "NEIGH_FAILED")):
            return found
        node = last.observation.node
        if node != self.ends[1].node and progress.reached(self.ends[1].node):
            return found
        if node not in self._awaited:
            self._awaited[node] = awaited(self.bundle, node, self.ends[1])
        return waited_for(self.arps, progress, self._awaited[node]) + found

    def _as_path(
        self, inner_id: InnerId, seq: int | None, size: int, hops: tuple[Hop, ...], verdict: Judged
    ) -> Path:
        dropped = verdict.outcome is Outcome.DROPPED
        last = [hop for hop in hops if hop.drop is not None or not dropped][-1]
        end = Place(
            node=last.node, device=last.device, direction=last.direction, ifname=last.ifname
        )
        delivered = verdict.outcome is Outcome.DELIVERED
        missed = () if delivered else self.places[verdict.furthest + 1 :]
        return Path(
            way=self.way,
            inner_id=inner_id,
            seq=seq,
            size=size,
            hops=hops,
            outcome=verdict.outcome,
            end=self.places[-1] if delivered and self.places else end,
            drop=last.drop if dropped else None,
            not_reached=tuple(place for place in missed if watched(self.bundle, place)),
            doubt=verdict.doubt,
        )

    def unseen(self, sent: Sent) -> Path:
        """A packet that must have been there, and that no point has seen."""
        sender, receiver = self.ends
        plan = self.bundle.traced.plan
        outcome = Outcome.DELIVERED if sent.seq in self.replied else Outcome.LOST
        doubt = sent.error if self.way is Way.REQUEST else None
        if outcome is Outcome.LOST:
            first = self.places[0] if self.places else None
            unsure = (
                why_unsure(self.bundle.agents.get(first.node), first)
                if first is not None
                else f"no watched device lies between {sender.name} and {receiver.name}"
            )
            if unsure is not None and doubt is None:
                outcome, doubt = Outcome.UNKNOWN, unsure
        missed = self.places if outcome is not Outcome.DELIVERED else ()
        return Path(
            way=self.way,
            inner_id=InnerId(
                src=sender.ip,
                dst=receiver.ip,
                protocol=plan.kind.value if plan is not None else "",
                token=f"{self.way.value} {sent.seq}, never seen",
            ),
            seq=sent.seq,
            size=sent.size,
            hops=(),
            outcome=outcome,
            end=self.places[0] if self.places and is_pod(sender) else None,
            not_reached=tuple(place for place in missed if watched(self.bundle, place)),
            doubt=doubt,
        )


def _unseen_requests(trip: _Trip, seen: list[Path]) -> list[Path]:
    """Probes that were sent, and that no point has seen."""
    numbers = {path.seq for path in seen}
    return [trip.unseen(sent) for sent in trip.bundle.sent if sent.seq not in numbers]


def _unseen_replies(trip: _Trip, requests: list[Path], seen: list[Path]) -> list[Path]:
    """Answers that were due (a request arrived, and its kind is answered) and were not seen."""
    plan = trip.bundle.traced.plan
    if plan is None or plan.kind is ProbeKind.UDP:
        return []
    numbers = {path.seq for path in seen}
    arrived = {path.seq for path in requests if path.outcome is Outcome.DELIVERED}
    return [
        trip.unseen(sent)
        for sent in trip.bundle.sent
        if sent.seq in arrived and sent.seq not in numbers
    ]
