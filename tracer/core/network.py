"""The IP header, version 4 or 6 with its extension headers. Cut off or nonsense is a value."""

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv6Address
from struct import unpack_from
from typing import NamedTuple

from tracer.model.packet import Ip

HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION, MOBILITY = 0, 43, 44, 51, 60, 135
_EXTENSIONS = {HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION, MOBILITY}


class IpHeader(NamedTuple):
    """One IP header. `payload_at` None: the capture ends among the extension headers."""

    src: Ip
    dst: Ip
    ttl: int
    protocol: int
    ip_id: int | None
    dont_fragment: bool
    ip_length: int
    payload_at: int | None
    payload_length: int
    fragment_offset: int
    more_fragments: bool


class Unreadable(NamedTuple):
    """Why there is no header to show. `why` None: the capture ended too early."""

    why: str | None


CUT = Unreadable(None)


@lru_cache(maxsize=4096)
def ip_text(raw: bytes) -> Ip:
    """Four or sixteen bytes as `ipaddress` prints them."""
    if len(raw) == 4:
        return f"{raw[0]}.{raw[1]}.{raw[2]}.{raw[3]}"
    return str(IPv6Address(raw))


def ip_header(data: bytes, start: int, wire_length: int) -> IpHeader | Unreadable:
    """Read the IP header at `start`. `wire_length`: bytes of the packet as the kernel counts them.

    The version is read from the header itself: for a freed packet skb->protocol may already be that
    of the inner frame while the network header is still the outer one (vxlan_rcv).
    """
    if len(data) <= start:
        return CUT
    version = data[start] >> 4
    if version == 4:
        return _ipv4(data, start, wire_length)
    if version == 6:
        return _ipv6(data, start, wire_length)
    return Unreadable(f"IP version {version}")


def _ipv4(data: bytes, start: int, wire_length: int) -> IpHeader | Unreadable:
    if len(data) < start + 20:
        return CUT
    header = (data[start] & 0x0F) * 4
    total, ip_id, fragment, ttl, protocol = unpack_from("!HHHBB", data, start + 2)
    if header < 20:
        return Unreadable(f"IPv4 header of {header} bytes")
    # BIG TCP (Linux 6.3) sends super-packets over 64 KiB with a total length of 0.
    length = total or max(wire_length, header)
    if length < header:
        return Unreadable(f"IPv4 packet of {length} bytes with a header of {header}")
    return IpHeader(
        src=ip_text(data[start + 12 : start + 16]),
        dst=ip_text(data[start + 16 : start + 20]),
        ttl=ttl,
        protocol=protocol,
        ip_id=ip_id,
        dont_fragment=bool(fragment & 0x4000),
        ip_length=length,
        payload_at=start + header,
        payload_length=length - header,
        fragment_offset=(fragment & 0x1FFF) * 8,
        more_fragments=bool(fragment & 0x2000),
    )


def _ipv6(data: bytes, start: int, wire_length: int) -> IpHeader | Unreadable:
    if len(data) < start + 40:
        return CUT
    payload, following, ttl = unpack_from("!HBB", data, start + 4)
    length = payload + 40 if payload else max(wire_length, 40)
    at, protocol, fragment = _extensions(data, start + 40, following)
    return IpHeader(
        src=ip_text(data[start + 8 : start + 24]),
        dst=ip_text(data[start + 24 : start + 40]),
        ttl=ttl,
        protocol=protocol,
        ip_id=fragment[2] if fragment else None,
        # No router fragments IPv6.
        dont_fragment=True,
        ip_length=length,
        payload_at=at,
        payload_length=max(0, length - (at - start)) if at is not None else 0,
        fragment_offset=fragment[0] if fragment else 0,
        more_fragments=fragment[1] if fragment else False,
    )


def extension_headers(data: bytes, at: int, following: int) -> Iterator[tuple[int, int, int]]:
    """(its kind, where it begins, its length) of each extension header whose start was captured."""
    while following in _EXTENSIONS and len(data) >= at + 8:
        if following == FRAGMENT:
            size = 8
        elif following == AUTHENTICATION:
            size = (data[at + 1] + 2) * 4
        else:
            size = (data[at + 1] + 1) * 8
        yield following, at, size
        following, at = data[at], at + size


def _extensions(
    data: bytes, at: int, following: int
) -> tuple[int | None, int, tuple[int, bool, int] | None]:
    """Walk the extension headers: (where the transport begins, its protocol, fragment fields)."""
    fragment = None
    for kind, start, size in extension_headers(data, at, following):
        if kind == FRAGMENT:
            word, identification = unpack_from("!HI", data, start + 2)
            fragment = (word & 0xFFF8, bool(word & 1), identification)
        following, at = data[start], start + size
    return (None if following in _EXTENSIONS else at), following, fragment
