"""Pods that may send more than the tunnel takes."""

import shlex

from tracer.core.case import WayView
from tracer.core.routes import within
from tracer.core.rules import proof, remedies
from tracer.core.rules.neighbourhood import (
    largest_of_pods,
    largest_sent,
    overhead,
    room,
    uplink_below,
)
from tracer.core.tables import SUBNET_ENV
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device
from tracer.model.state import Link

STEP = Step.DROPS

DELEGATES = "/var/lib/cni/flannel"
PROMISED = 50
"""Bytes that flannel takes off the uplink's MTU, in both families (vxlan_network.go:47)."""


def pod_mtu_too_big(way: WayView) -> Finding | None:
    """Pods may send larger packets than the tunnel, or the bridge at its other end, takes.

    ip_forward frees what is larger and may not be fragmented (PKT_TOO_BIG), and says so by ICMP.
    Where that ICMP gets lost, connections hang as soon as they send in full size. Pods that another
    CNI made have that one's MTU, which is the least of their troubles (other-cni-config).
    """
    crossing = way.crossing
    if crossing is None or not way.from_pod or _of_other_cni(way) or _clamped(way) is not None:
        return None
    sent = largest_of_pods(way.sender_tables, way.source, way.case.state(way.sender))
    if sent is None:
        return None
    if sent[0] > crossing.vtep.mtu:
        return _too_big(way, way.sender, crossing.vtep, sent)
    bridge = way.receiver_tables.bridge()
    if not way.to_pod or bridge is None or sent[0] <= bridge.mtu or not _comes_in(way):
        return None
    return _too_big(way, way.receiver, bridge, sent)


def _of_other_cni(way: WayView) -> bool:
    """The sender's pod has an address that no lease gave it."""
    cidr = way.case.lease(way.sender).pod_cidr
    return cidr is not None and not within(way.source.ip, cidr)


def _comes_in(way: WayView) -> bool:
    """The receiver's uplink takes the sender's largest packets; else they do not get so far."""
    uplink, largest = uplink_below(way.case, way.receiver), largest_sent(way.case, way.sender)
    return uplink is None or largest is None or largest <= uplink.mtu


def _too_big(way: WayView, node: str, narrow: Link, sent: tuple[int, str]) -> Finding:
    size, whose = sent
    at_sender = node == way.sender
    return Finding(
        rule="pod-mtu-too-big",
        severity=Severity.ERROR,
        node=node,
        device=narrow.ifname,
        sentence=f"Pods of {way.sender} send up to {size} B at once, and {narrow.ifname} on {node}"
        f" takes {narrow.mtu} B.",
        evidence=(
            Evidence(label="pods", value=f"{size}", source=f"mtu of {whose}", differs=at_sender),
            Evidence(
                label="takes",
                value=f"{narrow.mtu}",
                source=f"mtu of {node} link {narrow.ifname}",
                differs=not at_sender,
            ),
            *_made_with(way),
            *proof.kernel(way),
        ),
        hits=f"packets of more than {narrow.mtu} B from pods of {way.sender}; the ICMP answer makes"
        " senders try smaller ones, and where it is filtered they hang (TLS handshakes, uploads)",
        fix=_make_pods_anew(way, node, narrow),
        confirm=(
            remedies.on(node, f"ip link show {narrow.ifname}"),
            remedies.on(node, f"grep FLANNEL_MTU {SUBNET_ENV}"),
        ),
        useless=(
            "restarting flannel: it writes subnet.env and makes flannel.1; pods and cni0 keep the"
            " MTU that they were made with",
            *(
                ("setting cni0's MTU by hand: that of the pods counts, and the next pod undoes it",)
                if at_sender
                else ()
            ),
        ),
        way=way.way,
        explains=_too_big_for(way, node),
    )


def _made_with(way: WayView) -> tuple[Evidence, ...]:
    """What the sender's pods were made with, and what they would be made with now."""
    state, tables = way.case.state(way.sender), way.sender_tables
    lines = []
    container = (state.host_local.get(way.source.ip) or "").partition("\n")[0].strip()
    text = state.files.get(f"{DELEGATES}/{container}") or ""
    if (made := _number_after('"mtu":', text)) is not None:
        where = f"mtu in {way.sender} {DELEGATES}/{container[:12]}..."
        lines.append(Evidence(label="made with", value=made, source=where))
    if (now := tables.subnet_env.get("FLANNEL_MTU")) is not None:
        where = f"FLANNEL_MTU in {way.sender} {SUBNET_ENV}"
        lines.append(Evidence(label="promised", value=now, source=where))
    return tuple(lines)


def _number_after(key: str, text: str) -> str | None:
    """The digits behind a key of compact JSON. No parser: what a node's file holds is anybody's."""
    _, found, rest = text.replace(" ", "").partition(key)
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return digits if found and digits else None


