"""Addresses that nodes publish and peers cannot reach: those of another interface."""

import shlex

from tracer.core.case import WayView
from tracer.core.compare import route_text
from tracer.core.routes import RouteAnswer
from tracer.core.rules import proof, remedies
from tracer.core.rules.fingerprints import left_for_nobody
from tracer.core.rules.publicip import twins
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.packet import Ip
from tracer.model.state import Address, Link

STEP = Step.CLUSTER

ONCE = "changing default routes or addresses and no more: flanneld chooses once, at its start"


def wrong_interface(way: WayView) -> Finding | None:
    """A node publishes the address of an interface that its peers cannot reach.

    flanneld takes the first of --iface that exists, else the interface of the first default route
    that the kernel lists (ip/iface.go), which is that of the lowest metric, and chooses once, at
    its start. Peers without a route to that address fail in vxlan_xmit_one: IP_OUTNOROUTES.
    """
    crossing, inside = way.crossing, _of_other_interface(way)
    if crossing is None or inside is None:
        return None
    lease, answer = way.receiver_lease, to_published(way)
    unrouted = answer.kind != "unicast"
    stops = _ended_on_underlay(way, unrouted, inside)
    if not stops and not unrouted and not _doubtful(way, answer):
        return None
    device, whose = _device_and_words(way)
    return Finding(
        rule="wrong-interface",
        severity=Severity.ERROR if stops or unrouted else Severity.WARNING,
        node=way.receiver,
        device=device,
        sentence=f"{way.receiver} publishes {lease.public_ip}, {whose}, and"
        f" {way.sender} {'has no route to it' if unrouted else 'does not reach it'}.",
        evidence=(
            *_addresses(way, inside),
            routed(way, answer),
            *proof.kernel(way),
        ),
        hits=f"what every node without a way to {lease.public_ip} sends to {lease.pod_cidr}",
        fix=_choose(way, inside),
        confirm=(
            remedies.show_annotations(way.receiver),
            remedies.on(way.receiver, f"ip -d link show {crossing.vtep.ifname}"),
            remedies.on(way.sender, f"ip route get {inside}"),
        ),
        useless=(
            "correcting the annotation by hand: flanneld publishes the other address again at its"
            " next start",
            ONCE,
            remedies.CNI_FILES,
        ),
        way=way.way,
        explains=stops,
    )


def _device_and_words(way: WayView) -> tuple[str | None, str]:
    """The interface that has the published address, and what to say of the address."""
    holder = _holder(way, way.receiver_lease.public_ip)
    if holder is None or way.receiver in way.case.facts.assumed:
        return None, "no InternalIP of it"
    return holder[1].ifname, f"the address of its {holder[1].ifname}"


def published_elsewhere(way: WayView) -> bool:
    """The published address is another interface's, and in no network of the sender's VTEP."""
    return _of_other_interface(way) is not None and _foreign(way, to_published(way))


def _of_other_interface(way: WayView) -> Ip | None:
    """The node's InternalIP, if it publishes another address of its own, of another interface."""
    crossing, lease = way.crossing, way.receiver_lease
    if crossing is None or crossing.dst is None or crossing.dst != lease.public_ip:
        return None
    if lease.public_ip_overwrite is not None or not way.receiver_tables.has_address(crossing.dst):
        return None
    internal = _internal_ips(way, way.receiver)
    if not internal or lease.public_ip in internal:
        return None
    if twins(way) or way.sender_tables.has_address(crossing.dst):
        # Published by several: another rule.
        return None
    published, known = _holder(way, lease.public_ip), _holder(way, internal[0])
    if published is not None and known is not None and published[1].ifindex == known[1].ifindex:
        return None
    return internal[0]


def _internal_ips(way: WayView, name: str) -> list[Ip]:
    node = way.case.api_node(name)
    ips = node.internal_ips if node is not None else ()
    return [ip for ip in ips if (":" in ip) is (way.case.family == 6)]


