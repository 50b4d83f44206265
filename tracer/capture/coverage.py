"""What captures cover: which devices, which time, and how much they may have lost.

A recording by agents knows all three; a capture file says none of them outright. What cannot be
shown to be covered makes a path's end UNKNOWN, never LOST.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tracer.capture.collecting import FileSigns
from tracer.capture.placing import Placer
from tracer.core.decode import decode
from tracer.core.identity import identity
from tracer.model.observation import AttachedPoint, Device, Direction, Observation
from tracer.model.packet import InnerId
from tracer.model.path import Outcome, Path, Way

LAST_NS = 200_000_000
"""What left one node so shortly before the other's capture ended may have been under way."""


def devices(files: Iterable[tuple[int, FileSigns]], placer: Placer) -> tuple[AttachedPoint, ...]:
    """The devices that one node's captures cover, as far as the files show it.

    A filter is nowhere in a pcap file. `udp port 8472` shows no pod's packet as itself; `icmp`, or
    a pod's address, shows no VXLAN: what such a file does not show did not have to be there.
    """
    found: dict[AttachedPoint, None] = {}
    for number, signs in files:
        for point in _claimed(number, signs, placer):
            shown = signs.vxlan if point.device is Device.UPLINK else signs.pods
            if shown or signs.unfiltered:
                found[point] = None
    return tuple(found)


def _claimed(number: int, signs: FileSigns, placer: Placer) -> Iterator[AttachedPoint]:
    names = {signs.capture.ifname} if signs.capture.ifname is not None else signs.names
    for name in sorted(names):
        point = placer.named(name)
        if point is not None:
            yield point
    if not names and signs.every_device:
        yield from placer.every()
    elif not names:
        whole = placer.whole(number)
        yield from (whole,) if whole is not None else ()


class Span(NamedTuple):
    """From a capture's first frame to its last, by that node's wall clock."""

    first_ns: int
    last_ns: int


def spans(files: Sequence[FileSigns]) -> dict[str, Span]:
    """Node -> the time that its captures cover."""
    found: dict[str, Span] = {}
    for signs in files:
        if signs.first_ns is None or signs.last_ns is None:
            continue
        node = signs.capture.node
        old = found.get(node, Span(signs.first_ns, signs.last_ns))
        found[node] = Span(min(old.first_ns, signs.first_ns), max(old.last_ns, signs.last_ns))
    return found


class Doubtful(NamedTuple):
    """Packets that left one node while the other's capture may not have run."""

    packets: frozenset[InnerId]
    towards: str
    every: bool
    """No packet left towards this node that was seen there, or could have been."""


def doubtful(paths: Sequence[Path], covered: Mapping[str, Span]) -> tuple[Doubtful, ...]:
    """Which packets were lost behind one node's uplink, at a time that the other does not cover.

    The clocks' difference is taken from packets that both nodes saw, where there are any.
    """
    found = (
        _towards(paths, covered[receiver], sender, receiver)
        for sender in covered
        for receiver in covered
        if sender != receiver
    )
    return tuple(one for one in found if one.packets)


def _towards(paths: Sequence[Path], span: Span, sender: str, receiver: str) -> Doubtful:
    ahead = _ahead(paths, sender, receiver)
    outside, sure = set(), False
    for path in paths:
        left = _moment(path, sender, Direction.OUT)
        if left is None:
            continue
        last = path.hops[-1]
        gone = path.outcome is Outcome.LOST and (last.node, last.device) == (sender, Device.UPLINK)
        if gone and not span.first_ns <= left + ahead <= span.last_ns - LAST_NS:
            outside.add(path.inner_id)
        else:
            sure = True
    return Doubtful(frozenset(outside), receiver, every=not sure)


def _moment(path: Path, node: str, direction: Direction) -> int | None:
    """When it passed a node's uplink, by that node's clock."""
    return next(
        (
            hop.time_ns
            for hop in path.hops
            if (hop.node, hop.device, hop.direction) == (node, Device.UPLINK, direction)
        ),
        None,
    )


def _ahead(paths: Sequence[Path], sender: str, receiver: str) -> int:
    """How far the receiver's clock is ahead: no packet arrives before it was sent."""
    there: list[int] = []
    back: list[int] = []
    for path in paths:
        for a, b, found, sign in ((sender, receiver, there, 1), (receiver, sender, back, -1)):
            left, came = _moment(path, a, Direction.OUT), _moment(path, b, Direction.IN)
            if left is not None and came is not None:
                found.append(sign * (came - left))
    bounds = [*([min(there)] if there else []), *([max(back)] if back else [])]
    return sum(bounds) // len(bounds) if bounds else 0


def without(
    observations: tuple[Observation, ...], ports: frozenset[int], packets: frozenset[InnerId]
) -> tuple[Observation, ...]:
    """The observations of all other packets."""
    if not packets:
        return observations
    return tuple(one for one in observations if identity(decode(one, ports)) not in packets)


def lost_by_chance(paths: Sequence[Path]) -> bool:
    """Some packets were lost of a size that others arrived with: the capture may have lost them.

    Where nothing arrives, or nothing as large, tcpdump's own losses are no excuse.
    """
    for way in Way:
        sizes = {
            outcome: [path.size for path in paths if path.way is way and path.outcome is outcome]
            for outcome in (Outcome.LOST, Outcome.DELIVERED)
        }
        lost, arrived = sizes[Outcome.LOST], sizes[Outcome.DELIVERED]
        if lost and arrived and min(lost) <= max(arrived):
            return True
    return False
