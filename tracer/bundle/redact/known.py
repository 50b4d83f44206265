"""What a recording tells before it is rewritten: its names, and its subnets."""

from collections.abc import Iterator
from ipaddress import ip_network

from tracer.bundle.redact.names import Names, Sort
from tracer.bundle.redact.trie import Network
from tracer.model.bundle import Bundle
from tracer.model.request import EndKind
from tracer.model.state import NodeState

_CONTROLLER = "kube-controller-manager"
"""A static pod's name is this one and its node's: the first half may stay."""


def learn(names: Names, bundle: Bundle) -> None:
    """All names that free text may hold: what was asked for first, then in the files' order."""
    asked = bundle.request
    ends = (asked.source, asked.destination) if asked is not None else ()
    for node in bundle.check.nodes if bundle.check is not None else ():
        names.meet(Sort.NODE, node)
    for end in ends:
        names.meet(Sort.NODE, end.node)
    for end in ends:
        namespace, slash, pod = end.name.rpartition("/")
        if slash and end.kind is not EndKind.NODE:
            names.meet(Sort.NAMESPACE, namespace)
            names.meet(Sort.POD, pod)
    _learn_cluster(names, bundle)
    nodes = [*bundle.nodes, *bundle.agents, *(state.node for state in bundle.nodes.values())]
    for node in (*nodes, *(trouble.node or "" for trouble in bundle.troubles)):
        names.meet(Sort.NODE, node)
    for state in bundle.nodes.values():
        _learn_state(names, state)


def _learn_cluster(names: Names, bundle: Bundle) -> None:
    cluster = bundle.cluster
    for node in cluster.nodes:
        names.meet(Sort.NODE, node.name)
    for pod in cluster.pods:
        names.meet(Sort.NODE, pod.node or "")
        names.meet(Sort.NAMESPACE, pod.namespace)
        names.meet(Sort.POD, pod.name)
    for own in cluster.flannel_pods:
        names.meet(Sort.NODE, own.node or "")
        names.meet(Sort.NAMESPACE, own.namespace)
        daemonset = own.daemonset or ""
        names.meet(Sort.DAEMONSET, daemonset)
        if daemonset and own.name.startswith(f"{daemonset}-"):
            names.like(Sort.POD, own.name, names.token(Sort.DAEMONSET, daemonset))
        names.meet(Sort.POD, own.name)
    for manager in cluster.controller_managers:
        names.meet(Sort.NODE, manager.node or "")
        name = manager.source.rpartition("/")[2]
        if name.startswith(f"{_CONTROLLER}-"):
            names.like(Sort.POD, name, _CONTROLLER)
            names.meet(Sort.POD, name)
    for service in cluster.services:
        names.meet(Sort.NAMESPACE, service.namespace)
        names.meet(Sort.POD, service.name)


def _learn_state(names: Names, state: NodeState) -> None:
    if names.word(state.hostname) is None:
        names.meet(Sort.HOST, state.hostname)
    for link in state.links:
        names.meet(Sort.DEVICE, link.ifname)


def subnets(bundle: Bundle) -> tuple[Network, ...]:
    """Subnets by the pods' CIDRs, the devices' prefixes and the routes."""
    found = (_network(text) for text in dict.fromkeys(_nets(bundle)))
    return tuple(net for net in found if net is not None)


def _nets(bundle: Bundle) -> Iterator[str]:
    for node in bundle.cluster.nodes:
        yield from node.pod_cidrs
    for state in bundle.nodes.values():
        for address in state.addresses:
            yield f"{address.ip}/{address.prefix_length}"
        for routes in (state.routes, *(pod.routes for pod in state.pods)):
            yield from (route.destination for route in routes)


def _network(text: str) -> Network | None:
    """None: a default route, a single address, or nonsense."""
    try:
        net = ip_network(text, strict=False)
    except ValueError:
        return None
    return net if 0 < net.prefixlen < net.max_prefixlen - 1 else None
