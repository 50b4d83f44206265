"""The points that a packet of one way passes, in their fixed order, and which of them are watched.

Within its own node a packet is seen at the pod, the bridge, the VTEP and the uplink; which of them
lie on the way depends on what stands at the ends, and on whether they share a node.
"""

from ipaddress import ip_address

from tracer.core.leases import leases
from tracer.core.ports import host_end
from tracer.core.tables import Tables
from tracer.core.words import CAPTURE, WATCH, watcher
from tracer.model.bundle import AgentEnd, AgentReport, Bundle
from tracer.model.observation import Device, Direction
from tracer.model.path import Place, Way
from tracer.model.request import End, EndKind, Request

IN, OUT = Direction.IN, Direction.OUT

_Point = tuple[End, Device, Direction]


def is_pod(end: End) -> bool:
    """The end has a veth and a bridge before it."""
    return end.kind is EndKind.POD and not end.host_network


def ends(request: Request, way: Way) -> tuple[End, End]:
    """Who sends and who receives this way."""
    source, destination = request.source, request.destination
    return (source, destination) if way is Way.REQUEST else (destination, source)


def course(bundle: Bundle, way: Way) -> tuple[Place, ...]:
    """All points of the way; none for a node that talks to itself.

    A device that no agent named stands there by its kind.
    """
    sender, receiver = ends(bundle.traced, way)
    if sender.node == receiver.node:
        points = _within(sender, receiver)
    else:
        points = _across(sender, receiver, overlay=by_vtep(bundle, sender, receiver))
    points = [one for one in points if one[1] is not Device.POD or not _by_watch(bundle, one[0])]
    return tuple(
        Place(
            node=end.node, device=device, direction=direction, ifname=_ifname(bundle, end, device)
        )
        for end, device, direction in points
    )


def _by_watch(bundle: Bundle, end: End) -> bool:
    """A watch looks at no pod's device: that is no part of what it can see of the way."""
    agent = bundle.agents.get(end.node)
    return agent is not None and agent.attach == WATCH


def _within(sender: End, receiver: End) -> list[_Point]:
    """Between pods of one node the bridge only bridges: its own hooks see nothing."""
    if is_pod(sender):
        if is_pod(receiver):
            return [(sender, Device.POD, IN), (receiver, Device.POD, OUT)]
        return [(sender, Device.POD, IN), (sender, Device.BRIDGE, IN)]
    if is_pod(receiver):
        return [(receiver, Device.BRIDGE, OUT), (receiver, Device.POD, OUT)]
    return []


def _across(sender: End, receiver: End, *, overlay: bool) -> list[_Point]:
    points: list[_Point] = []
    if is_pod(sender):
        points += [(sender, Device.POD, IN), (sender, Device.BRIDGE, IN)]
    if overlay:
        points += [(sender, Device.VTEP, OUT)]
    points += [(sender, Device.UPLINK, OUT), (receiver, Device.UPLINK, IN)]
    if overlay:
        points += [(receiver, Device.VTEP, IN)]
    if is_pod(receiver):
        points += [(receiver, Device.BRIDGE, OUT), (receiver, Device.POD, OUT)]
    return points


def by_vtep(bundle: Bundle, sender: End, receiver: End) -> bool:
    """Not to a node's own address, and not where flannel routes directly (DirectRouting)."""
    if receiver.host_network:
        return False
    state = bundle.nodes.get(sender.node)
    if state is None:
        return True
    family = ip_address(receiver.ip).version
    addresses = [
        lease.public_ip
        for lease in leases(bundle.cluster)
        if (lease.node, lease.family) == (receiver.node, family)
    ]
    tables = Tables(state)
    # Policy rules may ask who sends, and by which device the node takes it in.
    bridge = tables.bridge() if is_pod(sender) else None
    iif = bridge.ifname if bridge is not None else None
    route = tables.route(receiver.ip, src=sender.ip, iif=iif).route
    return route is None or route.gateway is None or route.gateway not in addresses


def veth_of(bundle: Bundle, end: End) -> int | None:
    """ifindex of the host's end of a pod's veth pair; None: not known."""
    state = bundle.nodes.get(end.node)
    return host_end(state, end.ip) if state is not None else None


def _ifname(bundle: Bundle, end: End, device: Device) -> str:
    agent = bundle.agents.get(end.node)
    points = [point for point in agent.points if point.device is device] if agent else []
    if device is Device.POD and (veth := veth_of(bundle, end)) is not None:
        points = [point for point in points if point.ifindex == veth]
    if device is Device.VTEP:
        v6 = ip_address(end.ip).version == 6
        points = [one for one in points if one.ifname.startswith("flannel-v6.") is v6] or points
    return points[0].ifname if points else device.value


def watched(bundle: Bundle, place: Place) -> bool:
    """An agent watched this point, to the end, and lost nothing."""
    return why_unsure(bundle.agents.get(place.node), place) is None


def why_unsure(agent: AgentReport | None, place: Place) -> str | None:
    """Why a packet may have passed a point without being seen; None: it did not pass."""
    if agent is None:
        return f"the agent on {place.node} did not answer to the end"
    if agent.end is not AgentEnd.BYE:
        ended = "may not have run then" if agent.attach == CAPTURE else "did not answer to the end"
        return f"the {watcher(agent)} {ended}"
    if agent.lost is None:
        return f"the {watcher(agent)} does not know whether it lost records"
    if agent.lost > 0:
        return f"the {watcher(agent)} lost {agent.lost} records"
    if not any((one.device, one.ifname) == (place.device, place.ifname) for one in agent.points):
        name = "the pod's device" if place.device is Device.POD else place.ifname
        return f"{name} on {place.node} was not watched"
    return None
