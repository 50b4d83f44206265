"""Network devices out of RTM_GETLINK, with their vxlan attributes and counters."""

import socket
import struct
from collections.abc import Iterator

from tracer.collect import words
from tracer.collect.netlink import (
    RTM_GETLINK,
    Attributes,
    Netlink,
    attribute,
    attributes,
    text,
    u32,
)
from tracer.model.state import Counters, Link, TcFilter, Vxlan

_IFINFO = struct.Struct("=BxHiII")
_IFF_UP = 0x1

_ADDRESS, _IFNAME, _MTU, _LINK, _MASTER, _LINKINFO = 1, 3, 4, 5, 10, 18
_STATS64, _EXT_MASK, _CARRIER, _LINK_NETNSID, _XDP = 23, 29, 33, 37, 43
_SKIP_STATS = 0x8
_INFO_KIND, _INFO_DATA = 1, 2
_VLAN_ID = 1
_XDP_ATTACHED, _XDP_PROG_ID = 2, 4

_VXLAN_ID, _VXLAN_GROUP, _VXLAN_LINK, _VXLAN_LOCAL, _VXLAN_LEARNING = 1, 2, 3, 4, 7
_VXLAN_PORT, _VXLAN_GROUP6, _VXLAN_LOCAL6, _VXLAN_GBP, _VXLAN_METADATA = 15, 16, 17, 23, 25

_STATS_OTHERHOST = 24
"""Index of rx_otherhost_dropped in struct rtnl_link_stats64 (Linux 5.19)."""


def links(netlink: Netlink) -> tuple[Link, ...]:
    """All devices of the namespace of `netlink`, without what their drivers say (ethtool.py)."""
    return tuple(_link(*parsed) for parsed in _dump(netlink))


def link(payload: bytes) -> Link:
    """One RTM_NEWLINK or RTM_DELLINK."""
    return _link(*_parsed(payload))


def counters(netlink: Netlink) -> dict[str, Counters]:
    """ifname -> counters, now."""
    return {text(found[_IFNAME]): _counters(found) for _, _, found in _dump(netlink)}


def xdp_programs(netlink: Netlink) -> tuple[TcFilter, ...]:
    """The XDP programs of every device; ours are none of them."""
    programs = (_xdp(ifindex, found) for ifindex, _, found in _dump(netlink, _SKIP_STATS))
    return tuple(one for one in programs if one)


def _dump(netlink: Netlink, mask: int = 0) -> Iterator[tuple[int, int, Attributes]]:
    body = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
    body += attribute(_EXT_MASK, struct.pack("=I", mask))
    return map(_parsed, netlink.dump(RTM_GETLINK, body))


def _parsed(payload: bytes) -> tuple[int, int, Attributes]:
    _, _, ifindex, flags, _ = _IFINFO.unpack_from(payload)
    return ifindex, flags, attributes(payload, _IFINFO.size)


def _link(ifindex: int, flags: int, found: Attributes) -> Link:
    info = attributes(found.get(_LINKINFO, b""))
    kind = text(info[_INFO_KIND]) if _INFO_KIND in info else None
    data = attributes(info.get(_INFO_DATA, b""))
    vlan = data.get(_VLAN_ID) if kind == "vlan" else None
    return Link(
        ifindex=ifindex,
        ifname=text(found[_IFNAME]),
        kind=kind,
        mac=words.mac(found.get(_ADDRESS)),
        mtu=u32(found[_MTU]),
        up=bool(flags & _IFF_UP),
        carrier=bool(any(found.get(_CARRIER, b""))),
        master=_number(found, _MASTER),
        peer_ifindex=_number(found, _LINK),
        peer_netnsid=_number(found, _LINK_NETNSID),
        vxlan=_vxlan(data) if kind == "vxlan" else None,
        vlan_id=struct.unpack("=H", vlan)[0] if vlan else None,
        counters=_counters(found),
    )


def _vxlan(data: Attributes) -> Vxlan:
    return Vxlan(
        vni=_number(data, _VXLAN_ID) or 0,
        local=words.ip_or_none(data.get(_VXLAN_LOCAL) or data.get(_VXLAN_LOCAL6)),
        port=int.from_bytes(data.get(_VXLAN_PORT, b""), "big"),
        learning=any(data.get(_VXLAN_LEARNING, b"")),
        gbp=_VXLAN_GBP in data,
        underlay_ifindex=_number(data, _VXLAN_LINK) or None,
        group=words.ip_or_none(data.get(_VXLAN_GROUP) or data.get(_VXLAN_GROUP6)),
        external=any(data.get(_VXLAN_METADATA, b"")),
    )


def _counters(found: Attributes) -> Counters:
    raw = found.get(_STATS64, b"")
    stats = struct.unpack_from(f"={len(raw) // 8}Q", raw)
    if len(stats) < 18:
        return Counters()
    return Counters(
        rx_packets=stats[0],
        tx_packets=stats[1],
        rx_errors=stats[4],
        tx_errors=stats[5],
        rx_dropped=stats[6],
        tx_dropped=stats[7],
        tx_carrier_errors=stats[17],
        rx_otherhost=stats[_STATS_OTHERHOST] if len(stats) > _STATS_OTHERHOST else None,
    )


def _xdp(ifindex: int, found: Attributes) -> TcFilter | None:
    program = attributes(found.get(_XDP, b""))
    if not any(program.get(_XDP_ATTACHED, b"")):
        return None
    number = _number(program, _XDP_PROG_ID)
    name = f"program {number}" if number else "several programs"
    return TcFilter(ifindex=ifindex, hook="xdp", name=name)


def _number(found: Attributes, kind: int) -> int | None:
    value = found.get(kind)
    return u32(value) if value else None
