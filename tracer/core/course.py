"""The points that a packet of one way passes, in their fixed order, as far as they are watched."""

from tracer.core.sightings import is_pod
from tracer.model.bundle import AgentEnd, AgentReport, Bundle
from tracer.model.observation import Device, Direction
from tracer.model.path import Place, Way
from tracer.model.request import End

IN, OUT = Direction.IN, Direction.OUT


def ends(bundle: Bundle, way: Way) -> tuple[End, End]:
    """Who sends and who receives this way."""
    source, destination = bundle.request.source, bundle.request.destination
    return (source, destination) if way is Way.REQUEST else (destination, source)


def course(bundle: Bundle, way: Way) -> tuple[Place, ...]:
    """All points of the way. A device that no agent named stands there by its kind."""
    sender, receiver = ends(bundle, way)
    points: list[tuple[str, Device, Direction]] = []
    if is_pod(sender.kind, sender.host_network):
        points += [(sender.node, Device.POD, IN)]
    if sender.node == receiver.node:
        if is_pod(receiver.kind, receiver.host_network):
            points += [(receiver.node, Device.POD, OUT)]
        return _places(bundle, points)
    overlay = not (sender.host_network or receiver.host_network)
    if is_pod(sender.kind, sender.host_network):
        points += [(sender.node, Device.BRIDGE, IN)]
    points += [(sender.node, Device.VTEP, OUT)] if overlay else []
    points += [(sender.node, Device.UPLINK, OUT), (receiver.node, Device.UPLINK, IN)]
    points += [(receiver.node, Device.VTEP, IN)] if overlay else []
    if is_pod(receiver.kind, receiver.host_network):
        points += [(receiver.node, Device.BRIDGE, OUT), (receiver.node, Device.POD, OUT)]
    return _places(bundle, points)


def _places(bundle: Bundle, points: list[tuple[str, Device, Direction]]) -> tuple[Place, ...]:
    return tuple(
        Place(
            node=node,
            device=device,
            direction=direction,
            ifname=_ifname(bundle, node, device),
        )
        for node, device, direction in points
    )


def _ifname(bundle: Bundle, node: str, device: Device) -> str:
    agent = bundle.agents.get(node)
    names = [point.ifname for point in agent.points if point.device is device] if agent else []
    return names[0] if names else device.value


def watched(bundle: Bundle, place: Place) -> bool:
    """An agent watched this point, to the end, and lost nothing."""
    agent = bundle.agents.get(place.node)
    return agent is not None and why_unsure(agent, place) is None


def why_unsure(agent: AgentReport | None, place: Place) -> str | None:
    """Why a packet may have passed a point without being seen; None: it did not pass."""
    if agent is None or agent.end is not AgentEnd.BYE:
        return f"the agent on {place.node} did not answer to the end"
    if agent.lost is None:
        return f"the agent on {place.node} does not know whether it lost records"
    if agent.lost > 0:
        return f"the agent on {place.node} lost {agent.lost} records"
    if not any(point.device is place.device for point in agent.points):
        return f"{place.ifname} on {place.node} was not watched"
    return None
