"""ICMP and ICMPv6 as the prober needs them: echo messages, and errors put into words."""

import socket
import struct

from tracer.collect import words
from tracer.model.packet import Ip
from tracer.model.record import Record

_ECHO = struct.Struct("!BBHHH")
_V6_HEADER = 40
_NEXT_ICMPV6 = 58

_TEXT4: dict[tuple[int, int], str] = {
    (3, 0): "network unreachable",
    (3, 1): "host unreachable",
    (3, 2): "protocol unreachable",
    (3, 3): "port unreachable",
    (3, 4): "fragmentation needed",
    (3, 5): "source route failed",
    (3, 6): "network unknown",
    (3, 7): "host unknown",
    (3, 9): "network prohibited",
    (3, 10): "host prohibited",
    (3, 13): "communication prohibited",
    (11, 0): "time exceeded",
    (11, 1): "fragment reassembly time exceeded",
    (12, 0): "parameter problem",
}
_TEXT6 = {
    (1, 0): "network unreachable",
    (1, 1): "communication prohibited",
    (1, 2): "beyond scope of source address",
    (1, 3): "host unreachable",
    (1, 4): "port unreachable",
    (1, 5): "source address failed policy",
    (1, 6): "route rejected",
    (2, 0): "packet too big",
    (3, 0): "time exceeded",
    (3, 1): "fragment reassembly time exceeded",
    (4, 0): "parameter problem",
}
_WITH_MTU = {(socket.AF_INET, 3, 4), (socket.AF_INET6, 2, 0)}


class Kinds(Record, frozen=True, kw_only=True):
    """The message types of one address family."""

    request: int
    reply: int
    errors: tuple[int, ...]


KINDS: dict[int, Kinds] = {
    socket.AF_INET: Kinds(request=8, reply=0, errors=(3, 11, 12)),
    socket.AF_INET6: Kinds(request=128, reply=129, errors=(1, 2, 3, 4)),
}


class Echo(Record, frozen=True, kw_only=True):
    """What an ICMP message says about an echo request of ours."""

    id: int
    seq: int
    payload: bytes = b""
    """Of a reply."""
    dst: Ip | None = None
    """Of the request that an error quotes."""
    error: str | None = None
    """None: it is the reply."""


def describe(family: int, kind: int, code: int, mtu: int, origin: Ip) -> str:
    """An ICMP error in words, such as `host unreachable from 10.244.1.1`."""
    table = _TEXT4 if family == socket.AF_INET else _TEXT6
    what = table.get((kind, code), f"ICMP type {kind} code {code}")
    if (family, kind, code) in _WITH_MTU:
        what += f", mtu {mtu}"
    return f"{what} from {origin}"


def echo_request(family: int, ident: int, seq: int, payload: bytes) -> bytes:
    """An echo request. Over IPv6 the kernel fills in the checksum."""
    kind = KINDS[family].request
    message: bytes = _ECHO.pack(kind, 0, 0, ident, seq) + payload
    if family == socket.AF_INET6:
        return message
    return _ECHO.pack(kind, 0, checksum(message), ident, seq) + payload


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def read_echo(family: int, packet: bytes, origin: Ip) -> Echo | None:
    """The echo that a packet from a raw socket is about. None: it is about something else.

    IPv4's raw sockets hand out the IP header as well, IPv6's do not.
    """
    message = packet
    if family == socket.AF_INET:
        if len(packet) < 20:
            return None
        message = packet[(packet[0] & 0xF) * 4 :]
    if len(message) < _ECHO.size:
        return None
    kinds = KINDS[family]
    kind, code, _, ident, seq = _ECHO.unpack_from(message)
    if kind == kinds.reply:
        return Echo(id=ident, seq=seq, payload=message[_ECHO.size :])
    if kind not in kinds.errors:
        return None
    # next-hop MTU: the last two bytes of ICMP's second word, all four of ICMPv6's
    mtu = seq if family == socket.AF_INET else (ident << 16) | seq
    return _quoted(family, message[_ECHO.size :], describe(family, kind, code, mtu, origin))


def _quoted(family: int, quote: bytes, error: str) -> Echo | None:
    """The request that an error quotes, from its IP header on."""
    if family == socket.AF_INET:
        if len(quote) < 20 or quote[9] != socket.IPPROTO_ICMP:
            return None
        dst, inner = words.ip(quote[16:20]), quote[(quote[0] & 0xF) * 4 :]
    else:
        if len(quote) < _V6_HEADER or quote[6] != _NEXT_ICMPV6:
            return None
        dst, inner = words.ip(quote[24:40]), quote[_V6_HEADER:]
    if len(inner) < _ECHO.size:
        return None
    kind, _, _, ident, seq = _ECHO.unpack_from(inner)
    if kind != KINDS[family].request:
        return None
    return Echo(id=ident, seq=seq, dst=dst, error=error)
