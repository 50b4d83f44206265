"""Addresses, neighbour entries and forwarding databases."""

import socket
import struct

from tracer.collect import words
from tracer.collect.netlink import (
    AF_BRIDGE,
    RTM_GETADDR,
    RTM_GETNEIGH,
    Netlink,
    attributes,
    u32,
)
from tracer.collect.routes import SCOPES
from tracer.core.promised import Keep, everything
from tracer.model.state import Address, FdbEntry, Neighbour

_IFADDR = struct.Struct("=BBBBI")
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_IFA_F_DEPRECATED = 0x20

_NDMSG = struct.Struct("=BxxxiHBB")
_NDA_DST, _NDA_LLADDR, _NDA_VLAN, _NDA_PORT, _NDA_VNI, _NDA_MASTER = 1, 2, 5, 6, 7, 9

_STATES = {
    0x00: "NONE", 0x01: "INCOMPLETE", 0x02: "REACHABLE", 0x04: "STALE", 0x08: "DELAY",
    0x10: "PROBE", 0x20: "FAILED", 0x40: "NOARP", 0x80: "PERMANENT",
}  # fmt: skip
_FDB_STATES = {0x80: "permanent", 0x40: "static", 0x04: "stale", 0x02: "reachable"}
"""The first that is set counts: `bridge fdb add` sets the first two, flannel the first alone."""
_FDB_FLAGS = {
    0x02: "self", 0x04: "master", 0x10: "extern_learn", 0x20: "offload", 0x40: "sticky",
    0x80: "router",
}  # fmt: skip


def addresses(netlink: Netlink) -> tuple[Address, ...]:
    """Every address of every device, both families."""
    asked = _IFADDR.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
    found = (address(payload) for payload in netlink.dump(RTM_GETADDR, asked))
    return tuple(one for one in found if one is not None)


def address(payload: bytes) -> Address | None:
    """One RTM_NEWADDR or RTM_DELADDR; None: of another family than IP's."""
    family, bits, flags, scope, ifindex = _IFADDR.unpack_from(payload)
    given = attributes(payload, _IFADDR.size)
    packed = given.get(_IFA_LOCAL) or given.get(_IFA_ADDRESS)
    if family not in (socket.AF_INET, socket.AF_INET6) or not packed:
        return None
    if _IFA_FLAGS in given:
        flags = u32(given[_IFA_FLAGS])
    return Address(
        ifindex=ifindex,
        ip=words.ip(packed),
        prefix_length=bits,
        scope=SCOPES.get(scope, str(scope)),
        deprecated=bool(flags & _IFA_F_DEPRECATED),
    )


def neighbours(netlink: Netlink, keep: Keep = everything) -> tuple[Neighbour, ...]:
    """Every neighbour entry of both families, those without ARP (NOARP) included."""
    found = (
        neighbour(payload)
        for family in (socket.AF_INET, socket.AF_INET6)
        for payload in netlink.dump(RTM_GETNEIGH, _NDMSG.pack(family, 0, 0, 0, 0))
    )
    return tuple(one for one in found if one is not None and keep(one))


def neighbour(payload: bytes) -> Neighbour | None:
    """One RTM_NEWNEIGH or RTM_DELNEIGH of an IP family; None: it has no address."""
    _, ifindex, state, _, _ = _NDMSG.unpack_from(payload)
    given = attributes(payload, _NDMSG.size)
    if _NDA_DST not in given:
        return None
    return Neighbour(
        ifindex=ifindex,
        ip=words.ip(given[_NDA_DST]),
        mac=words.mac(given.get(_NDA_LLADDR)),
        state=_STATES.get(state, f"{state:#x}"),
    )


def fdb(netlink: Netlink, keep: Keep = everything) -> tuple[FdbEntry, ...]:
    """Every forwarding database entry: of vxlan devices, bridges and their ports."""
    asked = _NDMSG.pack(AF_BRIDGE, 0, 0, 0, 0)
    found = (fdb_entry(payload) for payload in netlink.dump(RTM_GETNEIGH, asked))
    return tuple(one for one in found if one is not None and keep(one))


def fdb_entry(payload: bytes) -> FdbEntry | None:
    """One RTM_NEWNEIGH or RTM_DELNEIGH of AF_BRIDGE; None: it has no MAC."""
    _, ifindex, state, flags, _ = _NDMSG.unpack_from(payload)
    given = attributes(payload, _NDMSG.size)
    mac = words.mac(given.get(_NDA_LLADDR))
    if mac is None:
        return None
    names = [name for bit, name in _FDB_FLAGS.items() if flags & bit]
    if _NDA_MASTER in given and "master" not in names:
        names.append("master")
    port, vlan, vni = given.get(_NDA_PORT), given.get(_NDA_VLAN), given.get(_NDA_VNI)
    dst = given.get(_NDA_DST)
    return FdbEntry(
        ifindex=ifindex,
        mac=mac,
        dst=words.ip(dst) if dst else None,
        state=_fdb_state(state),
        flags=tuple(names),
        vlan=struct.unpack("=H", vlan)[0] if vlan else None,
        port=int.from_bytes(port, "big") if port else None,
        vni=u32(vni) if vni else None,
    )


def _fdb_state(state: int) -> str:
    return next((word for bit, word in _FDB_STATES.items() if state & bit), f"{state:#x}")
