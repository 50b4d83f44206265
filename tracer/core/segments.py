"""TCP data by sequence range: GSO and GRO cut and glue segments between one point and the next.

The sender's hooks see super-packets of up to 64 kB and more, the receiver's see them merged in
another way. So a segment seen at the first point is the packet, and what is seen further on covers
it wholly or in part.
"""

from bisect import bisect_right
from collections import defaultdict

from tracer.core.sightings import Sighting
from tracer.model.observation import Device, Direction
from tracer.model.packet import Inner, InnerId
from tracer.model.path import Place

Groups = dict[InnerId, list[Sighting]]
Parts = dict[InnerId, dict[int, tuple[int, int]]]
"""Identity -> id() of a sighting -> (seen, whole) payload bytes where only a part was seen."""

_Flow = tuple[str, str, int | None, int | None]
_Range = tuple[int, int, InnerId]


def merged(groups: Groups, whole: tuple[Place, ...]) -> tuple[Groups, Parts]:
    """The same groups, with TCP data under the range that its first point saw."""
    flows: dict[_Flow, list[Sighting]] = defaultdict(list)
    result: Groups = {}
    for inner_id, seen in groups.items():
        inner = seen[0].packet.inner
        if inner is not None and _is_data(inner):
            flows[(inner.src, inner.dst, inner.src_port, inner.dst_port)] += seen
        else:
            result[inner_id] = seen
    parts: Parts = {}
    for seen in flows.values():
        _spread(seen, whole, result, parts)
    return result, parts


def _is_data(inner: Inner) -> bool:
    return (
        inner.tcp_seq is not None
        and bool(inner.payload_length)
        and "S" not in (inner.tcp_flags or "")
    )


def _spread(seen: list[Sighting], whole: tuple[Place, ...], result: Groups, parts: Parts) -> None:
    """Put every sighting of one flow under the first point's ranges that it covers."""
    rank = {(place.node, place.device, place.direction): n for n, place in enumerate(whole)}
    ranked = [(rank.get(_point(one), len(whole)), one) for one in seen]
    first = min(number for number, _ in ranked)
    ranges = sorted({_range(one) for number, one in ranked if number == first})
    starts = [start for start, _, _ in ranges]
    for _, one in ranked:
        low, high, _ = _range(one)
        index = max(0, bisect_right(starts, low) - 1)
        while index < len(ranges) and ranges[index][0] < high:
            start, end, owner = ranges[index]
            covered = min(high, end) - max(low, start)
            if covered > 0:
                result.setdefault(owner, []).append(one)
                if covered < end - start:
                    parts.setdefault(owner, {})[id(one)] = (covered, end - start)
            index += 1


def _point(one: Sighting) -> tuple[str, Device, Direction]:
    return one.observation.node, one.observation.device, one.observation.direction


def _range(one: Sighting) -> _Range:
    """(first sequence number, one past the last, identity). A wrap of the counter is not joined."""
    inner = one.packet.inner
    if inner is None or inner.tcp_seq is None or one.inner_id is None:
        raise ValueError("not a TCP segment")
    return inner.tcp_seq, inner.tcp_seq + (inner.payload_length or 0), one.inner_id
