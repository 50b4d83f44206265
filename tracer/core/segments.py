"""TCP data by sequence range: GSO and GRO cut and glue segments between one point and the next.

The sender's hooks see super-packets of up to 64 kB and more, the receiver's see them merged in
another way. So a segment seen at the first point is the packet, and what is seen further on covers
it wholly or in part.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tracer.core.sightings import Sighting
from tracer.model.observation import Device, Direction
from tracer.model.packet import Inner, InnerId
from tracer.model.path import Place

Point = tuple[str, Device, Direction]


class Coverage(NamedTuple):
    """How much of one packet's payload a point saw."""

    seen: int
    whole: int
    times: int
    """How often the whole of it passed, at least 1."""


class Range(NamedTuple):
    """Sequence numbers of one segment, counted from the flow's first one: [start, end)."""

    start: int
    end: int
    owner: InnerId


Groups = dict[InnerId, list[Sighting]]
Parts = dict[InnerId, dict[Point, Coverage]]


def merged(groups: Groups, whole: tuple[Place, ...]) -> tuple[Groups, Parts]:
    """The same groups, with TCP data under the range that its first point saw."""
    flows: dict[tuple[str, str, int | None, int | None], list[Sighting]] = defaultdict(list)
    result: Groups = {}
    for inner_id, seen in groups.items():
        inner = next((one.packet.inner for one in seen if one.packet.inner is not None), None)
        if inner is not None and _is_data(inner):
            flows[(inner.src, inner.dst, inner.src_port, inner.dst_port)] += seen
        else:
            result[inner_id] = seen
    parts: Parts = {}
    rank = {(place.node, place.device, place.direction): n for n, place in enumerate(whole)}
    for seen in flows.values():
        _spread(sorted(seen, key=_moment), rank, result, parts)
    return result, parts


def _moment(one: Sighting) -> tuple[str, int]:
    return one.observation.node, one.observation.time_ns


def _is_data(inner: Inner) -> bool:
    return (
        inner.tcp_seq is not None
        and bool(inner.payload_length)
        and "S" not in (inner.tcp_flags or "")
    )


def _spread(seen: list[Sighting], rank: dict[Point, int], result: Groups, parts: Parts) -> None:
    """Put every sighting of one flow under the first point's ranges that it covers."""
    placed = _ranges(seen)
    first = min((rank.get(point(one), len(rank)) for one, _ in placed), default=0)
    origins = _origins(span for one, span in placed if rank.get(point(one), len(rank)) == first)
    starts = [origin.start for origin in origins]
    covered: dict[tuple[InnerId, Point], list[tuple[int, int]]] = defaultdict(list)
    for one, span in placed:
        for origin in _overlapped(origins, starts, span):
            result.setdefault(origin.owner, []).append(one)
            if not one.freed:
                low, high = max(span.start, origin.start), min(span.end, origin.end)
                covered[(origin.owner, point(one))].append((low, high))
    lengths = {origin.owner: origin.end - origin.start for origin in origins}
    for (owner, where), pieces in covered.items():
        times = max(1, sum(high - low for low, high in pieces) // lengths[owner])
        parts.setdefault(owner, {})[where] = Coverage(_union(pieces), lengths[owner], times)
    for one in seen:
        # Freed with its headers cut off: known by its skb alone, without a range.
        if one.packet.inner is None and one.inner_id in lengths:
            result.setdefault(one.inner_id, []).append(one)


def point(one: Sighting) -> Point:
    """Where it was seen."""
    return one.observation.node, one.observation.device, one.observation.direction


def _ranges(seen: list[Sighting]) -> list[tuple[Sighting, Range]]:
    """Ranges by distance from the flow's first number.

    The counter wraps at 32 bits. How often is told by each node's own series of segments: from one
    to the next it moves by far less than half of that.
    """
    found: list[tuple[Sighting, Range]] = []
    base: int | None = None
    near: dict[str, int] = {}
    for one in seen:
        inner, node = one.packet.inner, one.observation.node
        if inner is None or inner.tcp_seq is None or one.inner_id is None:
            continue
        base = inner.tcp_seq if base is None else base
        last = near.get(node, 0)
        start = last + (inner.tcp_seq - base - last + (1 << 31)) % (1 << 32) - (1 << 31)
        near[node] = start
        found.append((one, Range(start, start + (inner.payload_length or 0), one.inner_id)))
    return found


def _origins(spans: Iterable[Range]) -> list[Range]:
    """The distinct ranges of the first point. One inside of another is a retransmission of it."""
    found: list[Range] = []
    for span in sorted(spans, key=lambda one: (one.start, -one.end)):
        if not found or span.end > found[-1].end:
            found.append(span)
    return found


def _overlapped(origins: list[Range], starts: list[int], span: Range) -> Iterator[Range]:
    index = max(0, bisect_right(starts, span.start) - 1)
    while index < len(origins) and origins[index].start < span.end:
        if origins[index].end > span.start:
            yield origins[index]
        index += 1


def _union(pieces: list[tuple[int, int]]) -> int:
    total, reached = 0, min(low for low, _ in pieces)
    for low, high in sorted(pieces):
        total += max(0, high - max(low, reached))
        reached = max(reached, high)
    return total
