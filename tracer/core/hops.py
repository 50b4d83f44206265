"""Sightings of one packet -> its hops: one for each point, one for where the kernel freed it."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from tracer.core.segments import Coverage, Point, point
from tracer.core.sightings import Sighting
from tracer.model.observation import Device, Direction
from tracer.model.path import Hop

_Key = tuple[Device, Direction, str, bool]


def hops_of(
    passes: Sequence[Sighting],
    drops: Sequence[Sighting],
    nodes: tuple[str, str],
    parts: Mapping[Point, Coverage],
) -> tuple[Hop, ...]:
    """Sender's node first, then any other, then the receiver's; within a node by its own clock.

    A packet that passes a point again (a loop, a retransmission) counts there: `times`. Times of
    two nodes are never compared.
    """
    named = {one.observation.node for one in (*passes, *drops)}
    others = sorted(named - set(nodes))
    found: list[Hop] = []
    for node in dict.fromkeys((nodes[0], *others, nodes[1])):
        here = sorted(
            (one for one in (*passes, *drops) if one.observation.node == node), key=_moment
        )
        if here:
            found += _on_node(here, parts)
    return tuple(found)


def _moment(one: Sighting) -> int:
    return one.observation.time_ns


def _on_node(here: list[Sighting], parts: Mapping[Point, Coverage]) -> Iterable[Hop]:
    began = next((one for one in here if one.packet.arp is None), here[0]).observation.time_ns
    passed: dict[_Key, Hop] = {}
    freed: dict[tuple[str, str | None, bool], Hop] = {}
    for one in here:
        hop = _hop(one, began, parts.get(point(one)))
        if one.freed:
            hop = _where_it_was(hop, passed.values())
            drop = (hop.ifname, hop.drop.reason if hop.drop else None, one.packet.arp is None)
            freed[drop] = _again(freed[drop]) if drop in freed else hop
            continue
        key = (hop.device, hop.direction, hop.ifname, one.packet.outer is not None)
        if key not in passed:
            passed[key] = hop
        elif point(one) not in parts:
            passed[key] = _again(passed[key])
    # The packet's own end comes last, whatever was asked by ARP after it.
    return (*passed.values(), *sorted(freed.values(), key=_is_own))


def _is_own(hop: Hop) -> bool:
    return hop.packet is None or hop.packet.arp is None


def _hop(sighting: Sighting, began: int, coverage: Coverage | None) -> Hop:
    one = sighting.observation
    whole = coverage is None or one.drop is not None or coverage.seen >= coverage.whole
    return Hop(
        node=one.node,
        device=one.device,
        direction=one.direction,
        ifname=one.ifname,
        # An ARP request is asked for the first of many packets that wait: no moment of this one's.
        since_us=(one.time_ns - began) // 1000 if sighting.packet.arp is None else None,
        time_ns=one.time_ns,
        length=one.length,
        gso_size=one.gso_size,
        packet=sighting.packet,
        drop=one.drop,
        times=coverage.times if coverage is not None and one.drop is None else 1,
        part=None if whole or coverage is None else (coverage.seen, coverage.whole),
    )


def _where_it_was(drop: Hop, passed: Iterable[Hop]) -> Hop:
    """The kernel frees some packets after it took their device from them."""
    last = next(reversed(tuple(passed)), None)
    if drop.ifname or last is None:
        return drop
    return replace(drop, device=last.device, ifname=last.ifname)


def _again(hop: Hop) -> Hop:
    return replace(hop, times=hop.times + 1)
