"""Small questions to a packet. Each answers True, False, or None: not known."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from ipaddress import ip_address
from operator import attrgetter

from tracer.core.netfilter.model import Step
from tracer.core.netfilter.names import INVALID, UNTRACKED
from tracer.core.netfilter.packet import Packet

Value = int | str
Reader = Callable[[Packet], Value | None]
Span = tuple[int, int]

_WIDTH = {4: 32, 6: 128}


def unclear(_packet: Packet) -> None:
    """What a dump does not tell."""
    return


def always(_packet: Packet) -> bool:
    """What holds for every packet, such as a comment."""
    return True


def never(_packet: Packet) -> bool:
    """What holds for none."""
    return False


def checked(read: Reader, test: Callable[[Value], bool], *, negated: bool = False) -> Step:
    """A test of something that is read from the packet."""
    return partial(_checked, read, test, negated)


def _checked(
    read: Reader, test: Callable[[Value], bool], negated: bool, packet: Packet
) -> bool | None:
    value = read(packet)
    return None if value is None else test(value) is not negated


def is_value(field: str, value: Value, *, negated: bool = False) -> Step:
    """A field has a value."""
    return partial(_is_value, field, value, negated)


def _is_value(field: str, value: Value, negated: bool, packet: Packet) -> bool | None:
    seen = getattr(packet, field)
    return None if seen is None else (seen == value) is not negated


def within(field: str, spans: Sequence[Span], *, negated: bool = False) -> Step:
    """A field lies in one of some spans (both ends belong to them)."""
    return checked(attrgetter(field), in_spans(spans), negated=negated)


def in_spans(spans: Sequence[Span]) -> Callable[[Value], bool]:
    """The test of `within`, for few spans or for thousands."""
    if len(spans) == 1:
        return partial(_in_span, *spans[0])
    merged = merge(spans)
    lows = [low for low, _ in merged]

    def test(value: Value) -> bool:
        if not isinstance(value, int):
            return False
        at = bisect_right(lows, value) - 1
        return at >= 0 and value <= merged[at][1]

    return test


def _in_span(low: int, high: int, value: Value) -> bool:
    return isinstance(value, int) and low <= value <= high


def merge(spans: Sequence[Span]) -> list[Span]:
    """Sorted, and what overlaps made one."""
    merged: list[Span] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def masked(field: str, value: int, mask: int, *, negated: bool = False) -> Step:
    """Some bits of a field have a value."""
    return partial(_masked, field, value, mask, negated)


def _masked(field: str, value: int, mask: int, negated: bool, packet: Packet) -> bool | None:
    seen = getattr(packet, field)
    return None if seen is None else (seen & mask == value) is not negated


def named(field: str, pattern: str, wildcard: str, *, negated: bool = False) -> Step:
    """A device's name, or its beginning where the pattern ends with the wildcard."""
    return checked(attrgetter(field), name_test(pattern, wildcard), negated=negated)


def name_test(pattern: str, wildcard: str) -> Callable[[Value], bool]:
    """The test of `named`."""
    if not pattern.endswith(wildcard):
        return pattern.__eq__
    start = pattern.removesuffix(wildcard)
    return lambda name: isinstance(name, str) and name.startswith(start)


def of_family(family: int) -> Step:
    """IPv4 or IPv6."""
    return lambda packet: packet.family == family


def connected(read: Callable[[Packet], bool | None], *, untracked: bool | None = False) -> Step:
    """Something of the packet's connection; `untracked`: what holds where it has none."""

    def step(packet: Packet) -> bool | None:
        state = packet.state
        if state is None:
            return None
        return untracked if state & (INVALID | UNTRACKED) else read(packet)

    return step


def any_of(steps: Sequence[Step], *, negated: bool = False) -> Step:
    """One of them holds."""

    def step(packet: Packet) -> bool | None:
        answers = [each(packet) for each in steps]
        if True in answers:
            return not negated
        return None if None in answers else negated

    return step


def negation(inner: Step) -> Step:
    """It does not hold."""

    def step(packet: Packet) -> bool | None:
        answer = inner(packet)
        return None if answer is None else not answer

    return step


def marked(field: str, value: int, keep: int) -> Step:
    """The effect of a mark that is set: `(mark & keep) ^ value`."""

    def step(packet: Packet) -> bool:
        if keep == 0:
            setattr(packet, field, value)
        else:
            seen = getattr(packet, field)
            setattr(packet, field, None if seen is None else (seen & keep) ^ value)
        return True

    return step


def untrack(packet: Packet) -> bool:
    """NOTRACK: the packet gets no connection, unless it has one already (nft_notrack_eval)."""
    if packet.state is None:
        packet.tracked = None
    elif packet.state == INVALID:
        packet.tracked, packet.state = False, UNTRACKED
    return True


def for_connection(effect: Step) -> Step:
    """An effect on the connection's mark, or by it: none where the packet has no connection."""

    def step(packet: Packet) -> bool:
        if packet.state is None:
            packet.mark = packet.ct_mark = None
        elif not packet.state & (INVALID | UNTRACKED):
            effect(packet)
        return True

    return step


@lru_cache(maxsize=65536)
def address(text: str, family: int) -> int:
    """An address as a number; ValueError where it is none, or of the other family."""
    found = ip_address(text)
    if found.version != family:
        raise ValueError(text)
    return int(found)


@lru_cache(maxsize=65536)
def network(text: str, family: int) -> tuple[int, int]:
    """Number and mask of `10.0.0.0/8`, `10.0.0.0/255.0.255.0`, `10.0.0.1`."""
    host, slash, length = text.partition("/")
    every = (1 << _WIDTH[family]) - 1
    if not slash:
        mask = every
    elif length.isdecimal():
        if int(length) > _WIDTH[family]:
            raise ValueError(text)
        mask = every ^ (every >> int(length))
    else:
        mask = address(length, family)
    return address(host, family) & mask, mask


def prefix_span(text: str, length: int, family: int) -> Span:
    """The first and the last address of a prefix."""
    width = _WIDTH[family]
    if not 0 <= length <= width:
        raise ValueError(f"{text}/{length}")
    low = address(text, family) >> (width - length) << (width - length)
    return low, low | ((1 << (width - length)) - 1)


def number(text: str) -> int:
    """Decimal or `0x...`; iptables-save writes marks so."""
    return int(text, 0)
