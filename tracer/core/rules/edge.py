"""The edge between pods and their node: how packets end there, and whose pods they are."""

from msgspec.structs import replace

from tracer.core.case import WayView
from tracer.core.end import WayEnd
from tracer.core.rules import proof
from tracer.core.views import NodeView, Stops
from tracer.model.diagnosis import Finding
from tracer.model.observation import Device, Direction
from tracer.model.packet import Ip


def of_each_way(view: NodeView, stops: Stops, finding: Finding) -> tuple[Finding, ...]:
    """A fault of a node, once for each way that it stopped; once by itself if it stopped none.

    Both ways of a trace are explained then, and whoever collects findings keeps one of a node.
    """
    stopped = [way for way in view.ways if way.end is not None and stops(way, way.end)]
    return tuple(
        replace(
            finding,
            evidence=(*finding.evidence, *proof.kernel(way)),
            way=way.way,
            explains=True,
        )
        for way in stopped
    ) or (finding,)


def unsent(way: WayView, end: WayEnd) -> bool:
    """Packets of a pod ended inside of it, or between it and its bridge."""
    if not way.from_pod:
        return False
    return not end.sample.hops or end.on(way.sender, Device.POD)


def undelivered(way: WayView, end: WayEnd) -> bool:
    """Packets for a pod ended behind the receiver's IP layer: nothing leads to the pod."""
    node = way.receiver
    if not way.to_pod or not end.on(node):
        return False
    if end.freed("NEIGH_FAILED", "QDISC_DROP"):
        return end.on(node, Device.BRIDGE, Device.POD)
    return (
        end.lost_at(node, Device.VTEP, Direction.IN)
        or end.lost_at(node, Device.BRIDGE, Direction.OUT)
        or (end.on(node, Device.BRIDGE, Device.POD) and not end.freed("NETFILTER_DROP"))
    )


def unrouted(way: WayView, end: WayEnd, node: str) -> bool:
    """A node that took packets in had no route for them, or sent them out by its default route."""
    came_in = Device.BRIDGE if node == way.sender else Device.VTEP
    if end.on(node, came_in):
        return end.freed("IP_INNOROUTES") or end.lost_at(node, came_in, Direction.IN)
    return end.on(node, Device.UPLINK) and not end.outer and not end.freed("NETFILTER_DROP")


def pod_name(view: NodeView, ip: Ip) -> str:
    """The pod that has the address on the view's node, as users call it."""
    for pod in view.facts.pods_on(view.node):
        if ip in pod.ips:
            return f"{pod.namespace}/{pod.name}"
    ends = (end for way in view.ways for end in (way.source, way.destination))
    return next((end.name for end in ends if end.ip == ip and not end.assumed), f"pod {ip}")


def delete_pod(name: str) -> str:
    """Have a pod made anew by whatever keeps it."""
    namespace, _, pod = name.rpartition("/")
    return f"kubectl -n {namespace} delete pod {pod}" if namespace else "kubectl delete pod POD"


def and_more(names: list[str]) -> str:
    """`, and so are 3 more` after what is said of the first."""
    more = len(names) - 1
    return "" if more < 1 else f", and so {'is one' if more == 1 else f'are {more}'} more"
