"""From a diagnosis back to what was seen: which hop of which packet each observation shows."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tracer.core.course import course
from tracer.core.segments import merged
from tracer.core.sightings import Sighting, seq_of, sightings, way_of
from tracer.model.bundle import Bundle
from tracer.model.observation import Observation
from tracer.model.packet import InnerId, Packet
from tracer.model.path import Hop, Path, Way


class Label(NamedTuple):
    """One packet of the trace, at the hop that an observation shows."""

    path: Path
    number: int | None
    """Of the hop, from 1; None: it is that packet, and no hop of its path (a copy, used up)."""
    more: int = 0
    """Further packets of the trace that it carries a part of, or that wait for it."""


class Labelled(NamedTuple):
    """One observation as it was decoded. `label` None: no packet of the trace."""

    observation: Observation
    packet: Packet
    label: Label | None


_Shown = dict[int, list[tuple[Path, int | None]]]
"""id of an observation -> what it shows."""


def labelled(bundle: Bundle, paths: Sequence[Path]) -> tuple[Labelled, ...]:
    """Every observation, each node's by its own clock, with the hop of `paths` that it shows.

    `paths` are those of the bundle's own diagnosis. What passes a point again shows the hop that
    counts it; TCP data shows the first of the ranges that it carries.
    """
    seen = sightings(bundle)
    groups: dict[Way, dict[InnerId, list[Sighting]]] = {Way.REQUEST: {}, Way.REPLY: {}}
    shown: _Shown = defaultdict(list)
    asked = _arps(paths)
    for one in seen:
        way = way_of(bundle, one)
        if way is not None and one.inner_id is not None:
            groups[way].setdefault(one.inner_id, []).append(one)
        elif one.freed and one.packet.arp is not None:
            shown[id(one.observation)] += asked.get(_question(one.observation, one.packet), [])
    for way, by_id in groups.items():
        for path, one in _carried(bundle, way, by_id, paths):
            shown[id(one.observation)].append((path, _number(path, one)))
    return tuple(
        Labelled(one.observation, one.packet, _label(shown.get(id(one.observation), ())))
        for one in seen
    )


def _carried(
    bundle: Bundle,
    way: Way,
    groups: dict[InnerId, list[Sighting]],
    paths: Sequence[Path],
) -> Iterator[tuple[Path, Sighting]]:
    """Each packet of one way with its sightings, in the order of the paths' numbers."""
    by_id = {path.inner_id: path for path in paths if path.way is way}
    by_seq = {path.seq: path for path in paths if path.way is way and path.seq}
    for owner, every in merged(groups, course(bundle, way))[0].items():
        path = by_id.get(owner)
        if path is None:
            # A probe's further packet: the path is that of the one that opens it.
            inner = next((one.packet.inner for one in every if one.packet.inner), None)
            path = by_seq.get(seq_of(bundle, inner, way) or 0)
        if path is not None:
            yield from ((path, one) for one in every)


def _number(path: Path, one: Sighting) -> int | None:
    """The hop, by its moment where several fit: a point passed twice is one hop."""
    fit = [
        (number, hop)
        for number, hop in enumerate(path.hops, start=1)
        if hop.node == one.observation.node
        and (_same_end(hop, one) if one.freed else _same_point(hop, one))
    ]
    at_once = [number for number, hop in fit if hop.time_ns == one.observation.time_ns]
    return next(iter(at_once or [number for number, _ in fit]), None)


def _same_point(hop: Hop, one: Sighting) -> bool:
    at = one.observation
    outer = hop.packet is not None and hop.packet.outer is not None
    return (
        hop.drop is None
        and (hop.device, hop.direction, hop.ifname) == (at.device, at.direction, at.ifname)
        and outer is (one.packet.outer is not None)
    )


def _same_end(hop: Hop, one: Sighting) -> bool:
    """Freed there for that reason. The device may differ: the kernel takes it away first."""
    drop = one.observation.drop
    arp = hop.packet is not None and hop.packet.arp is not None
    return (
        hop.drop is not None
        and drop is not None
        and hop.drop.reason == drop.reason
        and arp is (one.packet.arp is not None)
    )


_Question = tuple[str, str | None, str | None]


def _question(seen: Observation | Hop, packet: Packet | None) -> _Question:
    """(node, what an ARP request asks for, why it was freed)."""
    arp = packet.arp if packet is not None else None
    target = arp.target_ip if arp is not None else None
    return seen.node, target, seen.drop.reason if seen.drop is not None else None


def _arps(paths: Iterable[Path]) -> dict[_Question, list[tuple[Path, int | None]]]:
    """Freed ARP requests -> the packets that waited for the answer."""
    found: dict[_Question, list[tuple[Path, int | None]]] = {}
    for path in paths:
        for number, hop in enumerate(path.hops, start=1):
            if hop.drop is not None and hop.packet is not None and hop.packet.arp is not None:
                found.setdefault(_question(hop, hop.packet), []).append((path, number))
    return found


def _label(shown: Sequence[tuple[Path, int | None]]) -> Label | None:
    if not shown:
        return None
    hops = [(path, number) for path, number in shown if number is not None]
    path, number = (hops or shown)[0]
    return Label(path, number, more=len(hops or shown) - 1)
