"""A node without flannel's device, and so without any of its entries."""

from tracer.core.case import WayView
from tracer.core.end import WayEnd
from tracer.core.rules import proof, remedies
from tracer.core.rules.fingerprints import ended_unrouted
from tracer.core.rules.on_way import on_its_way, route_words
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.lease import Lease
from tracer.model.observation import Device


def lost_with_device(way: WayView) -> Finding | None:
    """Flannel's device was deleted at either end of a way that needs it.

    From v0.27.4 on flanneld makes it again within 30 s and writes none of its entries; before, it
    does not notice (flannel #1070, PR #2247). The last VXLAN device on a port closes its socket.
    """
    if way.crossing is None and not on_its_way(way) and _lacks_one(way, way.sender_lease):
        return _finding(way, way.sender_lease, explains=_ended_before_it(way))
    if way.crossing is not None and _lacks_one(way, way.receiver_lease):
        return _finding(way, way.receiver_lease, explains=_refused(way.end, way.receiver))
    return None


def _lacks_one(way: WayView, lease: Lease) -> bool:
    if lease.backend_type != "vxlan" or lease.defect is not None:
        return False
    # without VXLAN in its kernel a node never had one
    if way.case.vtep(lease.node) is not None:
        return False
    return way.case.state(lease.node).vxlan_support != "missing"


def _finding(way: WayView, lease: Lease, explains: bool) -> Finding:
    case, node = way.case, lease.node
    device = f"{'flannel-v6' if case.family == 6 else 'flannel'}.{lease.vni or case.vni}"
    restart = remedies.restart_flannel(case, node)
    return Finding(
        rule="routes-lost",
        severity=Severity.ERROR,
        node=node,
        device=device,
        sentence=f"{node} has no {device}; its routes to all peers went with it.",
        evidence=(
            Evidence(
                label="device", value=proof.NONE, source=f"{node} link {device}", differs=True
            ),
            *_route(way, node),
            *proof.kernel(way),
        ),
        hits=f"everything to and from pods of {node} that crosses nodes",
        fix=(
            f"restart flanneld on {node}; it makes the device and writes the entries of all peers:",
            restart,
        ),
        confirm=(
            remedies.on(node, f"ip -d link show {device}"),
            remedies.on(node, f"ip route show dev {device}"),
        ),
        useless=(
            "waiting: flanneld before v0.27.4 does not notice, and a later one makes the device"
            " again without its routes, neighbours and FDB entries",
        ),
        way=way.way,
        explains=explains,
    )


def _route(way: WayView, node: str) -> tuple[Evidence, ...]:
    if node != way.sender:
        return ()
    return (Evidence(label="route", value=route_words(way), source=f"{node} routes to {way.dst}"),)


def _ended_before_it(way: WayView) -> bool:
    """For want of a route, or in the queue of the device that was being deleted."""
    end = way.end
    return ended_unrouted(way) or (
        end is not None and end.on(way.sender, Device.VTEP) and end.freed("QDISC_DROP")
    )


def _refused(end: WayEnd | None, node: str) -> bool:
    """Nobody there listens to VXLAN's port, or not for this VNI."""
    return (
        end is not None
        and end.on(node, Device.UPLINK)
        and end.freed("NO_SOCKET", "VXLAN_VNI_NOT_FOUND")
    )
