"""The pods' end of the way: their veth pairs."""

from tracer.core.case import MissingFact, WayView
from tracer.core.rules import proof, remedies
from tracer.core.tables import Tables
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device, Direction
from tracer.model.request import End
from tracer.model.state import Link

STEP = Step.NODES


def veth_detached(way: WayView) -> Finding | None:
    """The host's end of a pod's veth pair is not on the bridge, or is down.

    The bridge then has no port that leads to the pod: ARP for it goes unanswered (NEIGH_FAILED), or
    the bridge has no running port at all (QDISC_DROP).
    """
    if way.from_pod and (found := _detached(way, way.source, at_sender=True)):
        return found
    return _detached(way, way.destination, at_sender=False) if way.to_pod else None


def _detached(way: WayView, end: End, *, at_sender: bool) -> Finding | None:
    case = way.case
    tables = case.tables(end.node, "links")
    bridge, veth = tables.bridge(), _host_end(way, end, tables)
    if bridge is None or veth is None:
        return None
    attached = veth.master == bridge.ifindex
    if attached and veth.up:
        return None
    what = "is down" if attached else f"is not a port of {bridge.ifname}"
    master = tables.link(veth.master) if veth.master is not None else None
    actual = "down" if attached else f"master {master.ifname}" if master else "no master"
    return Finding(
        rule="veth-detached",
        severity=Severity.ERROR,
        node=end.node,
        device=veth.ifname,
        sentence=f"{veth.ifname} on {end.node}, the host's end of {end.name}, {what}.",
        evidence=(*_links(end.node, bridge, veth, actual), *proof.kernel(way)),
        hits=f"everything to and from {end.name}",
        fix=(
            "put it back, or delete the pod so that it is made anew:",
            remedies.on(end.node, f"ip link set {veth.ifname} master {bridge.ifname} up"),
        ),
        confirm=(remedies.on(end.node, f"bridge link show dev {veth.ifname}"),),
        useless=(
            "restarting flannel: the veth pair is the bridge plugin's work, done once when the pod"
            " starts",
        ),
        way=way.way,
        explains=_ended_at_edge(way, end.node, at_sender=at_sender),
    )


def _links(node: str, bridge: Link, veth: Link, actual: str) -> tuple[Evidence, ...]:
    return (
        Evidence(
            label="expected",
            value=f"master {bridge.ifname}, up",
            source=f"{node} bridge of the pod subnet",
        ),
        Evidence(label="actual", value=actual, source=f"{node} link {veth.ifname}", differs=True),
    )


def _host_end(way: WayView, end: End, tables: Tables) -> Link | None:
    for pod in way.case.state(end.node).pods:
        if pod.ip == end.ip and pod.host_ifindex is not None:
            return tables.link(pod.host_ifindex)
    for gap in way.case.state(end.node).not_read:
        if gap.what in (f"pod {end.ip}", "pods"):
            raise MissingFact(f"{gap.what} on {end.node}: {gap.why}")
    return None


def _ended_at_edge(way: WayView, node: str, *, at_sender: bool) -> bool:
    """Between the pod and its bridge: on the way out before cni0, on the way in after it."""
    end = way.end
    if end is None or not end.on(node):
        return False
    if at_sender:
        return end.lost_at(node, Device.POD, Direction.IN) or end.on(node, Device.POD)
    if end.freed("NEIGH_FAILED", "QDISC_DROP"):
        return end.on(node, Device.BRIDGE, Device.POD)
    return (
        end.lost_at(node, Device.VTEP, Direction.IN)
        or end.lost_at(node, Device.BRIDGE, Direction.OUT)
        or (end.on(node, Device.BRIDGE, Device.POD) and not end.freed("NETFILTER_DROP"))
    )
