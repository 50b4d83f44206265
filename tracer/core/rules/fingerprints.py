"""What a node's tables tell of its history, and what an end of packets tells of their tables."""

from collections.abc import Iterator
from ipaddress import ip_network
from itertools import islice

from tracer.core.case import Case, MissingFact, WayView
from tracer.core.expect import Expectation, expectation
from tracer.core.facts import Facts
from tracer.core.tables import Tables
from tracer.model.lease import Lease
from tracer.model.observation import Device, Direction
from tracer.model.packet import Ip, Net
from tracer.model.path import Outcome
from tracer.model.state import Link, NodeState, Route


def misaddressed(way: WayView) -> bool:
    """Packets came in at the receiver's VTEP and were not for its MAC."""
    end = way.end
    if end is None or not end.on(way.receiver, Device.VTEP):
        return False
    return end.freed("OTHERHOST") or (end.outcome is Outcome.LOST)


def stuck_at_sender(way: WayView) -> bool:
    """Packets ended before they were encapsulated: no neighbour, or no FDB entry."""
    end = way.end
    if end is None or end.outer:
        return False
    if end.place is None:
        # A host's own packet that waits for its neighbour was not seen anywhere yet.
        return not way.from_pod
    if not end.on(way.sender):
        return False
    return (
        end.freed("NO_TX_TARGET", "NEIGH_FAILED", "NEIGH_QUEUEFULL")
        or end.lost_at(way.sender, Device.BRIDGE, Direction.IN)
        or end.lost_at(way.sender, Device.VTEP, Direction.OUT)
    )


def ended_unrouted(way: WayView) -> bool:
    """Freed for want of a route, stuck before the VTEP, or left by the uplink without VXLAN."""
    end = way.end
    if end is not None and end.place is None:
        # A host without a route refuses to send at all.
        return not way.from_pod
    if end is None or not end.on(way.sender):
        return False
    if end.freed("IP_INNOROUTES", "IP_OUTNOROUTES", "NEIGH_FAILED"):
        return not end.outer
    leaked = end.on(way.sender, Device.UPLINK) and not end.outer
    return leaked or end.lost_at(way.sender, Device.BRIDGE, Direction.IN)


def left_for_nobody(way: WayView) -> bool:
    """The outer packet left the sender, or tried to, and reached nobody."""
    end = way.end
    if end is None or not end.on(way.sender):
        return False
    if end.freed("NEIGH_FAILED"):
        # By whatever device: a default route may lead out by another one than the VTEP's.
        return end.outer or end.on(way.sender, Device.UPLINK)
    if not end.on(way.sender, Device.UPLINK, Device.VTEP):
        return False
    return end.freed("IP_OUTNOROUTES") or (
        end.outcome is Outcome.LOST and end.outer and end.on(way.sender, Device.UPLINK)
    )


def left_for(way: WayView, other: str) -> bool:
    """The outer packet went to another node than the receiver, whether or not that was watched."""
    end = way.end
    if end is None:
        return False
    lost = end.outer and end.lost_at(way.sender, Device.UPLINK, Direction.OUT)
    return lost or end.on(other, Device.UPLINK, Device.VTEP)


def mac_changed(case: Case, node: str) -> bool:
    """The device got another MAC under a running flanneld: neighbours flushed, the rest is full."""
    vtep = case.vtep(node)
    if vtep is None or not vtep.up:
        return False
    case.tables(node, "neighbours", "fdb", "routes")
    state = case.state(node)
    if permanent(state, vtep) or not peer_fdb(state, vtep) or not peer_routes(state, vtep):
        return False
    lease = case.lease(node)
    return lease.vtep_mac != vtep.mac or _older_mac_at_peers(case, node, vtep)


def _older_mac_at_peers(case: Case, node: str, vtep: Link) -> bool:
    """flannel never removes the FDB entry of an old MAC: peers remember that there was one."""
    public_ip = case.lease(node).public_ip
    return any(
        entry.dst == public_ip and entry.mac != vtep.mac
        for name, state in case.bundle.nodes.items()
        if name != node
        for entry in state.fdb
        if entry.dst is not None
    )


def peer_fdb(state: NodeState, vtep: Link) -> list[str]:
    """MACs of the FDB entries that lead to other nodes."""
    return [e.mac for e in state.fdb if e.ifindex == vtep.ifindex and e.dst is not None]


def peer_routes(state: NodeState, vtep: Link) -> list[str]:
    """Networks routed to other nodes by the VTEP."""
    return [
        route.destination
        for route in state.routes
        if route.ifindex == vtep.ifindex and route.gateway is not None
    ]


def permanent(state: NodeState, vtep: Link) -> list[str]:
    """Addresses of the VTEP's PERMANENT neighbours: those that flanneld wrote."""
    return [n.ip for n in state.neighbours if n.ifindex == vtep.ifindex and n.state == "PERMANENT"]


def disowned(way: WayView) -> bool:
    """The sender has nothing of the receiver, and all of another peer: somebody removed a peer.

    A route alone goes with networkd, neighbours and routes of all peers with a device that went
    down, everything of all with one that was made anew.
    """
    tables, vtep = way.sender_tables, way.sender_vtep
    wanted = expectation(way.receiver_lease)
    if vtep is None or wanted is None or any(_held(tables, vtep, wanted)):
        return False
    others = (
        expected
        for lease in way.case.leases
        if lease.family == way.case.family and lease.node not in (way.sender, way.receiver)
        if (expected := expectation(lease)) is not None
    )
    return any(all(_held(tables, vtep, other)) for other in others)


