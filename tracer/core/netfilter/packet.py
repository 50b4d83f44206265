"""The packet while it is evaluated: numbers, and None for what is not known."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from tracer.core.netfilter.names import (
    ICMP,
    ICMPV6,
    INVALID,
    NEW,
    STATES,
    TCP,
    TCP_LETTERS,
    UNTRACKED,
    protocol_number,
)
from tracer.core.netfilter.probe import Probe

if TYPE_CHECKING:
    from tracer.core.netfilter.model import Place, Rewrite

CONNTRACK = -200
"""NF_IP_PRI_CONNTRACK: chains before it see no connection (raw)."""

_NO_OUT = ("prerouting", "input", "ingress")
_FIELDS = (
    "family", "src", "dst", "protocol", "sport", "dport", "icmp_type", "icmp_code", "flags",
    "iif", "oif", "length", "mark", "ct_mark", "flow", "tracked", "state", "dnat", "snat",
    "reply", "bridged",
)  # fmt: skip


class Packet:
    """One packet, or several that differ in what is None.

    `rewritten`: each nat that it may have met at this hook, None among them where it may have met
    none; `accepted`: where it was let pass first; `doubt`: the first rule that was unclear to it.
    """

    __slots__ = (*_FIELDS, "accepted", "doubt", "rewritten")

    family: int
    src: int | None
    dst: int | None
    protocol: int | None
    sport: int | None
    dport: int | None
    icmp_type: int | None
    icmp_code: int | None
    flags: int | None
    iif: str | None
    oif: str | None
    length: int | None
    mark: int | None
    ct_mark: int | None
    flow: int | None
    """The connection's state, one bit."""
    tracked: bool | None
    state: int | None
    """What a rule sees of `flow`: nothing before conntrack, nothing of an untracked packet."""
    dnat: bool | None
    snat: bool | None
    reply: bool | None
    bridged: bool | None

    def __init__(self) -> None:
        self.rewritten: tuple[Rewrite | None, ...] = (None,)
        self.accepted: Place | None = None
        self.doubt: Place | None = None

    @classmethod
    def of(cls, probe: Probe, hook: str) -> Packet:
        """The packet of a probe as a hook sees it."""
        made = cls()
        made.family = probe.family
        made.src, made.dst = _number(probe.src), _number(probe.dst)
        made.protocol = _protocol(probe.protocol)
        made.sport, made.dport = probe.sport, probe.dport
        made.icmp_type, made.icmp_code = probe.icmp_type, probe.icmp_code
        made.flow = STATES.get(probe.state or "")
        made.flags = _flags(probe, made)
        made.iif = "" if hook == "output" else probe.iif
        made.oif = "" if hook in _NO_OUT else probe.oif
        made.length, made.mark, made.ct_mark = probe.length, probe.mark, probe.ct_mark
        made.tracked = None if made.flow is None else made.flow != UNTRACKED
        made.state = made.flow
        made.dnat, made.snat, made.bridged = probe.dnat, probe.snat, probe.bridged
        made.reply = False if made.flow == NEW else None
        return made

    def at(self, hook: str, priority: int) -> None:
        """Let it enter a base chain: what its rules see of the connection."""
        if hook == "ingress" or (hook in ("prerouting", "output") and priority < CONNTRACK):
            self.state = INVALID if self.tracked else None
            if self.tracked is False and self.flow != UNTRACKED:
                self.state = UNTRACKED
        elif self.tracked is False:
            self.state = UNTRACKED
        else:
            self.state = self.flow if self.tracked else None

    def copy(self) -> Packet:
        """Another one that may go another way."""
        made = Packet()
        for name in self.__slots__:
            setattr(made, name, getattr(self, name))
        return made

    def probe(self, probe: Probe) -> Probe:
        """What became of a probe."""
        flow = UNTRACKED if self.tracked is False else self.flow if self.tracked else None
        state = next((word for word, bit in STATES.items() if bit == flow), None)
        return Probe(
            src=text_of(self.src, self.family),
            dst=text_of(self.dst, self.family),
            protocol=probe.protocol,
            sport=self.sport,
            dport=self.dport,
            icmp_type=probe.icmp_type,
            icmp_code=probe.icmp_code,
            tcp_flags=probe.tcp_flags,
            iif=probe.iif,
            oif=probe.oif,
            length=probe.length,
            mark=self.mark,
            ct_mark=self.ct_mark,
            state=state,
            dnat=self.dnat,
            snat=self.snat,
            bridged=probe.bridged,
        )


def join(one: Packet | None, other: Packet | None) -> Packet | None:
    """A packet that may be either: where they differ it is not known."""
    if one is None or other is None or one is other:
        return one if other is None else other
    made = one.copy()
    for name in _FIELDS:
        if getattr(one, name) != getattr(other, name):
            setattr(made, name, None)
    made.rewritten = tuple(dict.fromkeys((*one.rewritten, *other.rewritten)))
    made.accepted = one.accepted or other.accepted
    made.doubt = one.doubt or other.doubt
    return made


def same(one: Packet | None, other: Packet | None) -> bool:
    """Nothing that a later rule could see tells them apart."""
    if one is None or other is None:
        return one is other
    return one.rewritten == other.rewritten and all(
        getattr(one, name) == getattr(other, name) for name in _FIELDS
    )


@lru_cache(maxsize=4096)
def _number(text: str | None) -> int | None:
    """None: a recording may hold anything; what is no address is not known."""
    try:
        return int(ip_address(text)) if text else None
    except ValueError:
        return None


def text_of(number: int | None, family: int) -> str | None:
    """An address as `ipaddress` prints it."""
    if number is None:
        return None
    return str(IPv4Address(number) if family == 4 else IPv6Address(number))


def _protocol(word: str | None) -> int | None:
    try:
        return protocol_number(word) if word is not None else None
    except ValueError:
        return None


def _flags(probe: Probe, made: Packet) -> int | None:
    if made.protocol in (ICMP, ICMPV6):
        return 0
    if probe.tcp_flags is not None:
        return sum({TCP_LETTERS.get(letter, 0) for letter in probe.tcp_flags})
    return TCP_LETTERS["S"] if made.protocol == TCP and made.flow == NEW else None
