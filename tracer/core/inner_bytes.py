"""Where the pods' packet begins in what was recorded of a frame, without decoding the frame."""

from struct import unpack_from

from tracer.core.decode import IPV4, IPV6, VLAN_TAGS
from tracer.core.transport import UDP
from tracer.model.observation import Device, Observation

_ETHERNET, _UDP_AND_VXLAN = 14, 16
_LEAST = {4: 20, 6: 40}


def inner_bytes(seen: Observation, ports: frozenset[int]) -> bytes | None:
    """From the inner IP header on; None: there is no whole one. `ports`: those of VXLAN."""
    data = seen.headers
    at = _behind_ethernet(data, 0) if seen.ethernet else 0
    if at is not None and seen.device is Device.UPLINK:
        inside = _behind_vxlan(data, at, ports)
        at = at if inside is None else _behind_ethernet(data, inside)
    if at is None or len(data) <= at or len(data) < at + _LEAST.get(data[at] >> 4, 1 << 16):
        return None
    return data[at:]


def _behind_ethernet(data: bytes, at: int) -> int | None:
    """None: no IP packet follows."""
    at += _ETHERNET
    while len(data) >= at:
        (ethertype,) = unpack_from("!H", data, at - 2)
        if ethertype in (IPV4, IPV6):
            return at
        if ethertype not in VLAN_TAGS:
            return None
        at += 4
    return None


def _behind_vxlan(data: bytes, at: int, ports: frozenset[int]) -> int | None:
    """Where the inner frame begins; None: it is no VXLAN."""
    if len(data) < at + 40:
        return None
    if data[at] >> 4 == 4:
        protocol, udp = data[at + 9], at + (data[at] & 15) * 4
    else:
        protocol, udp = data[at + 6], at + 40
    if protocol != UDP or len(data) < udp + _UDP_AND_VXLAN:
        return None
    (port,) = unpack_from("!H", data, udp + 2)
    return udp + _UDP_AND_VXLAN if port in ports else None
