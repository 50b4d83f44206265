"""Peers that were not read, taken to be as their leases say: a node has ways to them all the same.

What is found on such a peer is nobody's fault: it is made here. What the read node's own tables do
with packets to and from it is.
"""

from collections.abc import Sequence
from ipaddress import ip_network
from typing import NamedTuple

from msgspec.structs import replace

from tracer.core.expect import expectation, goes_direct
from tracer.core.facts import Facts, MissingFact
from tracer.core.leases import DEFAULT_PORT, VXLAN
from tracer.core.promised import with_promised
from tracer.model.lease import Lease
from tracer.model.packet import Ip
from tracer.model.state import Address, Link, NodeState, Route, Vxlan

UPLINK, OTHER, BRIDGE, VTEP = 2, 3, 4, 5
"""ifindex of what it has; of IPv6's VTEP one more."""

OVERHEAD = {4: 50, 6: 70}
"""Bytes that VXLAN's headers take, by the underlay's family."""


class _Like(NamedTuple):
    """What a read node has in one family, which the peer is taken to have, too."""

    port: int
    gbp: bool
    mtu: int


def assumed(facts: Facts, peer: str, read: Sequence[str]) -> NodeState | None:
    """A peer as its leases say, with all that it needs towards the nodes that were read.

    A lease that flannel ignores gives it no VTEP. None: it has no pod CIDR, or no VXLAN.
    """
    leases = [one for one in facts.leases if one.node == peer and one.pod_cidr is not None]
    vxlan = [one for one in leases if one.backend_type == VXLAN and one.defect is None]
    if not vxlan and not any(one.defect is not None for one in leases):
        return None
    like = {one.family: _like(facts, one.family, read) for one in leases}
    devices = (
        *_devices(max(one.mtu for one in like.values())),
        *(_vtep(facts, one, like[one.family]) for one in vxlan),
    )
    template = facts.state(read[0])
    state = NodeState(
        node=peer,
        hostname=peer,
        kernel=template.kernel,
        machine=template.machine,
        captured_at=template.captured_at,
        monotonic_ns=0,
        netns=0,
        links=devices,
        addresses=tuple(_addresses(facts, peer, leases)),
        routes=tuple(_local_routes(facts, leases, read)),
    )
    return _towards(facts, state, vxlan, read)


def local_of(facts: Facts, lease: Lease) -> Ip | None:
    """The underlay address that the node itself has: published, or hidden behind a NAT's."""
    if lease.public_ip_overwrite is None:
        return lease.public_ip
    return next(iter(_internal_ips(facts, lease.node, lease.family)), lease.public_ip)


def _internal_ips(facts: Facts, node: str, family: int) -> list[Ip]:
    found = facts.api_node(node)
    ips = found.internal_ips if found is not None else ()
    return [ip for ip in ips if (":" in ip) is (family == 6)]


def _like(facts: Facts, family: int, read: Sequence[str]) -> _Like:
    conf = facts.net_conf
    for node in read:
        try:
            vtep = facts.vtep(node, family)
        except MissingFact:
            continue
        if vtep is not None and vtep.vxlan is not None:
            own = vtep.vxlan
            port, gbp = (conf.port, conf.gbp) if conf is not None else (own.port, own.gbp)
            return _Like(port, gbp, vtep.mtu)
    return _Like(conf.port if conf else DEFAULT_PORT, conf is not None and conf.gbp, 1450)


def _devices(mtu: int) -> tuple[Link, ...]:
    """Its uplink, another one, and the pods' bridge: as wide as the read node's VTEP needs it."""
    outside = mtu + OVERHEAD[6]
    return (
        _link(UPLINK, "uplink", None, outside),
        _link(OTHER, "other", None, outside),
        _link(BRIDGE, "cni0", "bridge", mtu),
    )


def _link(ifindex: int, ifname: str, kind: str | None, mtu: int) -> Link:
    return Link(ifindex=ifindex, ifname=ifname, kind=kind, mac=None, mtu=mtu, up=True, carrier=True)


def _vtep(facts: Facts, lease: Lease, like: _Like) -> Link:
    vni = lease.vni if lease.vni is not None else facts.vni
    local = local_of(facts, lease)
    inside = _internal_ips(facts, lease.node, lease.family)
    return Link(
        ifindex=VTEP if lease.family == 4 else VTEP + 1,
        ifname=f"{'flannel-v6' if lease.family == 6 else 'flannel'}.{vni}",
        kind="vxlan",
        mac=lease.vtep_mac,
        mtu=like.mtu,
        up=True,
        carrier=True,
        vxlan=Vxlan(
            vni=vni,
            local=local,
            port=like.port,
            learning=False,
            gbp=like.gbp,
            underlay_ifindex=UPLINK if not inside or local in inside else OTHER,
        ),
    )


def _addresses(facts: Facts, peer: str, leases: Sequence[Lease]) -> list[Address]:
    found = []
    for lease in leases:
        length = 128 if lease.family == 6 else 32
        inside = _internal_ips(facts, peer, lease.family)
        local = local_of(facts, lease)
        held = [(UPLINK, ip) for ip in inside]
        if local is not None and local not in inside:
            held.append((OTHER if inside else UPLINK, local))
        network = ip_network(lease.pod_cidr or "")
        if lease.backend_type == VXLAN and lease.defect is None:
            held.append((VTEP if lease.family == 4 else VTEP + 1, str(network.network_address)))
        held.append((BRIDGE, str(network.network_address + 1)))
        found += [
            Address(ifindex=ifindex, ip=ip, prefix_length=length, scope="global")
            for ifindex, ip in held
        ]
    return found


def _local_routes(facts: Facts, leases: Sequence[Lease], read: Sequence[str]) -> list[Route]:
    """To its own pods, and to the underlay addresses of the nodes that were read."""
    own = [
        Route(destination=lease.pod_cidr or "", ifindex=BRIDGE, scope="link") for lease in leases
    ]
    peers = [one for one in facts.leases if one.node in read]
    ips = {ip for one in peers for ip in (one.public_ip, local_of(facts, one)) if ip is not None}
    return own + [
        Route(destination=f"{ip}/{128 if ':' in ip else 32}", ifindex=UPLINK, scope="link")
        for ip in sorted(ips)
    ]


def _towards(
    facts: Facts, state: NodeState, vxlan: Sequence[Lease], read: Sequence[str]
) -> NodeState:
    """With the entries that flanneld writes for the read nodes; of one that routes to it directly,
    a direct route (DirectRouting is decided by both alike).
    """
    direct = {
        (one.node, one.family): one
        for one in facts.leases
        if one.node in read and any(_goes_direct(facts, one, other) for other in vxlan)
    }
    others = [
        one for one in facts.leases if one.node in read and (one.node, one.family) not in direct
    ]
    state = with_promised(replace(state, promised=tuple(read)), others)
    routes = [
        Route(destination=lease.pod_cidr or "", gateway=lease.public_ip, ifindex=UPLINK)
        for lease in direct.values()
    ]
    return replace(state, routes=(*state.routes, *routes))


def _goes_direct(facts: Facts, lease: Lease, peer: Lease) -> bool:
    """The read node routes to the peer directly, and may."""
    expected = expectation(peer)
    if expected is None or lease.family != peer.family or lease.pod_cidr is None:
        return False
    if facts.net_conf is not None and not facts.net_conf.direct_routing:
        return False
    try:
        routes = facts.tables(lease.node, "routes").state.routes
    except MissingFact:
        return False
    return any(
        route.destination == expected.pod_cidr and goes_direct(route, expected) for route in routes
    )
