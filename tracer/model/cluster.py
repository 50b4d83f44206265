"""What the Kubernetes API says: nodes with flannel's annotations, pods, flannel's configuration.

Recorded as the API gave it; `core/leases.py` reads leases out of the annotations.
"""

from collections.abc import Mapping

from tracer.model.packet import Ip, Net
from tracer.model.record import Record


class Node(Record, frozen=True, kw_only=True):
    """A Node object: the half of a lease that Kubernetes owns, and the half that flannel wrote."""

    name: str
    internal_ips: tuple[Ip, ...] = ()
    external_ips: tuple[Ip, ...] = ()
    pod_cidrs: tuple[Net, ...] = ()
    annotations: Mapping[str, str] = {}
    """Only those of flannel (any prefix whose key ends in one of flannel's names)."""
    labels: Mapping[str, str] = {}
    """Only `kubernetes.io/hostname` and those that tell the distribution."""
    ready: bool | None = None
    created: str | None = None
    kubelet_version: str | None = None
    unschedulable: bool = False
    """Drained or cordoned."""
    deleting: bool = False
    """Somebody has asked for its deletion (metadata.deletionTimestamp)."""


class Pod(Record, frozen=True, kw_only=True):
    """A Pod object, as far as its network goes."""

    namespace: str
    name: str
    ips: tuple[Ip, ...] = ()
    node: str | None = None
    host_network: bool = False
    phase: str = "Unknown"
    created: str | None = None


class FlannelPod(Record, frozen=True, kw_only=True):
    """A pod that runs flanneld: whom to restart, and since when it runs."""

    namespace: str
    name: str
    node: str | None
    started: str | None
    image: str | None = None
    daemonset: str | None = None
    ready: bool | None = None


class NetConf(Record, frozen=True, kw_only=True):
    """flannel's net-conf.json, unparsed."""

    text: str
    source: str
    """Where it was read, such as `ConfigMap kube-flannel/kube-flannel-cfg`."""


class Service(Record, frozen=True, kw_only=True):
    """A Service, and the addresses behind it."""

    namespace: str
    name: str
    cluster_ips: tuple[Ip, ...] = ()
    endpoints: tuple[Ip, ...] = ()
    """Those that are ready."""


class ControllerManager(Record, frozen=True, kw_only=True):
    """How kube-controller-manager gives pod CIDRs to nodes, by its command line."""

    source: str
    """Where it was read: a pod of kube-system, or the manifest on a node."""
    node: str | None = None
    cluster_cidrs: tuple[Net, ...] = ()
    """--cluster-cidr; empty: not given."""
    allocate_node_cidrs: bool | None = None
    """--allocate-node-cidrs; None: not given, which means false."""


class ClusterState(Record, frozen=True, kw_only=True):
    """The cluster's intent at one moment."""

    captured_at: str
    nodes: tuple[Node, ...] = ()
    pods: tuple[Pod, ...] = ()
    """The traced pods (for a check: all pods)."""
    flannel_pods: tuple[FlannelPod, ...] = ()
    net_conf: NetConf | None = None
    controller_managers: tuple[ControllerManager, ...] = ()
    services: tuple[Service, ...] = ()
    """Those by which an end was named."""
    server: str | None = None
