"""Pod CIDRs as Kubernetes gave them to nodes: none, or outside of flannel's network."""

from collections.abc import Iterator
from datetime import datetime

from tracer.core.case import MissingFact, WayView
from tracer.core.controller import controller_managers
from tracer.core.facts import Facts
from tracer.core.leases import NetConfRead
from tracer.core.rules import proof, remedies
from tracer.core.rules.allocation import (
    LIST,
    allocated_by,
    free_subnet,
    give_node_cidrs,
    handed_out,
    is_outside,
    named,
    pod_cidr_of,
    rejoin,
    subnets_left,
    tell_cluster_cidr,
)
from tracer.core.rules.edge import unsent
from tracer.core.rules.fingerprints import ended_unrouted
from tracer.core.views import ClusterView
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device, Direction
from tracer.model.packet import Ip, Net
from tracer.model.watch import Kind

STEP = Step.CLUSTER

SHOWN = 4
FRESH_S = 60
"""Seconds that a controller manager may take to give a node that joined its pod CIDR."""


def podcidr_not_assigned(view: ClusterView) -> Finding | None:
    """Kubernetes gave a node no pod CIDR, so flanneld does not start there.

    flanneld says "pod cidr not assigned" and ends; its DaemonSet starts it again and again. The
    node gets a VTEP that stays down and no subnet.env, its pods stay in ContainerCreating.
    """
    found = _all_unassigned(view)
    stopped = view.stopped_way(lambda way, _: _without_overlay(set(found), way))
    if stopped is None or view.facts.bundle.request is None:
        # Without a packet that ends for want of one: it may come any moment.
        wait = {one for one in found if _may_still_come(view, one)} - _wanting(view.facts)
        found = {name: one for name, one in found.items() if name not in wait}
    if not found:
        return None
    nodes = list(found)
    node, family = next(iter(found.items()))
    kind = "IPv6 " if family == 6 and len(_needed(view)) > 1 else ""
    return Finding(
        rule="podcidr-not-assigned",
        severity=Severity.ERROR,
        node=node,
        device=None,
        sentence=f"Kubernetes gave {named(nodes)} no {kind}pod CIDR; flanneld does not start"
        " without.",
        evidence=(
            *(_nothing_given(name) for name in nodes[:SHOWN]),
            *allocated_by(view.facts),
            *subnets_left(view.facts, family),
            *_flanneld(view, node, family),
            *(proof.kernel(stopped) if stopped is not None else ()),
        ),
        hits=f"all pods of {named(nodes)}: new ones do not start, old ones reach no other node",
        fix=give_node_cidrs(view.facts, node, free_subnet(view.facts, family)),
        confirm=(LIST,),
        useless=(
            f"restarting flanneld: it asks for spec.podCIDR of {node} and ends again",
            "editing net-conf.json: SubnetLen, SubnetMin and SubnetMax are not used where"
            " Kubernetes gives the subnets",
        ),
        way=stopped.way if stopped is not None else None,
        explains=stopped is not None,
    )


def _all_unassigned(view: ClusterView) -> dict[str, int]:
    """Nodes without a pod CIDR, and the first family that they lack."""
    return {
        node: family
        for node in sorted(view.spoken_of)
        for family in reversed(_needed(view))
        if _unassigned(view, node, family)
    }


def _nothing_given(node: str) -> Evidence:
    return Evidence(
        label="pod CIDR", value=proof.NONE, source=f"Node/{node} spec.podCIDR", differs=True
    )


def _needed(view: ClusterView) -> tuple[int, ...]:
    """Address families of the overlay; a trace speaks of its own one."""
    conf, request = view.facts.net_conf, view.facts.bundle.request
    if conf is None or conf.defect is not None:
        wanted = sorted({lease.family for lease in view.facts.leases})
    else:
        wanted = [f for f, on in ((4, conf.enable_ipv4), (6, conf.enable_ipv6)) if on]
    if request is None:
        return tuple(wanted)
    return tuple(f for f in wanted if (":" in request.destination.ip) is (f == 6))


def _unassigned(view: ClusterView, name: str, family: int) -> bool:
    """Not: a node that leaves, one that runs no flannel."""
    node, facts = view.facts.api_node(name), view.facts
    if node is None or node.deleting or any((":" in c) is (family == 6) for c in node.pod_cidrs):
        return False
    if facts.bundle.cluster.flannel_pods and facts.flannel_pod(name) is None:
        return False
    managed = any(lease.defect is None and lease.family == family for lease in facts.leases)
    return managed or facts.net_conf is not None


def _wanting(facts: Facts) -> set[str]:
    """Nodes for whose pods a watch sees packets, and nobody leases their addresses."""
    watched = facts.bundle.watched
    ends: set[Ip] = set()
    for one in watched.deviating if watched is not None else ():
        packet = facts.packet(one.seen) if one.kind is Kind.NO_LEASE else None
        if packet is not None and packet.inner is not None:
            ends |= {packet.inner.src, packet.inner.dst}
    pods = facts.bundle.cluster.pods
    return {pod.node for pod in pods if pod.node is not None and not ends.isdisjoint(pod.ips)}


def _may_still_come(view: ClusterView, name: str) -> bool:
    """It joined a moment ago, and nobody says that none is given."""
    node = view.facts.api_node(name)
    managers = controller_managers(view.cluster, view.facts.bundle.nodes.values())
    if managers and not any(one.allocate_node_cidrs for one in managers):
        return False
    try:
        age = datetime.fromisoformat(view.cluster.captured_at) - datetime.fromisoformat(
            (node.created if node is not None else None) or ""
        )
    except (ValueError, TypeError, OverflowError):
        return False
    return age.total_seconds() < FRESH_S


