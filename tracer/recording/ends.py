"""From words to the two ends of a trace: which pod or node, with which address, on which node."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from msgspec import structs

from tracer.collect.kube import NAME, pod_name
from tracer.collect.kube_questions import Wanted
from tracer.core.leases import leases
from tracer.errors import NotFound, UsageError
from tracer.model.cluster import ClusterState, Pod, Service
from tracer.model.packet import Ip
from tracer.model.request import End, EndKind

NODE_PREFIX = "node/"
SERVICE_PREFIXES = ("svc/", "service/")
_ENDED = ("Succeeded", "Failed")
_API = "the Kubernetes API"


def wanted(words: tuple[str, str], namespace: str) -> Wanted:
    """What the API is to be asked for. UsageError for nonsense."""
    pods, services, addresses = [], [], []
    for word in words:
        ip = _ip(word)
        if ip is not None:
            addresses.append(ip)
        elif word.startswith(NODE_PREFIX):
            _check(word, word[len(NODE_PREFIX) :], "node")
        elif word.startswith(SERVICE_PREFIXES):
            services.append(_service_name(word, namespace))
        else:
            pods.append(pod_name(word, namespace))
    return Wanted(
        pods=tuple(dict.fromkeys(pods)),
        services=tuple(dict.fromkeys(services)),
        addresses=tuple(dict.fromkeys(addresses)),
    )


def resolve(
    words: tuple[str, str], namespace: str, cluster: ClusterState, only: int | None = None
) -> tuple[End, End]:
    """Both ends, in one address family: `only` that one, else IPv4 where both have it.

    Behind a Service, on two nodes where there is a choice. NotFound says honestly why an end
    has no address.
    """
    sources, destinations = (_candidates(word, namespace, cluster) for word in words)
    for apart in (True, False):
        for family in (4, 6) if only is None else (only,):
            for source in sources:
                for destination in destinations:
                    if (
                        _family(source.ip) == _family(destination.ip) == family
                        and (source.node != destination.node or not apart)
                    ):  # fmt: skip
                        return source, destination
    if only is not None:
        raise _without(only, words, [sources, destinations])
    raise NotFound(
        f"{words[0]} and {words[1]} have no address family in common",
        where=_API,
        hint="one is IPv4 only and the other IPv6 only: no packet can pass between them",
    )


def of_ends(cluster: ClusterState, ends: tuple[End, End]) -> ClusterState:
    """The same cluster with the pods at the two ends only: others were candidates."""
    names = {end.name for end in ends if end.kind is EndKind.POD}
    pods = tuple(pod for pod in cluster.pods if f"{pod.namespace}/{pod.name}" in names)
    return structs.replace(cluster, pods=pods)


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
        where=_API,
        hint=f"leave out --family {family}; is the cluster dual stack?",
    )


def _candidates(word: str, namespace: str, cluster: ClusterState) -> list[End]:
    ip = _ip(word)
    if ip is not None:
        return _ends_at(ip, cluster)
    if word.startswith(NODE_PREFIX):
        return _node_ends(word[len(NODE_PREFIX) :], cluster)
    if word.startswith(SERVICE_PREFIXES):
        name = _service_name(word, namespace)
        for service in cluster.services:
            if (service.namespace, service.name) == name:
                return _service_ends(service, cluster)
        raise NotFound(
            f"service {'/'.join(name)} does not exist", where=_API, hint="kubectl get services -A"
        )
    wanted_pod = pod_name(word, namespace)
    for pod in cluster.pods:
        if (pod.namespace, pod.name) == wanted_pod:
            return _pod_ends(pod)
    raise NotFound(
        f"pod {'/'.join(wanted_pod)} does not exist",
        where=_API,
        hint="kubectl get pods -A shows what does",
    )


def _pod_ends(pod: Pod) -> list[End]:
    name = f"{pod.namespace}/{pod.name}"
    if pod.node is None or not pod.ips:
        raise NotFound(
            f"pod {name} has no {'node' if pod.node is None else 'address'}: phase {pod.phase}",
            where=_API,
            hint=f"kubectl -n {pod.namespace} describe pod {pod.name} says why it is not running",
        )
    if pod.phase in _ENDED:
        raise NotFound(
            f"pod {name} has ended: phase {pod.phase}; its address may belong to another pod now",
            where=_API,
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
        raise NotFound(f"node {name} does not exist", where=_API, hint="kubectl get nodes")
    ends = [end for end in _flannel_ends(cluster) if end.node == name]
    if not ends:
        raise NotFound(
            f"node {name} has no flannel address: it has no pod CIDR",
            where=_API,
            hint=f"kubectl get node {name} -o jsonpath='{{.spec.podCIDRs}}'",
        )
    return ends


def _flannel_ends(cluster: ClusterState) -> Iterator[End]:
    for lease in leases(cluster):
        if lease.pod_cidr is not None:
            first = ipaddress.ip_network(lease.pod_cidr, strict=False).network_address
            yield End(kind=EndKind.NODE, name=lease.node, node=lease.node, ip=str(first))


def _service_ends(service: Service, cluster: ClusterState) -> list[End]:
    """The pods behind a Service that are ready, by the addresses that it sends to."""
    name = f"service {service.namespace}/{service.name}"
    slices = f"-n {service.namespace} get endpointslices"
    hint = f"kubectl {slices} -l kubernetes.io/service-name={service.name}"
    if not service.endpoints:
        raise NotFound(f"nothing behind {name} is ready", where=_API, hint=hint)
    pods = [pod for pod in cluster.pods if set(pod.ips) & set(service.endpoints)]
    ends = [end for pod in pods for end in _pod_ends(pod) if end.ip in service.endpoints]
    if not ends:
        raise NotFound(
            f"no pod stands behind {name}: {', '.join(service.endpoints[:3])}",
            where=_API,
            hint=hint,
        )
    return ends


def _ends_at(ip: Ip, cluster: ClusterState) -> list[End]:
    """Whose address it is: a pod's, a node's (flannel's or its own), or a Service's.

    A node's own address is its hostNetwork pods' too, of which none is meant.
    """
    pods = [pod for pod in cluster.pods if ip in pod.ips and not pod.host_network]
    running = [pod for pod in pods if pod.phase not in _ENDED]
    for pod in running or pods:
        return [end for end in _pod_ends(pod) if end.ip == ip]
    for end in _flannel_ends(cluster):
        if end.ip == ip:
            return [end]
    for node in cluster.nodes:
        if ip in (*node.internal_ips, *node.external_ips):
            name = node.name
            return [End(kind=EndKind.NODE, name=name, node=name, ip=ip, host_network=True)]
    for service in cluster.services:
        if ip in service.cluster_ips:
            return _service_ends(service, cluster)
    raise NotFound(
        f"{ip} is no pod's, no node's and no Service's address",
        where=_API,
        hint="kubectl get pods,services -A -o wide shows whose addresses there are",
    )


def _service_name(word: str, namespace: str) -> tuple[str, str]:
    """`svc/[NAMESPACE/]NAME` -> (namespace, name)."""
    space, slash, name = word.partition("/")[2].rpartition("/")
    for part in (space, name) if slash else (name,):
        _check(word, part, "service")
    return (space if slash else namespace), name


def _check(word: str, name: str, kind: str) -> None:
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{word!r} cannot be a {kind}",
            where="the command line",
            hint="pods are [NAMESPACE/]NAME, nodes node/NAME, Services svc/[NAMESPACE/]NAME",
        )


def _ip(word: str) -> Ip | None:
    """A word that is an address; a pod of such a name is meant by NAMESPACE/NAME."""
    try:
        return str(ipaddress.ip_address(word))
    except ValueError:
        return None


def _family(ip: str) -> int | None:
    try:
        return ipaddress.ip_address(ip).version
    except ValueError:
        return None
