"""What an nft expression reads from a packet, and how the literals beside it are to be read."""

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from operator import attrgetter
from typing import Any, NamedTuple

from tracer.core.netfilter.addresses import Addresses
from tracer.core.netfilter.model import Step
from tracer.core.netfilter.names import (
    ICMP,
    ICMPV6,
    PROTOCOLS,
    TCP,
    UDP,
    WITH_PORTS,
    protocol_number,
)
from tracer.core.netfilter.nft_literals import (
    ADDRESS,
    DIRECTION,
    ETHERTYPE,
    FAMILY,
    FLAGS,
    ICMP_CODE,
    ICMP_TYPE,
    PACKET_TYPE,
    STATE,
    STATUS_BITS,
    word,
)
from tracer.core.netfilter.packet import Packet
from tracer.core.netfilter.readers import packet_type
from tracer.core.netfilter.steps import (
    Reader,
    Value,
    connected,
    is_value,
    never,
    of_family,
    unclear,
)


class Key(NamedTuple):
    """One expression. `needs`: what a packet must be for it to exist; the rule fails else."""

    read: Reader
    parse: Callable[[Any], Value]
    """A literal beside it as a value; ValueError where nobody here knows the word."""
    needs: tuple[Step, ...] = ()
    bits: int = 32
    """Its width, for prefixes."""
    every: frozenset[Value] = frozenset()
    """All values that it can have, where that is known though the value is not."""


_WORD = 0xFFFFFFFF
_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "&": operator.and_, "|": operator.or_, "^": operator.xor,
    "<<": lambda value, by: (value << min(by, 128)) & _WORD,
    ">>": lambda value, by: value >> min(by, 128),
}  # fmt: skip
_PORTS = {"tcp": TCP, "udp": UDP, "sctp": 132, "dccp": 33, "udplite": 136}
_IP = {"saddr": "src", "daddr": "dst"}


def key_of(expression: Any, addresses: Addresses) -> Key:
    """What an expression reads. What nobody here knows reads as not known."""
    if not isinstance(expression, dict):
        value = word(expression)
        return Key(lambda _packet: value, word)
    kind, body = next(iter(expression.items()))
    try:
        if kind == "payload":
            return _payload(body["protocol"], body["field"], addresses)
        if kind == "meta":
            return _meta(body["key"], addresses)
        if kind == "ct":
            return _ct(body["key"], body.get("dir"), body.get("family"))
        if kind == "fib":
            return _fib(body["result"], body["flags"], addresses)
        if kind == "numgen":
            start, count = body.get("offset", 0), body["mod"]
            every = range(start, start + count) if 0 < count <= 4096 else ()
            return Key(unclear, word, every=frozenset(every))
        if kind in _OPERATIONS:
            return _operation(kind, body, addresses)
    except (LookupError, TypeError, ValueError, AttributeError):
        pass
    return _unknown()


def keys_of(expression: Any, addresses: Addresses) -> tuple[Key, ...]:
    """The parts of a concatenation, or the one key that it is."""
    if isinstance(expression, dict) and isinstance(expression.get("concat"), list):
        return tuple(key_of(part, addresses) for part in expression["concat"])
    return (key_of(expression, addresses),)


def _unknown(*needs: Step) -> Key:
    return Key(unclear, str, needs)


def _field(name: str, parse: Callable[[Any], Value], *needs: Step, bits: int = 32) -> Key:
    return Key(attrgetter(name), parse, needs, bits)


def _payload(protocol: str, field: str, addresses: Addresses) -> Key:
    if protocol in ("ip", "ip6"):
        return _network_header(protocol, field)
    if protocol in _PORTS or protocol == "th":
        return _transport(protocol, field)
    if protocol in ("icmp", "icmpv6"):
        return _icmp(protocol, field)
    if protocol == "ether":
        return _meta("protocol", addresses) if field == "type" else _unknown()
    if protocol in ("arp", "vlan"):
        return _unknown(never if protocol == "arp" else unclear)
    number = PROTOCOLS.get(protocol)
    return _unknown() if number is None else _unknown(is_value("protocol", number))


def _network_header(protocol: str, field: str) -> Key:
    family = 4 if protocol == "ip" else 6
    needs = of_family(family)
    if field in _IP:
        return _field(_IP[field], ADDRESS[family], needs, bits=32 if family == 4 else 128)
    if field in ("protocol", "nexthdr"):
        return _field("protocol", protocol_number, needs, bits=8)
    if field == "length":
        less = 0 if family == 4 else 40
        return Key(
            lambda packet: None if packet.length is None else packet.length - less, word, (needs,)
        )
    if field == "version":
        return Key(lambda _packet: family, word, (needs,))
    return _unknown(needs)


def _transport(protocol: str, field: str) -> Key:
    if protocol == "th":
        needs: Step = _has_ports
    else:
        needs = is_value("protocol", _PORTS[protocol])
    if field in ("sport", "dport"):
        return _field(field, word, needs, bits=16)
    if field == "flags" and protocol == "tcp":
        return _field("flags", FLAGS, needs, bits=8)
    return _unknown(needs)


