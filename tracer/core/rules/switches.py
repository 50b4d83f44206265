"""Switches of the kernel besides forwarding: the reverse path filter, and br_netfilter."""

from collections.abc import Iterator
from typing import NamedTuple

from tracer.core.case import WayView
from tracer.core.compare import route_text
from tracer.core.end import WayEnd
from tracer.core.reverse_path import filter_mode, filtered_out, way_back
from tracer.core.rules import proof, remedies
from tracer.core.rules.direct import routed_directly_by
from tracer.core.tables import Tables
from tracer.core.views import NodeView
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device, Direction
from tracer.model.packet import Ip
from tracer.model.state import Link, NodeState

STEP = Step.DROPS

NF_CALL = "net.bridge.bridge-nf-call-iptables"
KUBE_PROXY = ("KUBE-SERVICES", '"kube-proxy"')
"""Its chain in iptables, its table in nftables."""
IPVS_DEVICE = "kube-ipvs0"
MODES = {1: "strict (1)", 2: "loose (2)"}


class Entry(NamedTuple):
    """Where packets of a way come in on a node, as the filter there sees them."""

    node: str
    device: Device
    link: Link
    src: Ip
    dst: Ip


def rp_filter(way: WayView) -> Finding | None:
    """A node's reverse path filter refuses packets whose answer would leave by another device.

    Strict (1) wants the very device that the packet came in by: right with symmetric tables, and
    a drop without a word to the sender where a route leads elsewhere.
    """
    if way.case.family == 6 or not way.crosses or routed_directly_by(way) is not None:
        return None
    for entry in _entries(way):
        tables = way.case.tables(entry.node, "routes", "rules", "links")
        if filtered_out(tables, entry.link, entry.src, entry.dst):
            return _refused(way, entry, tables)
    return None


def _entries(way: WayView) -> Iterator[Entry]:
    """The inner packet on the receiver's VTEP and on the sender's bridge, the outer one on the
    receiver's uplink. What came in there bare is another rule's affair.
    """
    vtep, direct = way.receiver_vtep, way.crossing is None and way.route.kind == "unicast"
    if vtep is not None and not direct:
        yield Entry(way.receiver, Device.VTEP, vtep, way.src, way.dst)
    bridge = way.sender_tables.bridge() if way.from_pod else None
    if bridge is not None:
        yield Entry(way.sender, Device.BRIDGE, bridge, way.src, way.dst)
    crossing = way.crossing
    local = crossing.vtep.vxlan.local if crossing is not None and crossing.vtep.vxlan else None
    if crossing is None or local is None or crossing.dst is None:
        return
    tables = way.receiver_tables
    for address in tables.state.addresses:
        uplink = tables.link(address.ifindex)
        if address.ip == crossing.dst and uplink is not None:
            yield Entry(way.receiver, Device.UPLINK, uplink, local, crossing.dst)


def _refused(way: WayView, entry: Entry, tables: Tables) -> Finding:
    node, ifname, back = entry.node, entry.link.ifname, way_back(tables, entry.src, entry.dst)
    mode, name = filter_mode(tables, entry.link)
    out = tables.link(back.route.ifindex) if back.route is not None else None
    leads = f"leads by {out.ifname}" if out is not None else "is not there"
    own = f"net.ipv4.conf.{ifname.replace('.', '/')}.rp_filter"
    return Finding(
        rule="rp-filter",
        severity=Severity.ERROR,
        node=node,
        device=ifname,
        sentence=f"{node} refuses packets from {entry.src} at {ifname}: its own way back to"
        f" {entry.src} {leads}, and rp_filter is {MODES.get(mode, str(mode))}.",
        evidence=(
            Evidence(label="sysctl", value=str(mode), source=f"{node} {name}", differs=True),
            Evidence(
                label="way back",
                value=route_text(back, tables),
                source=f"{node} route to {entry.src}",
                differs=True,
            ),
            Evidence(label="came by", value=f"dev {ifname}", source=f"packets from {entry.src}"),
            *proof.kernel(way),
        ),
        hits=f"everything that comes in at {ifname} of {node} from addresses with that way back",
        fix=(
            f"repair the way back, which the answers need too; flanneld on {node} writes the peers'"
            " routes when it starts:",
            remedies.restart_flannel(way.case, node),
            "or, where two ways are wanted, make the filter loose:",
            # The larger of the two counts, so that this loosens every device.
            remedies.on(node, "sysctl -w net.ipv4.conf.all.rp_filter=2"),
        ),
        confirm=(
            remedies.on(node, f"ip route get {entry.src} from {entry.dst}"),
            remedies.on(node, f"sysctl net.ipv4.conf.all.rp_filter {own}"),
        ),
        useless=(f"setting {own} alone to 0: the larger of it and that of conf.all counts",),
        way=way.way,
        explains=way.end is not None and _ended_there(way.end, entry),
    )