def _make_pods_anew(way: WayView, node: str, narrow: Link) -> tuple[str, ...]:
    vtep = way.receiver_vtep
    if node == way.receiver and vtep is not None:
        return (
            f"give {narrow.ifname} the MTU of {vtep.ifname}, and make the pods of {node} anew:",
            remedies.on(node, f"ip link set {narrow.ifname} mtu {vtep.mtu}"),
            *_pods_anew(way, node),
        )
    allow = "iptables -I OUTPUT -p icmp --icmp-type fragmentation-needed -j ACCEPT"
    if way.case.family == 6:
        allow = "ip6tables -I OUTPUT -p icmpv6 --icmpv6-type packet-too-big -j ACCEPT"
    return (
        f"make the pods of {node} anew: they get FLANNEL_MTU, and {narrow.ifname} fits it; until"
        " then see that the ICMP answers pass:",
        *_pods_anew(way, node),
        remedies.on(node, allow),
    )


def _pods_anew(way: WayView, node: str) -> tuple[str, ...]:
    end = way.source if node == way.sender else way.destination
    if end.assumed:
        return (f"kubectl drain {node} --ignore-daemonsets", f"kubectl uncordon {node}")
    namespace, _, name = end.name.partition("/")
    return (f"kubectl -n {shlex.quote(namespace)} delete pod {shlex.quote(name)}",)


def _too_big_for(way: WayView, node: str) -> bool:
    """Freed by ip_forward as it was to leave by the narrow device.

    IPv4 still counts it to the device by which it came, IPv6 to that by which it would go.
    """
    end = way.end
    if end is None or end.outer or not end.freed("PKT_TOO_BIG"):
        return False
    return end.on(node, Device.BRIDGE, Device.VTEP)


def ipv6_underlay_mtu_70(way: WayView) -> Finding | None:
    """VXLAN over IPv6 takes 70 bytes off the uplink's MTU, and flannel told the pods 50.

    The kernel makes flannel-v6.1 smaller than flannel asked for, without a word; pods and cni0 get
    what flannel wrote to subnet.env. Full-sized packets end in ip6_forward: PKT_TOO_BIG.
    """
    found = _clamped(way)
    if found is None:
        return None
    explains = _too_big_for(way, way.sender)
    first = way.case.ways[0]
    if not explains and way is not first and _clamped(first) is not None:
        # One cause on all nodes: it was said of the request's sender.
        return None
    return _seventy(way, *found, explains=explains)


def _seventy(
    way: WayView, vtep: Link, uplink: Link, sent: tuple[int, str], *, explains: bool
) -> Finding:
    size, whose = sent
    fitting = uplink.mtu - (overhead(way.case) - PROMISED)
    return Finding(
        rule="ipv6-underlay-mtu-70",
        severity=Severity.ERROR,
        node=way.sender,
        device=vtep.ifname,
        sentence=f"Pods of {way.sender} send up to {size} B at once, and over IPv6 {vtep.ifname}"
        f" takes {vtep.mtu} B: flannel took 50 B off for VXLAN, and it needs 70.",
        evidence=(
            Evidence(label="pods", value=f"{size}", source=f"mtu of {whose}", differs=True),
            Evidence(
                label="tunnel",
                value=f"{vtep.mtu}",
                source=f"mtu of {way.sender} link {vtep.ifname}: {uplink.ifname}'s {uplink.mtu}"
                " less 70",
            ),
            *_made_with(way),
            *proof.kernel(way),
        ),
        hits=f"packets of more than {vtep.mtu} B between pods of all nodes, by IPv6; the ICMPv6"
        " answer makes senders try smaller ones, and where it is filtered they hang",
        fix=(
            f"name {fitting} as Backend.MTU (flannel v0.21.3 on; the value is the outer MTU, less"
            " the 20 B that flannel does not know of), restart flannel, and make the pods anew:",
            remedies.edit_net_conf(way.case),
            remedies.restart_all(way.case),
            *_pods_anew(way, way.sender),
        ),
        confirm=(
            remedies.on(way.sender, f"grep FLANNEL_MTU {SUBNET_ENV}"),
            remedies.on(way.sender, f"ip link show {vtep.ifname}"),
        ),
        useless=(
            f"ip link set {vtep.ifname} mtu {size}: the kernel refuses it, Invalid argument",
            "restarting flannel alone: it takes 50 off again, and pods keep what they were made"
            " with",
        ),
        way=way.way,
        explains=explains,
    )


def _clamped(way: WayView) -> tuple[Link, Link, tuple[int, str]] | None:
    """(VTEP, uplink, the pods' MTU), where the pods have what flannel promised and no more."""
    crossing = way.crossing
    if way.case.family != 6 or crossing is None or not way.from_pod:
        return None
    uplink = uplink_below(way.case, way.sender)
    sent = largest_of_pods(way.sender_tables, way.source, way.case.state(way.sender))
    if uplink is None or sent is None or crossing.vtep.mtu != room(way.case, uplink):
        return None
    if not crossing.vtep.mtu < sent[0] <= uplink.mtu - PROMISED:
        return None
    return crossing.vtep, uplink, sent
