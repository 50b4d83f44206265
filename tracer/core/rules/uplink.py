"""The uplink that VXLAN's packets leave and come in by."""

import shlex

from tracer.core.case import MissingFact, WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.neighbourhood import is_dead, uplink_below
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device, Direction
from tracer.model.packet import Ip
from tracer.model.path import Outcome
from tracer.model.state import Link

STEP = Step.NODES


def uplink_down(way: WayView) -> Finding | None:
    """A node's uplink is down or unplugged, or has no route to the peer's address.

    vxlan_xmit_one then finds no way for the outer packet: IP_OUTNOROUTES on the VTEP, which counts
    tx_carrier_errors. flannel.1 stays up and keeps all its entries.
    """
    if not way.crosses:
        return None
    missing: MissingFact | None = None
    for node in (way.sender, way.receiver):
        try:
            uplink = uplink_below(way.case, node)
        except MissingFact as fact:
            missing = fact
            continue
        if uplink is not None and is_dead(uplink):
            return _down(way, node, uplink)
    found = _no_route(way)
    if found is None and missing is not None:
        raise missing
    return found


def _down(way: WayView, node: str, uplink: Link) -> Finding:
    at_sender = node == way.sender
    peer = _published(way, way.receiver if at_sender else way.sender)
    local = _published(way, node)
    cause = "is down" if not uplink.up else "has no carrier"
    set_up = (
        (
            f"set it up, and see what took it down; {_kept(way, node)}:",
            remedies.on(node, f"ip link set {uplink.ifname} up"),
        )
        if not uplink.up
        else (
            f"look at the cable, the switch's port, or the hypervisor's; {_kept(way, node)}:",
            remedies.on(node, f"ethtool {uplink.ifname}"),
        )
    )
    return Finding(
        rule="uplink-down",
        severity=Severity.ERROR,
        node=node,
        device=uplink.ifname,
        sentence=f"{uplink.ifname} on {node}, the uplink of its overlay, {cause}.",
        evidence=(
            Evidence(
                label="device",
                value="down" if not uplink.up else "no carrier",
                source=f"{node} link {uplink.ifname}",
                differs=True,
            ),
            *_route_evidence(way, node, peer, local),
            *proof.kernel(way),
        ),
        hits=f"everything between pods of {node} and other nodes",
        fix=set_up,
        confirm=(
            remedies.on(node, f"ip link show {uplink.ifname}"),
            *_route_get(node, peer, local),
        ),
        useless=(
            "restarting flannel or the pods: nothing of theirs is wrong, and traffic goes on as"
            f" soon as {uplink.ifname} is up",
        ),
        way=way.way,
        explains=_not_sent(way) if at_sender else _not_taken(way),
    )


def _kept(way: WayView, node: str) -> str:
    vtep = way.case.vtep(node)
    name = vtep.ifname if vtep is not None else "flannel's device"
    return f"{name} kept its routes, neighbours and FDB entries"


def _no_route(way: WayView) -> Finding | None:
    """The uplink is up, and leads nowhere near the address that the peer rightly publishes."""
    crossing = way.crossing
    vxlan = crossing.vtep.vxlan if crossing is not None else None
    if crossing is None or vxlan is None or crossing.dst is None:
        return None
    dst, local, tables = crossing.dst, vxlan.local, way.sender_tables
    api_node = way.case.api_node(way.receiver)
    own = api_node is not None and dst in api_node.internal_ips
    if not own or (local is not None and not tables.has_address(local)):
        return None
    if tables.route(dst, src=local).kind != "none":
        return None
    below = tables.link(vxlan.underlay_ifindex)
    return Finding(
        rule="uplink-down",
        severity=Severity.ERROR,
        node=way.sender,
        device=below.ifname if below is not None else None,
        sentence=f"{way.sender} has no route to {dst}, the address of {way.receiver}.",
        evidence=(*_route_evidence(way, way.sender, dst, local), *proof.kernel(way)),
        hits=f"everything that {way.sender} sends to pods of {way.receiver}, and of every node"
        " behind the same route",
        fix=(
            f"give {way.sender} its route to {dst} back, with the tool that keeps the uplink's"
            " configuration; see what is there:",
            remedies.on(way.sender, "ip route show table all"),
            remedies.on(way.sender, "ip rule"),
        ),
        confirm=_route_get(way.sender, dst, local),
        useless=("restarting flannel: it writes routes to pods, none to nodes",),
        way=way.way,
        explains=_not_sent(way),
    )


def _published(way: WayView, node: str) -> Ip | None:
    return (way.sender_lease if node == way.sender else way.receiver_lease).public_ip


def _route_evidence(
    way: WayView, node: str, peer: Ip | None, local: Ip | None
) -> tuple[Evidence, ...]:
    if peer is None:
        return ()
    answer = way.case.tables(node).route(peer, src=local)
    return (
        (Evidence(label="route", value="none", source=f"{node} routes to {peer}"),)
        if answer.kind == "none"
        else ()
    )


def _route_get(node: str, peer: Ip | None, local: Ip | None) -> tuple[str, ...]:
    if peer is None:
        return ()
    source = f" from {shlex.quote(local)}" if local is not None else ""
    return (remedies.on(node, f"ip route get {shlex.quote(peer)}{source}"),)


def _not_sent(way: WayView) -> bool:
    """They ended on the sender, before or at the uplink, for want of a way out."""
    end = way.end
    if end is None or not end.on(way.sender):
        return end is not None and end.place is None and not way.from_pod
    if end.freed("IP_OUTNOROUTES"):
        return True
    if end.freed("IP_INNOROUTES", "NEIGH_FAILED", "QDISC_DROP"):
        return way.crossing is None or end.on(way.sender, Device.UPLINK)
    return end.lost_at(way.sender, Device.VTEP, Direction.OUT) or end.lost_at(
        way.sender, Device.UPLINK, Direction.OUT
    )


def _not_taken(way: WayView) -> bool:
    """They left the sender, or waited for the receiver's MAC, and nobody took them."""
    end = way.end
    if end is None or not end.on(way.sender, Device.UPLINK):
        return False
    return end.freed("NEIGH_FAILED") or end.outcome is Outcome.LOST
