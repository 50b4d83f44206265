"""Services and what stands behind them: the few fields that flantrace reads."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from tracer.collect.kube_objects import Meta
from tracer.model.packet import Ip


class Endpoint(NamedTuple):
    """An address behind a Service that is ready, and the pod that has it."""

    ip: Ip
    node: str | None
    pod: tuple[str, str] | None
    """(namespace, name); None: it is no pod's."""


class _Json(msgspec.Struct, rename="camel"):
    """A part of a Kubernetes object; fields that we do not know are passed over."""


class ServiceSpec(_Json):
    """spec of a Service."""

    type: str | None = None
    cluster_ip: str | None = msgspec.field(name="clusterIP", default=None)
    cluster_ips: list[str] | None = msgspec.field(name="clusterIPs", default=None)
    external_name: str | None = None


class ServiceObject(_Json):
    """A Service."""

    metadata: Meta
    spec: ServiceSpec = msgspec.field(default_factory=ServiceSpec)

    @property
    def addresses(self) -> tuple[Ip, ...]:
        """Its cluster addresses; a headless Service has none, and says `None`."""
        single = [self.spec.cluster_ip] if self.spec.cluster_ip else []
        return tuple(ip for ip in self.spec.cluster_ips or single if ip != "None")


class Target(_Json):
    """What an endpoint is."""

    kind: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def pod(self) -> tuple[str, str] | None:
        """(namespace, name), if it is a pod."""
        return (self.namespace, self.name) if self.kind == "Pod" else None


class Conditions(_Json):
    """conditions of an endpoint."""

    ready: bool | None = None


class SliceEndpoint(_Json):
    """One of an EndpointSlice's endpoints."""

    addresses: list[str] | None = None
    conditions: Conditions = msgspec.field(default_factory=Conditions)
    node_name: str | None = None
    target_ref: Target | None = None


class EndpointSliceObject(_Json):
    """An EndpointSlice (discovery.k8s.io/v1)."""

    endpoints: list[SliceEndpoint] | None = None

    def ready(self) -> Iterator[Endpoint]:
        """Those that are ready; one that does not say is."""
        for one in self.endpoints or ():
            if one.conditions.ready is not False:
                pod = one.target_ref.pod if one.target_ref is not None else None
                for ip in one.addresses or ():
                    yield Endpoint(ip, one.node_name, pod)


class SubsetAddress(_Json):
    """One of the addresses of an Endpoints object."""

    ip: str = ""
    node_name: str | None = None
    target_ref: Target | None = None


class Subset(_Json):
    """A subset of an Endpoints object: `addresses` are the ready ones."""

    addresses: list[SubsetAddress] | None = None


class EndpointsObject(_Json):
    """Endpoints (v1), for clusters before EndpointSlices."""

    subsets: list[Subset] | None = None

    def ready(self) -> Iterator[Endpoint]:
        """Those that are ready."""
        for subset in self.subsets or ():
            for one in subset.addresses or ():
                pod = one.target_ref.pod if one.target_ref is not None else None
                yield Endpoint(one.ip, one.node_name, pod)
