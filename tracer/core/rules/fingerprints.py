"""What a node's tables tell of its history, and what an end of packets tells of their tables."""

from tracer.core.case import Case, WayView
from tracer.model.observation import Device, Direction
from tracer.model.path import Outcome
from tracer.model.state import Link, NodeState


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
