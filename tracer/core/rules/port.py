"""VXLAN devices that a node cannot have: somebody else holds the port, or the kernel has none."""

import shlex
from collections.abc import Iterator

from msgspec.structs import replace

from tracer.core.case import WayView
from tracer.core.end import WayEnd
from tracer.core.rules import proof, remedies
from tracer.core.rules.datagrams import DEFAULT_PORT
from tracer.core.rules.neighbourhood import holds_the_port
from tracer.core.views import NodeView
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device
from tracer.model.state import Link

STEP = Step.NODES

VXLAN = "vxlan"


def vxlan_port_taken(node: NodeView) -> tuple[Finding, ...]:
    """Another VXLAN device has flannel's UDP port on a node, and flannel.1 cannot come up.

    A leftover of another CNI, as a rule (cilium_vxlan, in external mode): its socket takes in what
    is meant for flannel.1. flanneld fails to set flannel.1 up, exits, and writes no peer's entries.
    With a device of flannel's own VNI it fails earlier: the kernel's EEXIST makes it look for a
    flannel.1 that is not there (device.go, ensureLink).
    """
    node.tables("links")
    conf = node.facts.net_conf
    vni, port = node.facts.vni, conf.port if conf is not None else DEFAULT_PORT
    for family in node.families:
        vtep = node.vtep(family)
        if vtep is not None and vtep.vxlan is not None:
            vni, port = vtep.vxlan.vni, vtep.vxlan.port
        holder = holds_the_port(node.state, vtep, vni, port, family)
        if holder is not None and (vtep is not None or _meant_to_have_one(node)):
            return tuple(_for_each_way(node, _taken(node, vtep, holder, port), holder))
    return ()


def _taken(node: NodeView, vtep: Link | None, holder: Link, port: int) -> Finding:
    name = vtep.ifname if vtep is not None else f"flannel.{node.facts.vni}"
    refusal, by_hand = "address already in use", f"ip link set {name} up"
    if vtep is None:
        refusal, by_hand = "Link not found", f"ip link add {name} type vxlan"
    mode = ", external" if holder.vxlan is not None and holder.vxlan.external else ""
    return Finding(
        rule="vxlan-port-taken",
        severity=Severity.ERROR,
        node=node.node,
        device=holder.ifname,
        sentence=f"{holder.ifname} on {node.node} has udp {port}, so that {name} cannot"
        f" {'come up' if vtep is not None else 'be made'}.",
        evidence=(
            Evidence(
                label="holds",
                value=f"udp {port}{mode}",
                source=f"{node.node} link {holder.ifname}, up",
                differs=True,
            ),
            Evidence(
                label="device",
                value="down" if vtep is not None else "missing",
                source=f"{node.node} link {name}",
            ),
            *_flanneld(node),
        ),
        hits=f"everything between pods of {node.node} and other nodes",
        fix=(
            f"take {holder.ifname} away, with what makes it at every boot (another CNI's DaemonSet"
            " or service), and restart flanneld:",
            remedies.on(node.node, f"ip link del {holder.ifname}"),
            remedies.restart_flannel(node.facts, node.node),
        ),
        confirm=(
            remedies.on(node.node, "ip -d link show type vxlan"),
            remedies.on(node.node, f"ss -lnu | grep {port}"),
        ),
        useless=(
            f"restarting flannel while {holder.ifname} is there: it fails again, `{refusal}`",
            f"{by_hand}: the kernel refuses it for the same reason",
            "removing the other CNI's files from /etc/cni/net.d: its devices stay until somebody"
            " deletes them, or until the next boot",
        ),
    )


def vxlan_module_missing(node: NodeView) -> tuple[Finding, ...]:
    """The kernel of a node has no VXLAN: neither built in, nor as a module.

    flanneld cannot make flannel.1 and exits: `operation not supported`. Some distributions keep the
    module in a package that is not installed by default.
    """
    node.tables("links")
    if node.state.vxlan_support != "missing" or not _meant_to_have_one(node):
        return ()
    if any(link.vxlan is not None for link in node.state.links):
        return ()
    return tuple(_for_each_way(node, _missing(node), None))


def _missing(node: NodeView) -> Finding:
    device = f"flannel.{node.facts.vni}"
    return Finding(
        rule="vxlan-module-missing",
        severity=Severity.ERROR,
        node=node.node,
        device=None,
        sentence=f"The kernel of {node.node} has no VXLAN, so flanneld cannot make {device} there.",
        evidence=(
            Evidence(
                label="vxlan",
                value="missing",
                source=f"{node.node} kernel {node.state.kernel}: not built in, no module",
                differs=True,
            ),
            Evidence(
                label="device",
                value="missing",
                source=f"{node.node} link {device}",
            ),
            *_flanneld(node),
        ),
        hits=f"everything between pods of {node.node} and other nodes",
        fix=(
            "install the package that has the module for this kernel, then load it and restart"
            " flanneld:",
            *(remedies.on(node.node, command) for command in _packages(node.state.kernel)),
            remedies.on(node.node, "modprobe vxlan"),
            remedies.restart_flannel(node.facts, node.node),
        ),
        confirm=(
            remedies.on(node.node, "modprobe -n -v vxlan"),
            remedies.on(node.node, "ip -d link show type vxlan"),
        ),
        useless=(
            "restarting flannel or the node: the module is not on the disk, whoever asks for it",
            f"ip link add {device} type vxlan by hand: `Unknown device type`",
        ),
    )


def _packages(kernel: str) -> tuple[str, ...]:
    """Where distributions keep the module, by the name of their kernel."""
    ubuntu = f"apt-get install linux-modules-extra-{shlex.quote(kernel)}"
    fedora = f"dnf install kernel-modules-extra-{shlex.quote(kernel)}"
    if kernel.endswith("-raspi"):
        return ("apt-get install linux-modules-extra-raspi",)
    if ".fc" in kernel or ".el" in kernel:
        return (fedora,)
    return (ubuntu,) if kernel.rpartition("-")[2].isalpha() else (ubuntu, fedora)


def _meant_to_have_one(node: NodeView) -> bool:
    """It published itself as a VXLAN node, or all nodes are meant to be."""
    types = {lease.backend_type for lease in node.leases} - {None}
    conf = node.facts.net_conf
    return VXLAN in types if types else conf is not None and conf.backend_type == VXLAN


def _flanneld(node: NodeView) -> tuple[Evidence, ...]:
    """That flanneld does not get through its start."""
    pod = node.facts.flannel_pod(node.node)
    if pod is None or pod.ready is not False:
        return ()
    return (
        Evidence(label="flanneld", value="not ready", source=f"pod {pod.namespace}/{pod.name}"),
    )


def _for_each_way(node: NodeView, finding: Finding, holder: Link | None) -> Iterator[Finding]:
    """The finding for each way that it stops; for none, if it stops none."""
    stopped = [
        way for way in node.ways if way.end is not None and _stops(node.node, holder, way, way.end)
    ]
    for way in stopped:
        evidence = (*finding.evidence, *proof.kernel(way))
        yield replace(finding, way=way.way, explains=True, evidence=evidence)
    if not stopped:
        yield finding


def _stops(node: str, holder: Link | None, way: WayView, end: WayEnd) -> bool:
    """Nothing gets into the tunnel on this node, and nothing out of it."""
    if not way.crosses or not end.on(node) or end.on(node, Device.POD):
        return False
    if node == way.sender:
        return not end.outer
    taken = holder is not None and end.place is not None and end.place.ifname == holder.ifname
    return taken or end.on(node, Device.UPLINK)