def _holder(way: WayView, ip: Ip | None) -> tuple[Address, Link] | None:
    """The receiver's interface that has an address."""
    tables = way.receiver_tables
    for address in tables.state.addresses:
        link = tables.link(address.ifindex)
        if address.ip == ip and link is not None:
            return address, link
    return None


def to_published(way: WayView) -> RouteAnswer:
    """What the sender's routes say to an outer packet for the published address."""
    vtep = way.sender_vtep
    local = vtep.vxlan.local if vtep is not None and vtep.vxlan is not None else None
    return way.sender_tables.route(way.receiver_lease.public_ip or "", src=local)


def routed(way: WayView, answer: RouteAnswer) -> Evidence:
    """That answer, as a line of evidence."""
    return Evidence(
        label="route",
        value=route_text(answer, way.sender_tables),
        source=f"{way.sender} to {way.receiver_lease.public_ip}",
        differs=answer.kind != "unicast",
    )


def _foreign(way: WayView, answer: RouteAnswer) -> bool:
    """The address is in no network that the sender's own VTEP stands in."""
    vtep = way.sender_vtep
    below = vtep.vxlan.underlay_ifindex if vtep is not None and vtep.vxlan is not None else None
    route = answer.route
    return route is None or route.gateway is not None or route.ifindex != below


def _ended_on_underlay(way: WayView, unrouted: bool, inside: Ip) -> bool:
    """The outer packet could not leave, or nobody answered for its destination, or it was lost."""
    end, vtep, tables = way.end, way.sender_vtep, way.sender_tables
    if end is None or vtep is None or vtep.vxlan is None or not left_for_nobody(way):
        return False
    local = vtep.vxlan.local
    if local is not None and not tables.has_address(local):
        # The sender cannot send at all: another rule.
        return False
    if end.freed("NEIGH_FAILED"):
        return True
    if unrouted:
        # Without a route to the other nodes' network either, it is the sender's uplink.
        return tables.route(inside, src=local).kind == "unicast"
    return end.outer and _foreign(way, to_published(way))


def _doubtful(way: WayView, answer: RouteAnswer) -> bool:
    """By the tables it may not be reached: it is another network's, and other nodes publish their

    InternalIP. Where packets were sent and none was lost, a router knows the way.
    """
    if not way.case.predicted or not _foreign(way, answer):
        return False
    others = (lease for lease in way.case.leases if lease.node != way.receiver)
    return any(lease.public_ip in _internal_ips(way, lease.node) for lease in others)


def _addresses(way: WayView, inside: Ip) -> tuple[Evidence, ...]:
    lease = way.receiver_lease
    rows = [
        Evidence(
            label="advertised",
            value=lease.public_ip or proof.NONE,
            source=remedies.public_ip_of(lease),
            differs=True,
        ),
        Evidence(label="InternalIP", value=inside, source=f"Node/{way.receiver} status.addresses"),
    ]
    for ip in (lease.public_ip, inside):
        holder = _holder(way, ip)
        if holder is not None:
            address, link = holder
            value = f"{address.ip}/{address.prefix_length}"
            rows.append(
                Evidence(label="actual", value=value, source=f"{way.receiver} link {link.ifname}")
            )
    return tuple(rows)


def _choose(way: WayView, inside: Ip) -> tuple[str, ...]:
    lease = way.receiver_lease
    key = remedies.annotation_prefix(lease) + (
        "node-public-ipv6" if lease.family == 6 else "node-public-ip"
    )
    return (
        "tell flannel which interface joins the nodes (--iface, --iface-can-reach in the"
        " DaemonSet), or name this node's address (flannel v0.25.3 on), then restart it there:",
        f"kubectl annotate node {way.receiver} --overwrite {key}={shlex.quote(inside)}",
        remedies.restart_flannel(way.case, way.receiver),
    )
