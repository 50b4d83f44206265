"""Who gives pod CIDRs to nodes, how many are left, and how a node gets another."""

import shlex
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_network

from tracer.core.controller import MANIFEST, controller_managers
from tracer.core.facts import Facts
from tracer.core.leases import NetConfRead
from tracer.core.rules import proof, remedies
from tracer.core.rules.fingerprints import overlapping
from tracer.model.cluster import ControllerManager
from tracer.model.diagnosis import Evidence
from tracer.model.lease import Lease
from tracer.model.packet import Net

LIST = "kubectl get nodes -o custom-columns=NAME:.metadata.name,CIDR:.spec.podCIDRs"
"""Look at what every node has."""

TRIED = 4096
"""Subnets that are looked at for a free one."""


def pod_cidr_of(lease: Lease, *, odd: bool) -> Evidence:
    """A node's pod CIDR as evidence."""
    return Evidence(
        label="pod CIDR",
        value=lease.pod_cidr or proof.NONE,
        source=f"Node/{lease.node} spec.podCIDR",
        differs=odd,
    )


def named(nodes: list[str]) -> str:
    """`a`, `a and b`, `a, b and 3 more`."""
    if len(nodes) > 3:
        return f"{', '.join(nodes[:2])} and {len(nodes) - 2} more nodes"
    return " and ".join(filter(None, (", ".join(nodes[:-1]), nodes[-1])))


def allocated_by(facts: Facts) -> Iterator[Evidence]:
    """kube-controller-manager's two flags, once for each different pair."""
    seen = set()
    for one in _managers(facts):
        words = _flags(one)
        if words not in seen:
            seen.add(words)
            yield Evidence(
                label="allocation",
                value=words,
                source=one.source,
                differs=one.allocate_node_cidrs is not True,
            )


def is_outside(lease: Lease, conf: NetConfRead | None) -> bool:
    """The lease's pod CIDR is not in flannel's network."""
    if conf is None or lease.pod_cidr is None:
        return False
    network = conf.network_v6 if lease.family == 6 else conf.network
    return network is not None and not _contains(network, lease.pod_cidr)


def handed_out(facts: Facts, conf: NetConfRead) -> tuple[ControllerManager, Net, Net] | None:
    """Who gives pod CIDRs of a network that reaches beyond flannel's, and the two networks."""
    for one in _managers(facts):
        for cidr in one.cluster_cidrs if one.allocate_node_cidrs else ():
            network = conf.network_v6 if ":" in cidr else conf.network
            if network is not None and not _contains(network, cidr):
                return one, cidr, network
    return None


@lru_cache(maxsize=8192)
def _contains(network: Net, cidr: Net) -> bool:
    """As flannel's containsCIDR (kube.go) sees it. What is no network is another defect."""
    try:
        whole, part = ip_network(network), ip_network(cidr)
    except ValueError:
        return True
    return whole.prefixlen <= part.prefixlen and part.network_address in whole


def _managers(facts: Facts) -> tuple[ControllerManager, ...]:
    return controller_managers(facts.bundle.cluster, facts.bundle.nodes.values())


def _flags(one: ControllerManager) -> str:
    cidrs = ",".join(one.cluster_cidrs)
    given = [] if one.allocate_node_cidrs is None else [str(one.allocate_node_cidrs).lower()]
    words = [f"--allocate-node-cidrs={value}" for value in given]
    words += [f"--cluster-cidr={cidrs}"] if cidrs else []
    return " ".join(words) or "neither --allocate-node-cidrs nor --cluster-cidr"


def subnets_left(facts: Facts, family: int) -> tuple[Evidence, ...]:
    """Only what is worth a word: every subnet of the cluster's network is taken."""
    wanted = _size(facts, family)
    for one in _managers(facts):
        for cidr in one.cluster_cidrs:
            if (":" in cidr) is not (family == 6) or wanted is None:
                continue
            room = 1 << max(0, wanted - ip_network(cidr).prefixlen)
            taken = sum(overlapping(subnet, cidr) for subnet in facts.subnets)
            if taken >= room:
                value = f"{taken} of {room} subnets of /{wanted} are taken"
                return (Evidence(label="room", value=value, source=one.source, differs=True),)
    return ()


