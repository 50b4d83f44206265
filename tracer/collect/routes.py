"""Routes of all tables and routing rules, both families; and the kernel's own look-up."""

import socket
import struct
from collections.abc import Iterator

from tracer.collect import words
from tracer.collect.netlink import (
    RTM_GETROUTE,
    RTM_GETRULE,
    Attributes,
    Netlink,
    attribute,
    attributes,
    text,
    u32,
)
from tracer.core.promised import Keep, everything
from tracer.model.packet import Ip
from tracer.model.record import Record
from tracer.model.state import Route, Rule

_RTMSG = struct.Struct("=BBBBBBBBI")
_RULE = struct.Struct("=BBBBBBBBI")
_NEXTHOP = struct.Struct("=HBBi")

_DST, _SRC, _IIF, _OIF, _GATEWAY, _PRIORITY, _PREFSRC, _METRICS = 1, 2, 3, 4, 5, 6, 7, 8
_MULTIPATH, _TABLE, _VIA, _IP_PROTO, _DPORT = 9, 15, 18, 27, 29
_RTAX_MTU = 2
_RTM_F_CLONED = 0x200
_RTM_F_LOOKUP_TABLE = 0x1000
"""Without it the answer's table is main, whichever was looked up (net/ipv4/route.c)."""
_RTM_F_FIB_MATCH = 0x2000
_RTNH_F_ONLINK = 4

_KINDS = {
    1: "unicast", 2: "local", 3: "broadcast", 4: "anycast", 5: "multicast", 6: "blackhole",
    7: "unreachable", 8: "prohibit", 9: "throw", 10: "nat",
}  # fmt: skip
SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}

