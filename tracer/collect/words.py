"""How addresses are written: as `ipaddress` prints them, MACs in lower-case colon form."""

import ipaddress
import socket

from tracer.model.packet import Ip, Mac, Net


def ip(packed: bytes) -> Ip:
    """4 or 16 bytes of an address."""
    if len(packed) == 4:
        return socket.inet_ntoa(packed)
    return str(ipaddress.IPv6Address(packed))


def ip_or_none(packed: bytes | None) -> Ip | None:
    """An address that may be absent, or be the "any" address, which means the same."""
    return ip(packed) if packed and any(packed) else None


def net(packed: bytes | None, length: int, family: int) -> Net:
    """A network; without an address, the default route's."""
    zero = "0.0.0.0" if family == socket.AF_INET else "::"
    return f"{ip(packed) if packed else zero}/{length}"


def mac(packed: bytes | None) -> Mac | None:
    """A link-layer address of Ethernet's length; others (tunnels) have no MAC."""
    return packed.hex(":") if packed and len(packed) == 6 else None


def packed_ip(address: Ip) -> tuple[int, bytes]:
    """(address family, bytes). ValueError: not an address."""
    parsed = ipaddress.ip_address(address)
    return (socket.AF_INET if parsed.version == 4 else socket.AF_INET6), parsed.packed
