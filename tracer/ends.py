"""From words to the two ends of a trace: which pod or node, with which address, on which node."""

from __future__ import annotations

import ipaddress

from tracer.collect.kube import NAME, pod_name
from tracer.core.leases import leases
from tracer.errors import NotFound, UsageError
from tracer.model.cluster import ClusterState, Pod
from tracer.model.request import End, EndKind

NODE_PREFIX = "node/"


def pods_wanted(words: tuple[str, str], namespace: str) -> tuple[tuple[str, str], ...]:
    """(namespace, name) of the pods among the two words. UsageError for nonsense."""
    wanted = []
    for word in words:
        if word.startswith(NODE_PREFIX):
            if not NAME.fullmatch(word[len(NODE_PREFIX) :]):
                raise UsageError(
                    f"{word!r} cannot be a node",
                    where="the command line",
                    hint="nodes are node/NAME, pods [NAMESPACE/]NAME",
                )
        else:
            wanted.append(pod_name(word, namespace))
    return tuple(wanted)


def resolve(
    words: tuple[str, str], namespace: str, cluster: ClusterState, only: int | None = None
) -> tuple[End, End]:
    """Both ends, in one address family: `only` that one, else IPv4 where both have it.

    NotFound says honestly why an end has no address.
    """
    candidates = [_candidates(word, namespace, cluster) for word in words]
    for family in (4, 6) if only is None else (only,):
        pair = [
            next((end for end in ends if _family(end.ip) == family), None) for ends in candidates
        ]
        if pair[0] is not None and pair[1] is not None:
            return pair[0], pair[1]
    if only is not None:
        raise _without(only, words, candidates)
    raise NotFound(
        f"{words[0]} and {words[1]} have no address family in common",
        where="the Kubernetes API",
        hint="one is IPv4 only and the other IPv6 only: no packet can pass between them",
    )


def _without(family: int, words: tuple[str, str], candidates: list[list[End]]) -> NotFound:
    """Who has no address of the family that was asked for."""
    named = [
        word
        for word, ends in zip(words, candidates, strict=True)
        if all(_family(end.ip) != family for end in ends)
    ]
    has = "has" if len(named) == 1 else "have"
    return NotFound(
        f"{' and '.join(named)} {has} no IPv{family} address",
        where="the Kubernetes API",
        hint=f"leave out --family {family}; is the cluster dual stack?",
    )


def _candidates(word: str, namespace: str, cluster: ClusterState) -> list[End]:
    if word.startswith(NODE_PREFIX):
        return _node_ends(word[len(NODE_PREFIX) :], cluster)
    wanted = pod_name(word, namespace)
    for pod in cluster.pods:
        if (pod.namespace, pod.name) == wanted:
            return _pod_ends(pod)
    raise NotFound(
        f"pod {'/'.join(wanted)} does not exist",
        where="the Kubernetes API",
        hint="kubectl get pods -A shows what does",
    )


def _pod_ends(pod: Pod) -> list[End]:
    name = f"{pod.namespace}/{pod.name}"
    if pod.node is None or not pod.ips:
        raise NotFound(
            f"pod {name} has no {'node' if pod.node is None else 'address'}: phase {pod.phase}",
            where="the Kubernetes API",
            hint=f"kubectl -n {pod.namespace} describe pod {pod.name} says why it is not running",
        )
    if pod.phase in ("Succeeded", "Failed"):
        raise NotFound(
            f"pod {name} has ended: phase {pod.phase}; its address may belong to another pod now",
            where="the Kubernetes API",
            hint="trace a pod that runs",
        )
    return [
        End(kind=EndKind.POD, name=name, node=pod.node, ip=ip, host_network=pod.host_network)
        for ip in pod.ips
        if _family(ip) is not None
    ]


def _node_ends(name: str, cluster: ClusterState) -> list[End]:
    """A node's flannel addresses: the first of each pod CIDR (flannel vxlan_network.go)."""
    if name not in {node.name for node in cluster.nodes}:
        raise NotFound(
            f"node {name} does not exist", where="the Kubernetes API", hint="kubectl get nodes"
        )
    ends = []
    for lease in leases(cluster):
        if lease.node == name and lease.pod_cidr is not None:
            first = ipaddress.ip_network(lease.pod_cidr, strict=False).network_address
            ends.append(End(kind=EndKind.NODE, name=name, node=name, ip=str(first)))
    if not ends:
        raise NotFound(
            f"node {name} has no flannel address: it has no pod CIDR",
            where="the Kubernetes API",
            hint=f"kubectl get node {name} -o jsonpath='{{.spec.podCIDRs}}'",
        )
    return ends


def _family(ip: str) -> int | None:
    try:
        return ipaddress.ip_address(ip).version
    except ValueError:
        return None