def _has_ports(packet: Packet) -> bool | None:
    """A transport header without ports is read as if it had some: that is not known."""
    return True if packet.protocol in WITH_PORTS else None


def _icmp(protocol: str, field: str) -> Key:
    v4 = protocol == "icmp"
    needs = is_value("protocol", ICMP if v4 else ICMPV6)
    if field == "type":
        return _field("icmp_type", ICMP_TYPE[v4], needs, bits=8)
    if field == "code":
        return _field("icmp_code", ICMP_CODE[v4], needs, bits=8)
    return _unknown(needs)


def _meta(key: str, addresses: Addresses) -> Key:
    if key in ("iif", "iifname", "oif", "oifname"):
        return _field(key[:3], str)
    if key == "l4proto":
        return _field("protocol", protocol_number, bits=8)
    if key == "nfproto":
        return _field("family", FAMILY, bits=8)
    if key == "protocol":
        return Key(lambda packet: 0x0800 if packet.family == 4 else 0x86DD, ETHERTYPE)
    if key in ("mark", "length"):
        return _field(key, word)
    if key == "pkttype":
        return Key(packet_type(addresses), PACKET_TYPE, bits=8)
    return _unknown()


def _ct(key: str, direction: str | None, family: str | None) -> Key:
    if key == "state":
        return _field("state", STATE)
    if key == "status":
        return Key(unclear, STATUS_BITS, (connected(lambda _packet: True),))
    if key == "mark":
        return _field("ct_mark", word, connected(lambda _packet: True))
    if key == "direction":
        return Key(
            lambda packet: None if packet.reply is None else int(packet.reply),
            DIRECTION,
            (connected(lambda _packet: True),),
        )
    if direction == "original":
        # `ip saddr`, or by nft before 0.9.1 `saddr` with the family apart.
        layer, _, field = key.rpartition(" ")
        field = {"proto-src": "sport", "proto-dst": "dport"}.get(field, field)
        inner = _transport("th", field) if "port" in field else None
        if field in _IP:
            inner = _network_header(layer or family or "ip", field)
        if inner is not None:
            return inner._replace(read=_unchanged(inner.read))
    return _unknown()


def _unchanged(read: Reader) -> Reader:
    """Of a packet that nat left alone, on its way there, the connection says the same."""

    def reader(packet: Packet) -> Value | None:
        alone = packet.dnat is False and packet.snat is False and packet.reply is False
        return read(packet) if alone else None

    return reader


def _fib(result: str, flags: Sequence[str], addresses: Addresses) -> Key:
    """`fib daddr type`; other questions take the routing tables."""
    ask = address_type(result, flags, addresses)
    return _unknown() if ask is None else Key(lambda packet: ask(packet) or None, str)


def address_type(
    result: str, flags: Sequence[str], addresses: Addresses
) -> Callable[[Packet], str | None] | None:
    """The kind of an address, empty where it is neither local nor multicast (IPv6); None: it is
    not asked for.
    """
    sides = [flag for flag in flags if flag in _IP]
    devices = [flag for flag in flags if flag in ("iif", "oif")]
    if result != "type" or len(sides) != 1 or len(sides) + len(devices) != len(flags):
        return None
    field, device = _IP[sides[0]], devices[0] if devices else None

    def read(packet: Packet) -> str | None:
        number = getattr(packet, field)
        where = getattr(packet, device) if device is not None else None
        if number is None or (device is not None and where is None):
            return None
        return addresses.kind(packet.family, number, where)

    return read


def _operation(sign: str, operands: Sequence[Any], addresses: Addresses) -> Key:
    asked = [each for each in operands if not _is_literal(each)]
    keys = [key_of(each, addresses) for each in asked]
    if not keys:
        return key_of(reduce(_OPERATIONS[sign], map(word, operands)), addresses)
    first = keys[0]
    if _fragment_bits(sign, operands):
        # A probe is a whole packet; whether it may be fragmented (0x4000) is not known.
        return Key(lambda _packet: 0, word, first.needs)
    literals = [first.parse(each) for each in operands if _is_literal(each)]
    if not all(isinstance(each, int) for each in literals):
        return _unknown()
    apply = _OPERATIONS[sign]

    def read(packet: Packet) -> int | None:
        values = [key.read(packet) for key in keys] + literals
        numbers = [value for value in values if isinstance(value, int)]
        return reduce(apply, numbers) if len(numbers) == len(values) else None

    needs = tuple(need for key in keys for need in key.needs)
    if sign in ("<<", ">>") and asked != operands[:1]:
        return _unknown(*needs)
    return Key(read, first.parse, needs, first.bits)


def _is_literal(operand: Any) -> bool:
    """A word, a number, or several words for bits."""
    if isinstance(operand, dict) and isinstance(operand.get("|"), list):
        return not any(isinstance(each, dict) for each in operand["|"])
    return not isinstance(operand, dict)


def _fragment_bits(sign: str, operands: Sequence[Any]) -> bool:
    payload = operands[0].get("payload") if isinstance(operands[0], dict) else None
    named = isinstance(payload, dict) and payload.get("field") == "frag-off"
    masks = [each for each in operands[1:] if isinstance(each, int)]
    return named and sign == "&" and len(masks) == 1 and not masks[0] & 0x4000