_RULE_ACTIONS = {1: "table", 2: "goto", 3: "nop", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
_FRA_DST, _FRA_SRC, _FRA_IIF, _FRA_PRIORITY, _FRA_MARK = 1, 2, 3, 6, 10
_FRA_SUPPRESS_GROUP, _FRA_SUPPRESS_PREFIX, _FRA_TABLE, _FRA_MASK, _FRA_OIF = 13, 14, 15, 16, 17
_FRA_OTHER = {
    12: "tun_id", 19: "l3mdev", 20: "uidrange", 22: "ipproto", 23: "sport", 24: "dport",
    25: "dscp", 26: "flowlabel",
}  # fmt: skip
_RULE_INVERT = 2
_NONE = 0xFFFFFFFF


class Way(Record, frozen=True, kw_only=True):
    """Where the kernel would send a packet."""

    ifindex: int | None
    kind: str
    mtu: int | None
    """The route's own `mtu` metric; None: the device's counts."""


def routes(netlink: Netlink, keep: Keep = everything) -> tuple[Route, ...]:
    """Every route of every table; a multipath route once for each next hop."""
    found: list[Route] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for payload in netlink.dump(RTM_GETROUTE, _RTMSG.pack(family, *[0] * 8)):
            found.extend(filter(keep, routes_of(payload)))
    return tuple(found)


def rules(netlink: Netlink) -> tuple[Rule, ...]:
    """Routing policy rules of both families, in the kernel's order."""
    found: list[Rule] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for payload in netlink.dump(RTM_GETRULE, _RULE.pack(family, *[0] * 8)):
            found.append(rule(payload))
    return tuple(found)


def way_to(netlink: Netlink, dst: Ip, src: Ip | None = None) -> Way | None:
    """The kernel's answer to `ip route get fibmatch DST`; None: it has no route.

    The FIB's entry and not the cached one: a learned path MTU is not the route's.
    """
    try:
        payload = _asked(netlink, dst, src)
    except OSError:
        return None
    kind = _RTMSG.unpack_from(payload)[7]
    found = attributes(payload, _RTMSG.size)
    hops = list(_next_hops(found.get(_MULTIPATH, b"")))
    oif = u32(found[_OIF]) if _OIF in found else (hops[0][0] if hops else None)
    mtu = attributes(found.get(_METRICS, b"")).get(_RTAX_MTU)
    return Way(ifindex=oif, kind=_KINDS.get(kind, str(kind)), mtu=u32(mtu) if mtu else None)


def route_to(
    netlink: Netlink,
    dst: Ip,
    src: Ip | None = None,
    *,
    iif: int | None = None,
    udp_port: int | None = None,
) -> Route:
    """The entry of the FIB that the kernel chooses for a packet: policy rules, then prefixes.

    `iif`: the device by which the packet comes in, which is then checked as a packet's would be:
    forwarding, rp_filter. None: the node sends it. Of a multipath route, the hop that the addresses
    hash to. OSError: the kernel's refusal, such as ENETUNREACH; EINVAL may be a blackhole, and
    rp_filter, too (EXDEV on older kernels).
    """
    hops = tuple(routes_of(_asked(netlink, dst, src, iif=iif, udp_port=udp_port)))
    if len(hops) > 1:
        answer = _asked(netlink, dst, src, iif=iif, udp_port=udp_port, flags=0)
        found = attributes(answer, _RTMSG.size)
        chosen = (u32(found[_OIF]) if _OIF in found else None, _gateway(found))
        return next((hop for hop in hops if (hop.ifindex, hop.gateway) == chosen), hops[0])
    return hops[0]


def _asked(
    netlink: Netlink,
    dst: Ip,
    src: Ip | None,
    *,
    iif: int | None = None,
    udp_port: int | None = None,
    flags: int = _RTM_F_FIB_MATCH,
) -> bytes:
    """RTM_GETROUTE for one packet."""
    family, packed = words.packed_ip(dst)
    bits = len(packed) * 8
    body = attribute(_DST, packed)
    if src is not None:
        body += attribute(_SRC, words.packed_ip(src)[1])
    if iif is not None:
        body += attribute(_IIF, struct.pack("=I", iif))
    if udp_port is not None:
        body += attribute(_IP_PROTO, struct.pack("=B", socket.IPPROTO_UDP))
        body += attribute(_DPORT, struct.pack("!H", udp_port))
    flags |= _RTM_F_LOOKUP_TABLE
    header = _RTMSG.pack(family, bits, bits if src else 0, 0, 0, 0, 0, 0, flags)
    return netlink.request(RTM_GETROUTE, header + body)


def routes_of(payload: bytes) -> Iterator[Route]:
    """One RTM_NEWROUTE or RTM_DELROUTE, a multipath route once for each next hop."""
    family, bits, _, _, table, protocol, scope, kind, flags = _RTMSG.unpack_from(payload)
    if flags & _RTM_F_CLONED:
        return  # a cached exception, not an entry of the table
    found = attributes(payload, _RTMSG.size)
    plain = Route(
        destination=words.net(found.get(_DST), bits, family),
        gateway=_gateway(found),
        ifindex=u32(found[_OIF]) if _OIF in found else None,
        onlink=bool(flags & _RTNH_F_ONLINK),
        table=u32(found[_TABLE]) if _TABLE in found else table,
        metric=u32(found[_PRIORITY]) if _PRIORITY in found else 0,
        kind=_KINDS.get(kind, str(kind)),
        scope=SCOPES.get(scope, str(scope)),
        protocol=protocol,
        source=words.ip_or_none(found.get(_PREFSRC)),
    )
    if _MULTIPATH not in found:
        yield plain
    for ifindex, hop_flags, hop in _next_hops(found.get(_MULTIPATH, b"")):
        yield Route(
            destination=plain.destination,
            gateway=_gateway(hop),
            ifindex=ifindex,
            onlink=bool(hop_flags & _RTNH_F_ONLINK),
            table=plain.table,
            metric=plain.metric,
            kind=plain.kind,
            scope=plain.scope,
            protocol=protocol,
            source=plain.source,
            multipath=True,
        )


def _next_hops(data: bytes) -> Iterator[tuple[int, int, Attributes]]:
    """(ifindex, flags, attributes) of each struct rtnexthop."""
    offset = 0
    while offset + _NEXTHOP.size <= len(data):
        length, flags, _, ifindex = _NEXTHOP.unpack_from(data, offset)
        if length < _NEXTHOP.size:
            return
        yield ifindex, flags, attributes(data[offset : offset + length], _NEXTHOP.size)
        offset += (length + 3) & ~3


def _gateway(found: Attributes) -> Ip | None:
    via = found.get(_VIA)  # a gateway of the other family: u16 family, then the address
    return words.ip_or_none(found.get(_GATEWAY)) or (words.ip_or_none(via[2:]) if via else None)


def rule(payload: bytes) -> Rule:
    """One RTM_NEWRULE or RTM_DELRULE."""
    family, dst, src, tos, table, _, _, action, flags = _RULE.unpack_from(payload)
    found = attributes(payload, _RULE.size)

    def number(kind: int, default: int | None = None) -> int | None:
        return u32(found[kind]) if kind in found else default

    suppress = number(_FRA_SUPPRESS_PREFIX, _NONE)
    other = ["tos"] if tos else []
    other += [name for kind, name in _FRA_OTHER.items() if any(found.get(kind, b""))]
    if number(_FRA_SUPPRESS_GROUP, _NONE) != _NONE:
        other.append("suppress_ifgroup")
    return Rule(
        priority=number(_FRA_PRIORITY) or 0,
        table=number(_FRA_TABLE) or table,
        action=_RULE_ACTIONS.get(action, str(action)),
        family=4 if family == socket.AF_INET else 6,
        source=words.net(found[_FRA_SRC], src, family) if _FRA_SRC in found else None,
        destination=words.net(found[_FRA_DST], dst, family) if _FRA_DST in found else None,
        iif=text(found[_FRA_IIF]) if _FRA_IIF in found else None,
        oif=text(found[_FRA_OIF]) if _FRA_OIF in found else None,
        mark=number(_FRA_MARK),
        mask=number(_FRA_MASK),
        inverted=bool(flags & _RULE_INVERT),
        suppress_prefix_length=None if suppress == _NONE else suppress,
        other=tuple(other),
    )
