"""The sender's own VTEP: without it nothing of its pods reaches another node."""

from tracer.core.case import WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.fingerprints import ended_unrouted, peer_fdb
from tracer.core.rules.neighbourhood import cannot_come_up
from tracer.core.rules.on_way import on_its_way, route_words
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device
from tracer.model.state import Link

STEP = Step.NODES


def own_flannel1_down(way: WayView) -> Finding | None:
    """The VTEP of the sending node is down, and the kernel took its routes with it.

    Without a default route the node then says "network unreachable"; with one the pods' packets
    leave the uplink as they are, with the pod's address as their source, and are gone.
    """
    if not way.crosses or on_its_way(way):
        return None
    vtep = way.sender_vtep
    if vtep is None or vtep.up or cannot_come_up(way.case, way.sender, vtep):
        return None
    case, node = way.case, way.sender
    return Finding(
        rule="own-flannel1-down",
        severity=Severity.ERROR,
        node=node,
        device=vtep.ifname,
        sentence=f"{vtep.ifname} on {node} is down; the kernel removed its routes with it.",
        evidence=(*_state(way, vtep), *_leak(way), *proof.kernel(way)),
        hits=f"everything to and from pods of {node} that crosses nodes",
        fix=(
            f"restart flanneld on {node}; it sets the device up and writes its entries again:",
            remedies.restart_flannel(case, node),
        ),
        confirm=(
            remedies.on(node, f"ip -d link show {vtep.ifname}"),
            remedies.on(node, f"ip route show dev {vtep.ifname}"),
        ),
        useless=(
            f"setting {vtep.ifname} up and no more: the kernel removed its routes and neighbours"
            " when it went down, and they do not come back with it",
        ),
        way=way.way,
        explains=ended_unrouted(way),
    )


def _state(way: WayView, vtep: Link) -> tuple[Evidence, ...]:
    """Down, and what went and stayed with that."""
    node = way.sender
    kept = len(peer_fdb(way.case.state(node), vtep))
    return (
        Evidence(label="device", value="down", source=f"{node} link {vtep.ifname}", differs=True),
        Evidence(
            label="route",
            value=route_words(way),
            source=f"{node} routes, to {way.dst}",
            differs=True,
        ),
        Evidence(label="fdb", value=f"{kept} entries kept", source=f"{node} fdb"),
    )


def _leak(way: WayView) -> tuple[Evidence, ...]:
    """With a default route nobody refuses the packets: they leave bare."""
    end = way.end
    if end is None or end.outer or not end.on(way.sender, Device.UPLINK) or end.place is None:
        return ()
    return (
        Evidence(
            label="left bare",
            value=f"{way.src} > {way.dst}",
            source=f"{way.sender} {end.place.ifname} out, without VXLAN",
        ),
    )