def _without_overlay(nodes: set[str], way: WayView) -> bool:
    """One of its ends is on such a node; no route leads there, or from there, nor a bridge."""
    if way.sender in nodes and way.end is not None and unsent(way, way.end):
        return True
    if {way.sender, way.receiver} & nodes and ended_unrouted(way):
        return True
    return way.receiver in nodes and _refused(way)


def _refused(way: WayView) -> bool:
    """A lease was published, and the device never set up."""
    end, vtep = way.end, way.receiver_vtep
    if end is None or not end.on(way.receiver, Device.UPLINK) or (vtep is not None and vtep.up):
        return False
    return end.freed("NO_SOCKET") or end.lost_at(way.receiver, Device.UPLINK, Direction.IN)


def _flanneld(view: ClusterView, node: str, family: int) -> Iterator[Evidence]:
    """What the node is like without it."""
    try:
        vtep = view.facts.vtep(node, family)
        value = "no device of flannel"
        if vtep is not None:
            value = f"{vtep.ifname} is there{'' if vtep.up else ', down'}"
        yield Evidence(label="device", value=value, source=f"{node} links")
    except MissingFact:
        pass
    pod = view.facts.flannel_pod(node)
    if pod is not None and pod.ready is False:
        yield Evidence(
            label="flanneld", value="not ready", source=f"pod {pod.namespace}/{pod.name}"
        )


def podcidr_outside_network(view: ClusterView) -> Finding | None:
    """A node's pod CIDR lies outside of the network that flannel is told.

    flanneld of v0.28 and later does not start there ("doesn't contain ... PodCIDR"); an older one,
    or one that has not started since, has rules for the wrong network.
    """
    conf = view.facts.net_conf
    outside = [
        lease
        for lease in view.facts.leases
        if lease.node in view.spoken_of and is_outside(lease, conf)
    ]
    if conf is None:
        return None
    if not outside:
        return _will_be_outside(view, conf)
    nodes = list(dict.fromkeys(lease.node for lease in outside))
    family = outside[0].family
    network = conf.network_v6 if family == 6 else conf.network
    stopped = view.stopped_way(lambda way, _: _without_overlay(set(nodes), way))
    whose = f"pod CIDR {outside[0].pod_cidr}" if len(nodes) == 1 else "pod CIDRs"
    return Finding(
        rule="podcidr-outside-network",
        severity=Severity.ERROR,
        node=nodes[0],
        device=None,
        sentence=f"The {whose} of {named(nodes)} {'lies' if len(nodes) == 1 else 'lie'} outside"
        f" of flannel's network {network}; flanneld does not start with that.",
        evidence=(
            Evidence(label="network", value=f"{network}", source=conf.source),
            *(pod_cidr_of(lease, odd=True) for lease in outside[:SHOWN]),
            *allocated_by(view.facts),
            *_flanneld(view, nodes[0], family),
            *(proof.kernel(stopped) if stopped is not None else ()),
        ),
        hits=f"all pods of {named(nodes)}, from the next start of flanneld there at the latest",
        fix=_one_network(view, nodes, network, family),
        confirm=(LIST,),
        useless=(
            "restarting flanneld: it reads the same two networks again",
            "editing spec.podCIDR of the Node: the API refuses to change it",
        ),
        way=stopped.way if stopped is not None else None,
        explains=stopped is not None,
    )


def _will_be_outside(view: ClusterView, conf: NetConfRead) -> Finding | None:
    """No node is hit yet; the next one that joins may be. A trace speaks of its own nodes only."""
    given = handed_out(view.facts, conf)
    if given is None or view.facts.bundle.request is not None:
        return None
    manager, cidr, network = given
    return Finding(
        rule="podcidr-outside-network",
        severity=Severity.WARNING,
        node=manager.node or view.nodes[0],
        device=None,
        sentence=f"kube-controller-manager gives pod CIDRs of {cidr}, and flannel's network is"
        f" {network}: a node that joins may get one that lies outside.",
        evidence=(
            Evidence(label="network", value=network, source=conf.source),
            *allocated_by(view.facts),
        ),
        hits="no node yet",
        fix=(
            f"let kube-controller-manager give pod CIDRs of {network}:",
            *tell_cluster_cidr(view.facts, network),
        ),
        confirm=(LIST,),
        useless=("restarting flanneld: it reads the same two networks again",),
    )


def _one_network(
    view: ClusterView, nodes: list[str], network: Net | None, family: int
) -> tuple[str, ...]:
    """The side with more nodes is right: changing the other is less work."""
    facts = view.facts
    leases = [lease for lease in facts.leases if lease.family == family and lease.pod_cidr]
    if len(nodes) * 2 > len(leases):
        return (
            "most nodes agree with Kubernetes and not with flannel: put Kubernetes' network"
            " (--cluster-cidr) into net-conf.json, and restart flannel everywhere:",
            remedies.edit_net_conf(facts),
            remedies.restart_all(facts),
        )
    return (
        f"let kube-controller-manager give pod CIDRs of {network}, then let {named(nodes)} join"
        f" again{f', each as {nodes[0]} here' if len(nodes) > 1 else ''}:",
        *tell_cluster_cidr(facts, network),
        *rejoin(facts, nodes[0]),
    )