def _size(facts: Facts, family: int) -> int | None:
    """The prefix length of most nodes' pod CIDRs."""
    sizes = [ip_network(net).prefixlen for net in facts.subnets if (":" in net) is (family == 6)]
    return max(set(sizes), key=sizes.count) if sizes else None


def free_subnet(facts: Facts, family: int) -> Net | None:
    """The first subnet of flannel's network that no node has; None: none, or it is not known."""
    conf, size = facts.net_conf, _size(facts, family)
    network = (conf.network_v6 if family == 6 else conf.network) if conf is not None else None
    try:
        whole = ip_network(network or "")
    except ValueError:
        return None
    if size is None or size < whole.prefixlen:
        return None
    taken = [net for net in facts.subnets if (":" in net) is (family == 6)]
    for place, subnet in zip(range(TRIED), whole.subnets(new_prefix=size), strict=False):
        # The first one is left out, as flannel does where it draws subnets itself.
        if place and not any(overlapping(str(subnet), one) for one in taken):
            return str(subnet)
    return None


def give_node_cidrs(facts: Facts, node: str, free: Net | None) -> tuple[str, ...]:
    """Let the controller manager do it; by hand where that is not to be."""
    managers = _managers(facts)
    allocates = [one for one in managers if one.allocate_node_cidrs is True]
    conf = facts.net_conf
    network = ",".join(filter(None, (conf.network, conf.network_v6) if conf is not None else ()))
    lines: list[str] = []
    if managers and not allocates:
        lines.append("let kube-controller-manager give every node its pod CIDR:")
        lines += [
            f"${{EDITOR:-vi}} {MANIFEST}   # on {one.node or 'each control plane node'}:"
            f" --allocate-node-cidrs=true --cluster-cidr={shlex.quote(network or 'NETWORK')}"
            for one in managers
        ]
    else:
        lines += ["see why kube-controller-manager gives none:", _why_none(facts)]
    if free is not None:
        spec = f'{{"spec":{{"podCIDR":"{free}","podCIDRs":["{free}"]}}}}'
        lines += [
            f"or, where Kubernetes is not to give any, give {node} one that no node has:",
            f"kubectl patch node {node} -p '{spec}'",
        ]
    return (*lines, f"then restart flanneld on {node}:", remedies.restart_flannel(facts, node))


def _why_none(facts: Facts) -> str:
    if remedies.is_k3s(facts):
        return "journalctl -u k3s | grep -i cidr   # on each server"
    component = "-l component=kube-controller-manager"
    return f"kubectl -n kube-system logs {component} --tail=-1 | grep -i cidr"


def tell_cluster_cidr(facts: Facts, network: Net | None) -> tuple[str, ...]:
    """Correct --cluster-cidr where kube-controller-manager is told another one."""
    return tuple(
        f"${{EDITOR:-vi}} {MANIFEST}   # on {one.node or 'each control plane node'}:"
        f" --cluster-cidr={shlex.quote(network or 'NETWORK')}"
        for one in _managers(facts)
        if network not in one.cluster_cidrs
    )


def rejoin(facts: Facts, node: str) -> tuple[str, ...]:
    """Delete the Node and what was made with its old pod CIDR; the kubelet registers it again."""
    vtep = f"flannel.{facts.vni}"
    kubelet = remedies.RESTART_K3S if remedies.is_k3s(facts) else "systemctl restart kubelet"
    return (
        f"kubectl drain {node} --ignore-daemonsets --delete-emptydir-data",
        f"kubectl delete node {node}",
        remedies.on(
            node,
            f"ip link del cni0; ip link del {vtep}; rm -rf /var/lib/cni/networks/cbr0"
            " /run/flannel/subnet.env",
        ),
        remedies.on(node, kubelet),
        remedies.restart_flannel(facts, node),
    )
