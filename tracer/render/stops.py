"""A path as a journey: where it began, each stop, what became of it, and what it did not reach.

What the drawing shows, without a single coordinate.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from tracer.core.words import end_word
from tracer.model.observation import Device, Direction
from tracer.model.path import Entry, Hop, Mark, Outcome, Path, Place, Way
from tracer.model.request import End, Request
from tracer.render.packets import describe
from tracer.render.paths import elapsed


class Sign(StrEnum):
    """What stands at a stop. Each is told from the others by its form."""

    END = "end"
    """Where the packet begins, or where it arrived."""
    HOP = "hop"
    DROP = "drop"
    FREED = "freed"
    """A copy, or an ARP request on its behalf, ended here: not the packet itself."""
    LOST = "lost"
    UNKNOWN = "unknown"
    MISSED = "missed"
    AWAITED = "awaited"
    """The end that receives, where the packet did not arrive."""


class Line(StrEnum):
    """How the packet came to a stop."""

    NONE = "none"
    BARE = "bare"
    TUNNEL = "tunnel"
    """Inside of a VXLAN packet."""
    UNSEEN = "unseen"
    """It must have passed here; nothing watched it."""
    MISSED = "missed"


class Stop(NamedTuple):
    """One place of the journey. `node` is empty between the nodes."""

    sign: Sign
    line: Line
    node: str
    name: str
    number: int | None = None
    """As the table of hops counts."""
    role: str = ""
    """What is done here, for those who do not know the device."""
    time: str = ""
    words: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    times: int = 1


class Loop(NamedTuple):
    """The stops, by index, that the packet passed again and again."""

    first: int
    last: int
    times: int


UNDERLAY = ""

ROLES = {
    (Device.POD, Direction.IN): "from the pod",
    (Device.POD, Direction.OUT): "to the pod",
    (Device.BRIDGE, Direction.IN): "bridge of the pods",
    (Device.BRIDGE, Direction.OUT): "bridge of the pods",
    (Device.VTEP, Direction.OUT): "VTEP: wraps in VXLAN",
    (Device.VTEP, Direction.IN): "VTEP: unwraps",
    (Device.UPLINK, Direction.OUT): "leaves the node",
    (Device.UPLINK, Direction.IN): "enters the node",
}

_WORD = {
    Outcome.DELIVERED: "",
    Outcome.DROPPED: "not reached",
    Outcome.LOST: "not reached",
    Outcome.UNKNOWN: "not known whether reached",
}


def journey(path: Path, request: Request) -> tuple[Stop, ...]:
    """From the end that sends to the end that receives, reached or not."""
    source, destination = request.source, request.destination
    if path.way is Way.REPLY:
        source, destination = destination, source
    return (
        Stop(Sign.END, Line.NONE, source.node, end_word(source), words=(source.ip,)),
        *_passed(path, source),
        *_ended(path, source),
        *(_missed(place) for place in path.not_reached),
        _target(path, destination),
    )


def _passed(path: Path, source: End) -> Iterator[Stop]:
    last_drop = next((hop for hop in reversed(path.hops) if hop.drop is not None), None)
    before: Hop | None = None
    for number, hop in enumerate(path.hops, start=1):
        if before is None:
            line = Line.BARE if hop.node == source.node else Line.UNSEEN
        else:
            line = _line(before, hop)
        fatal = hop is last_drop and path.outcome is Outcome.DROPPED
        yield _freed(hop, line, fatal=fatal) if hop.drop else _hop(number, hop, line)
        before = hop


def _line(before: Hop, hop: Hop) -> Line:
    """Wrapped or not, as the captures on both sides of the gap say."""
    if _wrapped(before) or _wrapped(hop):
        return Line.TUNNEL
    if before.node != hop.node:
        crossed = before.device is Device.UPLINK and hop.device is Device.UPLINK
        return Line.BARE if crossed else Line.UNSEEN
    turned = before.device is Device.VTEP and before.direction is Direction.OUT
    back = hop.device is Device.VTEP and hop.direction is Direction.IN
    return Line.TUNNEL if turned and back else Line.BARE


def _wrapped(hop: Hop) -> bool:
    return hop.packet is not None and hop.packet.outer is not None


def _hop(number: int, hop: Hop, line: Line) -> Stop:
    return Stop(
        Sign.HOP,
        line,
        hop.node,
        f"{hop.ifname} {hop.direction.value}",
        number=number,
        role=ROLES.get((hop.device, hop.direction), ""),
        time=elapsed(hop.since_us),
        words=tuple(_remarks(hop)),
        entries=hop.entries,
        times=hop.times,
    )


def _remarks(hop: Hop) -> Iterator[str]:
    """What is out of the ordinary, or worth knowing, at this hop."""
    packet = hop.packet
    if hop.times > 1:
        yield f"passed here {hop.times} times"
    if hop.part is not None:
        yield f"only {hop.part[0]} of {hop.part[1]} B seen here"
    if packet is None or hop.device is not Device.UPLINK:
        return
    if packet.outer is None:
        yield "not encapsulated"
    elif packet.outer.vni is None:
        yield "no VXLAN header"


def _freed(hop: Hop, line: Line, *, fatal: bool) -> Stop:
    name = f"dropped at {hop.ifname}" if fatal else f"freed at {hop.ifname}, not its end"
    times = (f"{hop.times} times",) if hop.times > 1 else ()
    return Stop(
        Sign.DROP if fatal else Sign.FREED,
        line,
        hop.node,
        name,
        time=elapsed(hop.since_us),
        words=(*describe(hop, None).split("  "), *times),
    )


def _ended(path: Path, source: End) -> Iterator[Stop]:
    """The end that no kernel reported: between the nodes, when it had left its own."""
    last = path.hops[-1] if path.hops else None
    node = last.node if last is not None else source.node
    if last is not None and (last.device, last.direction) == (Device.UPLINK, Direction.OUT):
        node = UNDERLAY
    line = Line.TUNNEL if last is not None and _wrapped(last) else Line.BARE
    doubt = (path.doubt,) if path.doubt else ()
    if path.outcome is Outcome.UNKNOWN:
        yield Stop(Sign.UNKNOWN, line, node, "not known what became of it", words=doubt)
    elif path.outcome is Outcome.LOST and last is None:
        yield Stop(Sign.LOST, line, node, "never seen", words=doubt)
    elif path.outcome is Outcome.LOST:
        nowhere = ("seen nowhere after this, freed nowhere",)
        yield Stop(Sign.LOST, line, node, "lost", words=nowhere)


def _missed(place: Place) -> Stop:
    name = f"{place.ifname} {place.direction.value}"
    return Stop(Sign.MISSED, Line.MISSED, place.node, name, role="not reached")


def _target(path: Path, destination: End) -> Stop:
    reached = path.outcome is Outcome.DELIVERED
    line = Line.BARE if _seen_at_the_end(path, destination) else Line.UNSEEN
    return Stop(
        Sign.END if reached else Sign.AWAITED,
        line if reached else Line.MISSED,
        destination.node,
        end_word(destination),
        role=_WORD[path.outcome],
        words=(destination.ip,),
    )


def _seen_at_the_end(path: Path, destination: End) -> bool:
    last = next((hop for hop in reversed(path.hops) if hop.drop is None), None)
    if last is None or path.end is None or last.node != destination.node:
        return False
    return (last.device, last.direction) == (path.end.device, path.end.direction)


def crossing(path: Path) -> str:
    """What the underlay carried, in the words of the outer header."""
    for hop in path.hops:
        if hop.packet is not None and hop.packet.outer is not None:
            outer = hop.packet.outer
            return f"{outer.src} > {outer.dst}  udp {outer.dst_port}"
    return ""


def loops(stops: tuple[Stop, ...]) -> list[Loop]:
    """Stops in a row that were passed many times, where the packet had come but once.

    A retransmission is seen many times from its first hop on: that is no loop.
    """
    found: list[Loop] = []
    came_once = False
    for index, stop in enumerate(stops):
        if stop.sign is not Sign.HOP:
            continue
        if stop.times == 1:
            came_once = True
        elif came_once and found and found[-1].last == index - 1:
            found[-1] = found[-1]._replace(last=index, times=max(found[-1].times, stop.times))
        elif came_once:
            found.append(Loop(index, index, stop.times))
    return found


def told(stops: tuple[Stop, ...]) -> str:
    """The same journey in sentences, for those who do not see it."""
    parts: list[str] = []
    for stop in stops:
        where = f"{stop.name} on {stop.node}" if stop.node else f"{stop.name} on the underlay"
        role = f" ({stop.role})" if stop.role else ""
        words = f": {', '.join(stop.words)}" if stop.words else ""
        bad = "".join(
            f"; {entry.table} BAD: {entry.text}" for entry in stop.entries if entry.mark is Mark.BAD
        )
        parts.append(f"{where}{role}{words}{bad}.")
    return " ".join(parts)
