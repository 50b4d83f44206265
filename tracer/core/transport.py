"""The header behind an IP header: UDP, TCP, ICMP, ICMPv6. Cut off is a value, no error."""

from hashlib import blake2s
from struct import unpack_from
from typing import NamedTuple

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
NAMES = {ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMPV6: "icmpv6"}

ICMP_ECHO = {0, 8}
ICMPV6_ECHO = {128, 129}
ICMP_ERRORS = {3, 4, 5, 11, 12}
ICMPV6_ERRORS = {1, 2, 3, 4}

_TCP_FLAGS = "FSRPAUEC"


class Transport(NamedTuple):
    """What the transport header says. `quote_at`: where an ICMP error's quoted packet begins."""

    src_port: int | None = None
    dst_port: int | None = None
    tcp_seq: int | None = None
    tcp_flags: str | None = None
    payload_length: int | None = None
    payload_at: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    icmp_id: int | None = None
    icmp_seq: int | None = None
    icmp_mtu: int | None = None
    quote_at: int | None = None
    truncated: bool = False


CUT = Transport(truncated=True)
OTHER = Transport()


def transport(protocol: int, data: bytes, start: int, length: int | None) -> Transport:
    """Read the header of `protocol` at `start`; `length`: bytes of the IP payload, if known."""
    if protocol == UDP:
        return _udp(data, start, length)
    if protocol == TCP:
        return _tcp(data, start, length)
    if protocol == ICMP:
        return _icmp(data, start, length)
    if protocol == ICMPV6:
        return _icmpv6(data, start, length)
    return OTHER


def digest(data: bytes, start: int, end: int) -> str:
    """16 hex digits that tell one payload's beginning from another's."""
    return blake2s(data[start:end], digest_size=8).hexdigest()


def tcp_flag_letters(bits: int) -> str:
    """Letters of the set flags, SYN first where it is set, as tcpdump and people write them."""
    return "".join(c for i, c in enumerate(_TCP_FLAGS) if bits >> i & 1)


def _rest(length: int | None, header: int) -> int | None:
    return None if length is None else max(0, length - header)


def _udp(data: bytes, start: int, length: int | None) -> Transport:
    if len(data) < start + 8:
        return CUT
    src, dst = unpack_from("!HH", data, start)
    return Transport(
        src_port=src, dst_port=dst, payload_length=_rest(length, 8), payload_at=start + 8
    )


def _tcp(data: bytes, start: int, length: int | None) -> Transport:
    """Eight bytes suffice for ports and sequence: old routers quote no more in an ICMP error."""
    if len(data) < start + 8:
        return CUT
    src, dst, seq = unpack_from("!HHI", data, start)
    if len(data) < start + 14:
        return Transport(src_port=src, dst_port=dst, tcp_seq=seq, truncated=True)
    header = (data[start + 12] >> 4) * 4
    flags = tcp_flag_letters(data[start + 13])
    if header < 20:
        return Transport(src_port=src, dst_port=dst, tcp_seq=seq, tcp_flags=flags)
    return Transport(
        src_port=src,
        dst_port=dst,
        tcp_seq=seq,
        tcp_flags=flags,
        payload_length=_rest(length, header),
        payload_at=start + header,
    )


def _icmp(data: bytes, start: int, length: int | None) -> Transport:
    if len(data) < start + 8:
        return CUT
    kind, code, first, second = unpack_from("!BBxxHH", data, start)
    if kind in ICMP_ECHO:
        return _echo(kind, code, (first, second), start, length)
    if kind in ICMP_ERRORS:
        # RFC 1191: the low half of the unused word is the next hop's MTU, for type 3 code 4 only.
        mtu = second if (kind, code) == (3, 4) else None
        return Transport(icmp_type=kind, icmp_code=code, icmp_mtu=mtu, quote_at=start + 8)
    return Transport(icmp_type=kind, icmp_code=code, payload_at=start + 8)


def _icmpv6(data: bytes, start: int, length: int | None) -> Transport:
    if len(data) < start + 8:
        return CUT
    kind, code, word = unpack_from("!BBxxI", data, start)
    if kind in ICMPV6_ECHO:
        return _echo(kind, code, (word >> 16, word & 0xFFFF), start, length)
    if kind in ICMPV6_ERRORS:
        mtu = word if kind == 2 else None
        return Transport(icmp_type=kind, icmp_code=code, icmp_mtu=mtu, quote_at=start + 8)
    return Transport(icmp_type=kind, icmp_code=code, payload_at=start + 8)


def _echo(
    kind: int, code: int, numbers: tuple[int, int], start: int, length: int | None
) -> Transport:
    return Transport(
        icmp_type=kind,
        icmp_code=code,
        icmp_id=numbers[0],
        icmp_seq=numbers[1],
        payload_length=_rest(length, 8),
        payload_at=start + 8,
    )
