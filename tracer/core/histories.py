"""Sampled packets, each with everything that the watched nodes saw of it.

A packet is told by what no hop changes, its IP identification included where it has one: an
acknowledgement of TCP is otherwise like the one before. What is the same even so (IPv6 has no
identification) is one history with several copies.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from tracer.core.drops import USED_UP
from tracer.core.segments import Point, point
from tracer.core.sightings import Sighting, sightings
from tracer.model.bundle import Bundle
from tracer.model.observation import Direction, Observation
from tracer.model.packet import Inner, InnerId
from tracer.model.sampled import Sampled

MARGIN_NS = 500_000_000
"""So near to the beginning or end of what is recorded a packet may be half recorded."""


@dataclass(slots=True)
class History:
    """One packet, or several that nothing tells apart."""

    inner_id: InnerId
    inner: Inner
    seen: list[Sighting] = field(default_factory=list)
    freed: list[Sighting] = field(default_factory=list)
    """Where the kernel threw it away, as far as that was recorded."""

    def times(self) -> Counter[Point]:
        """How often it was seen at each point."""
        return Counter(point(one) for one in self.seen)

    @property
    def copies(self) -> int:
        """How many packets it is."""
        return max(self.times().values())

    @property
    def is_data(self) -> bool:
        """A segment of TCP with payload: the receiver may glue it to the one before (GRO)."""
        inner = self.inner
        return inner.tcp_seq is not None and inner.payload_length != 0 and not _is_syn(inner)

    @property
    def told_apart(self) -> bool:
        """Not so of super-packets, which are cut on the way, nor of later pieces of a packet."""
        if any(one.observation.gso_size for one in self.seen):
            return False
        inner = self.inner
        return not (
            inner.protocol in ("tcp", "udp", "icmp", "icmpv6")
            and inner.src_port is None
            and inner.icmp_type is None
        )


def histories(bundle: Bundle) -> list[History]:
    """All of a watch's recording, those at its edges too. Of other recordings: none."""
    watched = bundle.watched
    spans = {one.node: one for one in watched.sampled} if watched is not None else {}
    found: dict[tuple[InnerId, int | None], History] = {}
    freed: list[Sighting] = []
    for one in sightings(replace(bundle, observations=tuple(_of_samples(bundle, spans)))):
        inner = one.packet.inner
        if one.freed:
            freed.append(one)
        elif one.inner_id is not None and inner is not None:
            key = (one.inner_id, inner.ip_id)
            history = found.get(key)
            if history is None:
                history = found[key] = History(one.inner_id, inner)
            history.seen.append(one)
    for one in freed:
        inner = one.packet.inner or one.joined
        drop = one.observation.drop
        if one.inner_id is None or inner is None or drop is None or drop.reason in USED_UP:
            continue
        history = found.get((one.inner_id, inner.ip_id))
        if history is not None:
            history.freed.append(one)
    return list(found.values())


def _of_samples(bundle: Bundle, spans: Mapping[str, Sampled]) -> Iterator[Observation]:
    aside = frozenset(bundle.watched.aside if bundle.watched is not None else ())
    for number, one in enumerate(bundle.observations):
        if one.node in spans and (number not in aside or one.direction is Direction.FREED):
            yield one


def is_whole(history: History, sampled: Iterable[Sampled]) -> bool:
    """All of it lies well within what is recorded, on each node by that node's own clock."""
    spans = {one.node: one for one in sampled}
    return all(_within(one, spans[one.observation.node]) for one in history.seen)


def _within(one: Sighting, span: Sampled) -> bool:
    moment = one.observation.time_ns
    return span.since_ns + MARGIN_NS <= moment <= span.until_ns - MARGIN_NS


def _is_syn(inner: Inner) -> bool:
    return "S" in (inner.tcp_flags or "")