def _ended_there(end: WayEnd, entry: Entry) -> bool:
    if not end.on(entry.node, entry.device) or end.outer is not (entry.device is Device.UPLINK):
        return False
    return end.freed("IP_RPFILTER") or end.lost_at(entry.node, entry.device, Direction.IN)


def br_netfilter_off(node: NodeView) -> Finding | None:
    """Bridged packets bypass iptables: a Service fails where client and endpoint share a node.

    The request is routed and its destination rewritten; the answer goes from port to port of the
    bridge, past conntrack, and comes from an address that the client never called.
    """
    tables = node.tables("links")
    bridge = tables.bridge()
    value = tables.sysctl(NF_CALL)
    why = next((gap.why for gap in node.state.not_read if gap.what == f"sysctl {NF_CALL}"), None)
    absent = value is None and why is not None and "No such file" in why
    if bridge is None or (value != "0" and not absent):
        return None
    services = _translates_services(node.state)
    said = "br_netfilter is not loaded" if absent else f"{NF_CALL} is 0"
    return Finding(
        rule="br-netfilter-off",
        severity=Severity.ERROR if services and _concerns(node) else Severity.WARNING,
        node=node.node,
        device=bridge.ifname,
        sentence=f"Packets that {bridge.ifname} of {node.node} bridges bypass iptables: {said}.",
        evidence=_bypass(node.node, "absent" if absent else "0", services),
        hits=f"pods of {node.node} that call a Service whose endpoint is on {node.node}, too; pods"
        " on other nodes are not hit",
        fix=(
            "load the module and switch it on, and keep both (/etc/modules-load.d, /etc/sysctl.d):"
            if absent
            else "switch it on, and keep it on in /etc/sysctl.d:",
            *((remedies.on(node.node, "modprobe br_netfilter"),) if absent else ()),
            remedies.on(node.node, f"sysctl -w {NF_CALL}=1"),
        ),
        confirm=(remedies.on(node.node, f"sysctl {NF_CALL}"),),
        useless=(
            "restarting flannel: from v0.26.0 on it looks whether the switch exists, and never at"
            " its value",
        ),
    )


def _bypass(node: str, value: str, services: str | None) -> tuple[Evidence, ...]:
    switch = Evidence(label="sysctl", value=value, source=f"{node} {NF_CALL}", differs=True)
    if services is None:
        return (switch,)
    return switch, Evidence(label="services", value=services, source=f"firewall of {node}")


def _concerns(node: NodeView) -> bool:
    """A check looks at all traffic; a trace between two nodes meets no Service of one node."""
    request = node.facts.bundle.request
    return request is None or request.source.node == request.destination.node


def _translates_services(state: NodeState) -> str | None:
    """What shows that kube-proxy rewrites the addresses of Services here; None: nothing does."""
    if any(link.ifname == IPVS_DEVICE for link in state.links):
        return IPVS_DEVICE
    for dump in state.firewall:
        for word in KUBE_PROXY:
            if word in dump.text:
                return word.strip('"')
    return None
