"""iproute2's JSON -> links, addresses, neighbours and FDB, as the snapshot has them.

What iproute2 does not print stays unknown: a device's driver, the carrier of a device that is down,
and whether no `otherhost` means none or not counted.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from tracer.model.packet import Ip
from tracer.model.state import Address, Counters, FdbEntry, Link, Neighbour, Vxlan

Object = Mapping[str, Any]
"""One object of a JSON list. A value of another type than iproute2 writes raises TypeError or the
like, which the caller takes for a broken file."""


def ip_or_none(value: Any) -> Ip | None:
    """An address in its canonical form; ValueError: it is none."""
    return str(ip_address(value)) if value is not None else None


def links(found: Sequence[Object], *, counted: bool = False) -> tuple[Link, ...]:
    """`ip -d -s -s -j link`. `counted`: this kernel and iproute2 are known to say `otherhost`."""
    index = {one["ifname"]: int(one["ifindex"]) for one in found if "ifname" in one}
    counted |= any("otherhost" in _rx(one) for one in found)
    return tuple(_link(one, index, counted) for one in found if "ifname" in one)


def _link(one: Object, index: Mapping[str, int], counted: bool) -> Link:
    info = one.get("linkinfo") or {}
    kind, data = info.get("info_kind"), info.get("info_data") or {}
    flags = one.get("flags") or []
    return Link(
        ifindex=int(one["ifindex"]),
        ifname=str(one["ifname"]),
        kind=kind,
        mac=_mac(one.get("address")),
        mtu=int(one.get("mtu", 0)),
        up="UP" in flags,
        carrier="LOWER_UP" in flags,
        master=index.get(one.get("master", "")),
        peer_ifindex=one.get("link_index") or index.get(one.get("link") or ""),
        peer_netnsid=one.get("link_netnsid"),
        vxlan=_vxlan(data, index) if kind == "vxlan" else None,
        vlan_id=data.get("id") if kind == "vlan" else None,
        counters=_counters(one, counted),
    )


def _vxlan(data: Object, index: Mapping[str, int]) -> Vxlan:
    return Vxlan(
        vni=int(data.get("id", 0)),
        local=ip_or_none(data.get("local") or data.get("local6")),
        port=int(data.get("port", 0)),
        learning=bool(data.get("learning", False)),
        gbp=bool(data.get("gbp", False)),
        underlay_ifindex=index.get(data.get("link") or ""),
        group=ip_or_none(data.get("group") or data.get("group6")),
        external=bool(data.get("external", False)),
    )


def _rx(one: Object) -> Object:
    rx: Object = (one.get("stats64") or {}).get("rx") or {}
    return rx


def _counters(one: Object, counted: bool) -> Counters:
    """`counted`: some device of this node has an otherhost, so that the others have none."""
    rx, tx = _rx(one), (one.get("stats64") or {}).get("tx") or {}
    return Counters(
        rx_packets=rx.get("packets", 0),
        tx_packets=tx.get("packets", 0),
        rx_errors=rx.get("errors", 0),
        tx_errors=tx.get("errors", 0),
        rx_dropped=rx.get("dropped", 0),
        tx_dropped=tx.get("dropped", 0),
        tx_carrier_errors=tx.get("carrier_errors", 0),
        rx_otherhost=rx.get("otherhost", 0 if counted else None),
    )


def _mac(text: Any) -> str | None:
    """A tunnel's address is no MAC."""
    return text if isinstance(text, str) and len(text) == 17 and text.count(":") == 5 else None


def addresses(found: Sequence[Object]) -> tuple[Address, ...]:
    """`ip -j addr`."""
    return tuple(
        Address(
            ifindex=int(one["ifindex"]),
            ip=str(ip_address(held["local"])),
            prefix_length=int(held["prefixlen"]),
            scope=str(held.get("scope", "global")),
            deprecated=bool(held.get("deprecated", False)),
        )
        for one in found
        for held in one.get("addr_info") or []
        if "local" in held
    )


def neighbours(found: Sequence[Object], index: Mapping[str, int]) -> tuple[Neighbour, ...]:
    """`ip -j neigh show nud all`. `index`: ifname -> ifindex; an entry of no device is left out."""
    return tuple(
        Neighbour(
            ifindex=index[one["dev"]],
            ip=str(ip_address(one["dst"])),
            mac=_mac(one.get("lladdr")),
            state=str(one.get("state", ["NONE"])[0]),
        )
        for one in found
        if one.get("dev") in index and "dst" in one
    )


def fdb(found: Sequence[Object], index: Mapping[str, int]) -> tuple[FdbEntry, ...]:
    """`bridge -j fdb`."""
    return tuple(
        FdbEntry(
            ifindex=index[one["ifname"]],
            mac=str(one["mac"]),
            dst=ip_or_none(one.get("dst")),
            state=one.get("state") or "reachable",
            flags=tuple(_flags(one)),
            vlan=one.get("vlan"),
            port=one.get("port"),
            vni=one.get("vni"),
        )
        for one in found
        if one.get("ifname") in index and "mac" in one
    )


def _flags(one: Object) -> Iterator[str]:
    """In the order of the kernel's bits, as the snapshot has them."""
    given = [*(one.get("flags") or []), *(["master"] if one.get("master") else [])]
    order = ("self", "master", "extern_learn", "offload", "sticky", "router")
    yield from (flag for flag in order if flag in given)
