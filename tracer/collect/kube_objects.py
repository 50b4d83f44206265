"""The few fields of Kubernetes objects that flantrace reads, and how they become our records."""

import sys
from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec

from tracer.core.controller import controller_manager
from tracer.model.cluster import ControllerManager, FlannelPod, Node, Pod

Item = TypeVar("Item")

FLANNEL_KEYS = (
    "kube-subnet-manager",
    "backend-type",
    "backend-data",
    "backend-v6-data",
    "public-ip",
    "public-ipv6",
    "public-ip-overwrite",
    "public-ipv6-overwrite",
    "node-public-ip",
    "node-public-ipv6",
)
"""Ends of flannel's annotation keys; the prefix is free (flannel annotations.go)."""

NO_LABELS: dict[str, str] = {}
"""Most nodes have none of those; thousands of empty ones take room."""

LABELS = ("kubernetes.io/hostname", "node.kubernetes.io/instance-type")


class _Json(msgspec.Struct, rename="camel"):
    """A part of a Kubernetes object; fields that we do not know are passed over."""


class Meta(_Json):
    """metadata of any object."""

    name: str = ""
    namespace: str = ""
    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    owner_references: list["Owner"] | None = None


class Owner(_Json):
    """An owner reference."""

    kind: str = ""
    name: str = ""


class Typed(_Json):
    """A node's address, or a condition of a node or a pod."""

    type: str = ""
    address: str = ""
    status: str = ""
    message: str | None = None


class NodeInfo(_Json):
    """status.nodeInfo of a Node."""

    kubelet_version: str | None = None


class NodeStatus(_Json):
    """status of a Node."""

    addresses: list[Typed] | None = None
    conditions: list[Typed] | None = None
    node_info: NodeInfo | None = None


class NodeSpec(_Json):
    """spec of a Node."""

    pod_cidr: str | None = msgspec.field(name="podCIDR", default=None)
    pod_cidrs: list[str] | None = msgspec.field(name="podCIDRs", default=None)
    unschedulable: bool | None = None


class NodeObject(_Json):
    """A Node."""

    metadata: Meta
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)

    def node(self) -> Node:
        """Our record of it."""
        addresses = self.status.addresses or []
        ready = [one for one in self.status.conditions or [] if one.type == "Ready"]
        version = self.status.node_info.kubelet_version if self.status.node_info else None
        single = (self.spec.pod_cidr,) if self.spec.pod_cidr else ()
        return Node(
            name=self.metadata.name,
            internal_ips=tuple(one.address for one in addresses if one.type == "InternalIP"),
            external_ips=tuple(one.address for one in addresses if one.type == "ExternalIP"),
            pod_cidrs=tuple(self.spec.pod_cidrs or single),
            annotations=_flannel_only(
                self.metadata.annotations or {}, {one.address: one.address for one in addresses}
            ),
            labels={
                sys.intern(k): v for k, v in (self.metadata.labels or {}).items() if k in LABELS
            }
            or NO_LABELS,
            ready=ready[0].status == "True" if ready else None,
            created=self.metadata.creation_timestamp,
            kubelet_version=sys.intern(version) if version is not None else None,
            unschedulable=bool(self.spec.unschedulable),
            deleting=self.metadata.deletion_timestamp is not None,
        )


class PodIp(_Json):
    """One of status.podIPs."""

    ip: str = ""


class Because(_Json):
    """Why a container does not run."""

    reason: str | None = None
    message: str | None = None


class ContainerState(_Json):
    """One of the three is there."""

    running: dict[str, str] | None = None
    waiting: Because | None = None
    terminated: Because | None = None


class Container(_Json):
    """A container of a spec or of a status."""

    name: str = ""
    state: ContainerState | None = None
    image: str | None = None
    ready: bool | None = None
    command: list[str] | None = None
    args: list[str] | None = None


class PodStatus(_Json):
    """status of a Pod."""

    phase: str = "Unknown"
    reason: str | None = None
    message: str | None = None
    conditions: list[Typed] | None = None
    pod_ip: str | None = msgspec.field(name="podIP", default=None)
    pod_ips: list[PodIp] | None = msgspec.field(name="podIPs", default=None)
    start_time: str | None = None
    container_statuses: list[Container] | None = None


class PodSpec(_Json):
    """spec of a Pod."""

    node_name: str | None = None
    host_network: bool | None = None
    containers: list[Container] | None = None


class PodObject(_Json):
    """A Pod."""

    metadata: Meta
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)

    def pod(self) -> Pod:
        """Our record of it."""
        single = (self.status.pod_ip,) if self.status.pod_ip else ()
        several = tuple(one.ip for one in self.status.pod_ips or [] if one.ip)
        return Pod(
            namespace=self.metadata.namespace,
            name=self.metadata.name,
            ips=several or single,
            node=self.spec.node_name,
            host_network=bool(self.spec.host_network),
            phase=self.status.phase,
            created=self.metadata.creation_timestamp,
        )

    def flannel_pod(self) -> FlannelPod:
        """Our record of it as a pod that runs flanneld."""
        owners = [one for one in self.metadata.owner_references or [] if one.kind == "DaemonSet"]
        images = [one.image for one in self.spec.containers or [] if one.image]
        ready = [one.ready for one in self.status.container_statuses or []]
        return FlannelPod(
            namespace=self.metadata.namespace,
            name=self.metadata.name,
            node=self.spec.node_name,
            started=self.status.start_time,
            image=images[0] if images else None,
            daemonset=owners[0].name if owners else None,
            ready=all(ready) if ready else None,
        )

    @property
    def is_flannels(self) -> bool:
        """By the label that flannel's manifests and its chart set."""
        return (self.metadata.labels or {}).get("app") == "flannel"

    @property
    def is_controller_manager(self) -> bool:
        """By the label of kubeadm's static pod."""
        component = (self.metadata.labels or {}).get("component")
        return (self.metadata.namespace, component) == ("kube-system", "kube-controller-manager")

    def controller_manager(self) -> ControllerManager:
        """Two flags of its command line, and nothing else of it."""
        containers = self.spec.containers or []
        return controller_manager(
            f"pod {self.metadata.namespace}/{self.metadata.name}",
            self.spec.node_name,
            [word for one in containers for word in (*(one.command or ()), *(one.args or ()))],
        )


class ConfigMapObject(_Json):
    """A ConfigMap."""

    data: dict[str, str] = {}


class ListMeta(_Json):
    """metadata of a list."""

    next: str | None = msgspec.field(name="continue", default=None)
    """Where the next page begins; None or empty: this is the last one."""
    resource_version: str = ""
    """From which on the list can be followed."""


class List(msgspec.Struct, Generic[Item]):
    """A list answer of the API, or one page of it."""

    items: list[Item]
    metadata: ListMeta = msgspec.field(default_factory=ListMeta)


def _flannel_only(annotations: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """flannel's annotations, whatever their prefix: `PREFIX/KEY` or `PREFIX/WORD-KEY`.

    Each key once in memory, and each word that is a value: 5,000 nodes have the same. `known`:
    values that are there already.
    """
    return {
        sys.intern(key): sys.intern(value) if value.isalpha() else known.get(value, value)
        for key, value in annotations.items()
        if any(key.partition("/")[2] == end or key.endswith(f"-{end}") for end in FLANNEL_KEYS)
    }
