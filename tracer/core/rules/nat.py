"""Nodes behind a NAT: published by an address that does not lead to them."""

import shlex

from tracer.core.case import WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.datagrams import datagrams, vxlan_port
from tracer.core.rules.interface import routed, to_published
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device, Direction
from tracer.model.packet import Ip
from tracer.model.path import Outcome

STEP = Step.CLUSTER

NAT, CLOUD = "public-ip-nat", "cloud-sg-8472"
NODE_PUBLIC_IP = (
    "the annotation node-public-ip with the NAT's address: flannel looks for the interface that has"
    " it, finds none, and does not start"
)


def public_ip_nat(way: WayView) -> Finding | None:
    """A node behind a NAT is published by an address that does not lead to it.

    Its own private one, for want of public-ip-overwrite; or the NAT's, which does not hand VXLAN's
    UDP port on. The outer packet leaves the sender, and nothing comes in.
    """
    if not behind_nat(way):
        return None
    lease, crossing = way.receiver_lease, way.crossing
    lost = _vanished(way)
    if crossing is None or not (lost or (way.case.predicted and way.end is None)):
        return None
    translated = lease.public_ip_overwrite is not None
    if translated and not lost:
        # That a NAT hands on what it should stands in no table.
        return None
    port = vxlan_port(way)
    return Finding(
        rule=NAT,
        severity=Severity.ERROR if lost else Severity.WARNING,
        node=way.receiver,
        device=None,
        sentence=_sentence(way, port, translated=translated),
        evidence=(*_published(way), *proof.kernel(way)),
        hits=f"every node that is not behind the same NAT and sends to {lease.pod_cidr}",
        fix=_let_through(way, port) if translated else overwrite(way, "name"),
        confirm=(
            remedies.show_annotations(way.receiver),
            remedies.on(way.receiver, f"tcpdump -ni any udp port {port}"),
        ),
        useless=(NODE_PUBLIC_IP, "restarting flannel: every entry is what the lease promises"),
        way=way.way,
        explains=lost or _in_doubt(way),
        also=(CLOUD,) if translated else (),
    )


def _sentence(way: WayView, port: int, *, translated: bool) -> str:
    address = way.receiver_lease.public_ip
    if translated:
        return (
            f"{way.receiver} is published as {address}, the address of a NAT, and what"
            f" {way.sender} sends there to udp {port} does not come in."
        )
    return (
        f"{way.receiver} is behind a NAT and publishes its private address, {address}: it has no"
        " public-ip-overwrite."
    )


def behind_nat(way: WayView) -> bool:
    """The receiver is published by the address of a NAT, or should be, as others are.

    Where a plain datagram to the next port arrives, the NAT is not what stops VXLAN.
    """
    crossing, lease = way.crossing, way.receiver_lease
    if crossing is None or crossing.dst is None or crossing.dst != lease.public_ip:
        return False
    if lease.public_ip_overwrite is not None:
        return crossing.dst == lease.public_ip_overwrite and datagrams(way)[1] is not True
    if not way.case.facts.hidden_by_nat(way.receiver, crossing.dst):
        return False
    route = to_published(way).route
    return route is not None and route.gateway is not None


def may_be_nat(way: WayView) -> bool:
    """No node is translated, but this one has an address outside, and is reached by a gateway.

    Clouds give such addresses to nodes that do not need them: a firewall is as likely.
    """
    lease = way.receiver_lease
    outside = _external_ips(way, way.receiver)
    if lease.public_ip_overwrite is not None or lease.public_ip in outside or not outside:
        return False
    route = to_published(way).route
    return route is not None and route.gateway is not None


def _in_doubt(way: WayView) -> bool:
    """By the tables nobody knows whether they arrive: a gateway takes them away."""
    return any(path.outcome is Outcome.UNKNOWN for path in way.paths)


def _vanished(way: WayView) -> bool:
    end = way.end
    return end is not None and end.outer and end.lost_at(way.sender, Device.UPLINK, Direction.OUT)


def _external_ips(way: WayView, name: str) -> list[Ip]:
    node = way.case.api_node(name)
    ips = node.external_ips if node is not None else ()
    return [ip for ip in ips if (":" in ip) is (way.case.family == 6)]


def _published(way: WayView) -> tuple[Evidence, ...]:
    """What it publishes, what it is known by outside, and what others do."""
    lease = way.receiver_lease
    prefix = remedies.annotation_prefix(lease)
    name = f"{prefix}{'public-ipv6' if lease.family == 6 else 'public-ip'}-overwrite"
    rows = [
        Evidence(
            label="advertised",
            value=lease.public_ip or proof.NONE,
            source=remedies.public_ip_of(lease),
            differs=lease.public_ip_overwrite is None,
        ),
        Evidence(
            label="overwrite",
            value=lease.public_ip_overwrite or proof.NONE,
            source=f"Node/{way.receiver} {name}",
        ),
    ]
    rows += [
        Evidence(label="ExternalIP", value=ip, source=f"Node/{way.receiver} status.addresses")
        for ip in _external_ips(way, way.receiver)
    ]
    others = (one for one in way.case.leases if one.node != way.receiver)
    peer = next((one for one in others if one.public_ip_overwrite is not None), None)
    if peer is not None and lease.public_ip_overwrite is None:
        value = peer.public_ip_overwrite or proof.NONE
        rows.append(Evidence(label="elsewhere", value=value, source=f"Node/{peer.node} {name}"))
    return (*rows, routed(way, to_published(way)))


def overwrite(way: WayView, verb: str) -> tuple[str, ...]:
    """How a node behind a NAT is published; the sentence begins with `verb`."""
    lease = way.receiver_lease
    key = remedies.annotation_prefix(lease) + (
        "public-ipv6-overwrite" if lease.family == 6 else "public-ip-overwrite"
    )
    outside = next(iter(_external_ips(way, way.receiver)), "ADDRESS")
    return (
        f"{verb} the address by which other nodes reach {way.receiver}, and restart flanneld"
        " there:",
        f"kubectl annotate node {way.receiver} --overwrite {key}={shlex.quote(outside)}",
        remedies.restart_flannel(way.case, way.receiver),
    )


def _let_through(way: WayView, port: int) -> tuple[str, ...]:
    lease = way.receiver_lease
    return (
        f"let the NAT hand udp {port} of {lease.public_ip} on to {way.receiver}, whoever sends it,"
        " and let the firewalls on both sides pass it",
    )
