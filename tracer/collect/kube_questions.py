"""What is asked of the API together: everything for a trace of two ends, everything for a check."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias, TypeVar

from tracer.collect.kube import Api
from tracer.collect.kube_services import Endpoint, ServiceObject
from tracer.errors import FlantraceError, NotFound, NotPermitted
from tracer.model.bundle import Trouble
from tracer.model.cluster import ClusterState, Node, Pod, Service
from tracer.model.packet import Ip
from tracer.model.record import Record

Part = TypeVar("Part")
Substitute = TypeVar("Substitute")
Name = tuple[str, str]
"""(namespace, name)."""

WORKERS = 6

MOST_STALE = 8
"""Pods of a Service that are asked for before it is said that they do not exist."""

_Behind: TypeAlias = tuple[Service, list[Pod]]


class Wanted(Record, frozen=True, kw_only=True):
    """What the ends of a trace were called."""

    pods: tuple[Name, ...] = ()
    services: tuple[Name, ...] = ()
    addresses: tuple[Ip, ...] = ()


def traced(api: Api, wanted: Wanted) -> tuple[ClusterState, tuple[Trouble, ...]]:
    """Everything that a trace needs, and what of it may not be read.

    `pods`: those that were named or have the addresses, and behind a Service two on two nodes where
    there are two. Services are asked for only where an end is named by one. NotFound: a name is no
    object's.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        parts = _Parts()
        pods = [pool.submit(api.pod, *name) for name in wanted.pods]
        behind = [pool.submit(_behind, api, name) for name in wanted.services]
        holders = [pool.submit(api.pods_at, ip) for ip in wanted.addresses]
        flannel = pool.submit(api.flannel_pods)
        net_conf = pool.submit(api.net_conf)
        nodes = api.nodes()
        found = [pod.result() for pod in pods]
        services: list[Service] = []
        for ip, holder in zip(wanted.addresses, holders, strict=True):
            at, service = _at(api, ip, holder.result(), nodes)
            found += at
            services += [service] if service is not None else []
        for one in behind:
            service, endpoints = one.result()
            services.append(service)
            found += endpoints
        cluster = ClusterState(
            captured_at=_now(),
            pods=tuple(dict.fromkeys(found)),
            nodes=nodes,
            flannel_pods=parts.read(flannel.result, (), only=NotPermitted),
            net_conf=parts.read(net_conf.result, None, only=NotPermitted),
            services=tuple(dict.fromkeys(services)),
            server=api.server,
        )
    return cluster, tuple(parts.troubles)


def everything(api: Api) -> tuple[ClusterState, tuple[Trouble, ...]]:
    """Everything that a check compares, and what of it could not be read.

    All nodes and all pods, those of flannel and of kube-controller-manager among them. What RBAC
    forbids is a trouble; CollectFailed: the API server gives no nodes for another reason.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        parts = _Parts()
        listed = pool.submit(api.pods)
        net_conf = pool.submit(api.net_conf)
        asked = pool.submit(api.nodes)
        nodes = parts.read(asked.result, (), only=NotPermitted)
        pods = parts.read(listed.result, ())
        cluster = ClusterState(
            captured_at=_now(),
            nodes=nodes,
            pods=tuple(one.pod() for one in pods),
            flannel_pods=tuple(one.flannel_pod() for one in pods if one.is_flannels),
            net_conf=parts.read(net_conf.result, None),
            controller_managers=tuple(
                one.controller_manager() for one in pods if one.is_controller_manager
            ),
            server=api.server,
        )
    return cluster, tuple(parts.troubles)


class _Parts:
    """Half a result is a result: what could not be read is kept in words."""

    def __init__(self) -> None:
        self.troubles: list[Trouble] = []

    def read(
        self,
        answer: Callable[[], Part],
        otherwise: Substitute,
        only: type[FlantraceError] = FlantraceError,
    ) -> Part | Substitute:
        """The answer; for errors of the sort `only`, the substitute."""
        try:
            return answer()
        except only as error:
            self.troubles.append(Trouble(node=None, what=error.what, hint=error.hint))
            return otherwise


def _behind(api: Api, name: Name, service: ServiceObject | None = None) -> _Behind:
    """A Service, and pods behind it on two nodes: one of them is on another node than any end."""
    service = service or api.service(*name)
    if service.spec.type == "ExternalName":
        raise NotFound(
            f"service {'/'.join(name)} is another name for {service.spec.external_name}",
            where="the Kubernetes API",
            hint="nothing in this cluster stands behind it: trace what the name stands for",
        )
    endpoints = api.endpoints(*name)
    by_node = {one.node: one.pod for one in reversed(endpoints) if one.pod is not None}
    pods: list[Pod] = []
    for pod in list(by_node.values())[::-1][:MOST_STALE]:
        try:
            pods.append(api.pod(*pod))
        except NotFound:
            continue
        if len(pods) == 2:
            break
    if by_node and not pods:
        raise NotFound(
            f"service {'/'.join(name)} names pods that do not exist, such as {'/'.join(pod)}",
            where="the Kubernetes API",
            hint=f"kubectl -n {name[0]} get endpointslices -l kubernetes.io/service-name={name[1]}",
        )
    return _service(service, name, endpoints), pods


def _service(service: ServiceObject, name: Name, endpoints: Sequence[Endpoint]) -> Service:
    return Service(
        namespace=name[0],
        name=name[1],
        cluster_ips=service.addresses,
        endpoints=tuple(dict.fromkeys(one.ip for one in endpoints)),
    )


def _at(
    api: Api, ip: Ip, holders: Sequence[Pod], nodes: Sequence[Node]
) -> tuple[list[Pod], Service | None]:
    """The pods that have an address, or that stand behind the Service of that address.

    The API finds a pod by its first address only: one within a pod CIDR is looked for in all. A
    node's own addresses are known already.
    """
    if holders or any(ip in (*node.internal_ips, *node.external_ips) for node in nodes):
        return list(holders), None
    address = ip_address(ip)
    nets = [net for net in _pod_cidrs(nodes) if address in net]
    if any(address == net.network_address for net in nets):
        return [], None
    if nets:
        return [pod for one in api.pods() if ip in (pod := one.pod()).ips], None
    service = api.service_at(ip)
    if service is None:
        return [], None
    meta = service.metadata
    found, pods = _behind(api, (meta.namespace, meta.name), service)
    return pods, found


def _pod_cidrs(nodes: Sequence[Node]) -> Iterator[IPv4Network | IPv6Network]:
    for text in (net for node in nodes for net in node.pod_cidrs):
        with contextlib.suppress(ValueError):
            yield ip_network(text, strict=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")  # noqa: TID251