def _held(tables: Tables, vtep: Link, peer: Expectation) -> tuple[bool, bool, bool]:
    """Is there a route, a neighbour, an FDB entry of a peer?"""
    answer = tables.route(peer.gateway).route
    entry = tables.neighbour(vtep.ifindex, peer.gateway)
    mac = peer.vtep_mac
    return (
        answer is not None and answer.destination == peer.pod_cidr,
        entry is not None and entry.mac is not None,
        mac is not None and tables.fdb(vtep.ifindex, mac) is not None,
    )


def twin_reached(way: WayView) -> Lease | None:
    """The other node of the same pod CIDR to which the sender's entries lead; None: none."""
    crossing, own = way.crossing, way.receiver_lease
    if crossing is None or crossing.mac in (None, own.vtep_mac):
        return None
    for lease in way.case.leases:
        if lease.node not in (way.sender, way.receiver) and lease.vtep_mac == crossing.mac:
            return lease if overlapping(lease.pod_cidr, own.pod_cidr) else None
    return None


def overlapping(one: Net | None, other: Net | None) -> bool:
    """The two networks have addresses in common."""
    if one is None or other is None or (":" in one) is not (":" in other):
        return False
    return ip_network(one, strict=False).overlaps(ip_network(other, strict=False))


def diverted(way: WayView) -> Route | None:
    """The sender's route, if it is one that a deleted node left behind."""
    vtep, route = way.sender_vtep, way.route.route
    if vtep is None or route is None or not left_behind(route, vtep, way.sender, way.case.facts):
        return None
    return route


def misrouted(way: WayView) -> bool:
    """The sender's route is not the one that flanneld writes for the receiver: no entry is due."""
    vtep, route = way.sender_vtep, way.route.route
    if vtep is None or route is None or route.ifindex != vtep.ifindex:
        return False
    return foreign(route) or diverted(way) is not None


def foreign(route: Route) -> bool:
    """Not flanneld's: its next hop is always the first address of the subnet (vxlan_network.go)."""
    if route.kind != "unicast" or route.gateway is None:
        return False
    return route.gateway != str(ip_network(route.destination, strict=False).network_address)


def left_behind(route: Route, vtep: Link, node: str, facts: Facts) -> bool:
    """A route of `node` by its VTEP whose subnet and next hop are of no other node that exists."""
    if route.ifindex != vtep.ifindex or route.gateway is None or route.kind != "unicast":
        return False
    owners = facts.subnets.get(route.destination, ())
    if owners and owners != (node,):
        return False
    if facts.vtep_ips.get(route.gateway, (node,)) != (node,) or not facts.subnets:
        return False
    return not _leads_to_a_node(facts.tables(node, "neighbours", "fdb"), vtep, route.gateway, facts)


def _leads_to_a_node(tables: Tables, vtep: Link, gateway: Ip, facts: Facts) -> bool:
    """The next hop has the MAC of a node's VTEP, or the address of one that lost its subnet."""
    entry = tables.neighbour(vtep.ifindex, gateway)
    mac = entry.mac if entry is not None else None
    if mac is None:
        return False
    if any(lease.vtep_mac == mac for lease in facts.leases):
        return True
    fdb = tables.fdb(vtep.ifindex, mac)
    owner = facts.owner_of(fdb.dst) if fdb is not None and fdb.dst is not None else None
    return owner is not None and all(lease.node != owner for lease in facts.leases)


OTHERS = 8
"""Third nodes that are asked; of a thousand these tell enough."""


def update_ignored(way: WayView) -> bool:
    """The sender kept what it knew of one family of a dual-stack peer, and has the other right.

    flannel drops an update in which either family is unchanged (kube.go, handleUpdateLeaseEvent).
    A third node that is right although its flanneld is older speaks for a missed event instead.
    """
    try:
        other = 6 if way.case.family == 4 else 4
        if not _outdated(way, way.case.family, way.sender):
            return False
        if _outdated(way, other, way.sender) is not False:
            return False
    except MissingFact:
        return False
    return not any(_contradicts(way, name) for name in islice(_third_nodes(way), OTHERS))


def _third_nodes(way: WayView) -> Iterator[str]:
    return (name for name in way.case.bundle.nodes if name not in (way.sender, way.receiver))


def _contradicts(way: WayView, name: str) -> bool:
    """Its entries are right, and its flanneld did not start after the receiver's."""
    try:
        if _outdated(way, way.case.family, name) is not False:
            return False
    except MissingFact:
        return False
    since, changed = way.case.flannel_pod(name), way.case.flannel_pod(way.receiver)
    if since is None or changed is None or since.started is None or changed.started is None:
        return True
    return since.started <= changed.started


def _outdated(way: WayView, family: int, node: str) -> bool | None:
    """The node's entries for the receiver are not what lease and device say; None: not known.

    MissingFact: it has no lease of that family, or something was not read.
    """
    facts, receiver = way.case.facts, way.receiver
    lease, vtep = facts.lease(receiver, family), facts.vtep(receiver, family)
    own = facts.vtep(node, family)
    if vtep is None or own is None or lease.pod_cidr is None or lease.vtep_mac != vtep.mac:
        return None
    if not facts.tables(receiver, "addresses").has_address(lease.public_ip or ""):
        return None
    tables = facts.tables(node, "neighbours", "fdb")
    gateway = str(ip_network(lease.pod_cidr, strict=False).network_address)
    entry = tables.neighbour(own.ifindex, gateway)
    if entry is None or entry.mac is None:
        return None
    fdb = tables.fdb(own.ifindex, entry.mac)
    return entry.mac != lease.vtep_mac or (fdb is not None and fdb.dst != lease.public_ip)
