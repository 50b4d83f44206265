"""Commands with the real names in them, and popular remedies that do not help. Never run by us.

Values that anybody may write into an annotation are quoted: commands get copied.
"""

import shlex
from typing import TypeAlias

from tracer.core.case import Case
from tracer.core.facts import Facts
from tracer.model.lease import Lease
from tracer.model.packet import Ip, Mac
from tracer.model.state import Link

Known: TypeAlias = Case | Facts
"""What knows flannel's pods and its configuration."""

RESTART_K3S = "systemctl restart k3s-agent || systemctl restart k3s"

CNI_FILES = (
    "removing /var/lib/cni/flannel: it holds how pods were attached, and no peer's MAC or address"
)


def delete_devices(vtep: str) -> str:
    """What deleting the devices does, and not (flannel vxlan_network.go, watchVXLANDevice)."""
    return (
        f"deleting cni0 and {vtep} and restarting containerd and kubelet: neither of them makes"
        f" {vtep}; flanneld makes it, from v0.27.4 on by itself but without the peers' routes,"
        " neighbours and FDB entries, before that only when it starts"
    )


def on(node: str, command: str) -> str:
    """A command, and where to type it."""
    return f"{command}   # on {node}"


def restart_flannel(case: Known, node: str) -> str:
    """Restart flanneld on one node: its pod by name where known."""
    pod = case.flannel_pod(node)
    if pod is not None:
        return f"kubectl -n {pod.namespace} delete pod {pod.name}"
    others = case.bundle.cluster.flannel_pods
    if is_k3s(case):
        return on(node, RESTART_K3S)
    namespace = others[0].namespace if others else "kube-flannel"
    return f"kubectl -n {namespace} delete pod -l app=flannel --field-selector spec.nodeName={node}"


def is_k3s(case: Known) -> bool:
    """It runs flannel inside of its own process: no pod, no DaemonSet, no ConfigMap."""
    cluster = case.bundle.cluster
    versions = [node.kubelet_version or "" for node in cluster.nodes]
    return not cluster.flannel_pods and any("k3s" in version for version in versions)


def restart_all(case: Known) -> str:
    """Restart flanneld on every node."""
    if is_k3s(case):
        return f"{RESTART_K3S}   # on each node"
    pods = case.bundle.cluster.flannel_pods
    namespace = pods[0].namespace if pods else "kube-flannel"
    daemonset = next((pod.daemonset for pod in pods if pod.daemonset), "kube-flannel-ds")
    return f"kubectl -n {namespace} rollout restart daemonset/{daemonset}"


def edit_net_conf(case: Known) -> str:
    """Open flannel's ConfigMap, or what tells k3s to use another configuration than its own."""
    if is_k3s(case):
        return "${EDITOR:-vi} /etc/rancher/k3s/config.yaml   # on each node: flannel-conf: FILE"
    conf = case.bundle.cluster.net_conf
    where = conf.source.partition(" ")[2] if conf is not None else ""
    namespace, slash, name = where.partition("/")
    if not slash:
        namespace, name = "kube-flannel", "kube-flannel-cfg"
    return f"kubectl -n {namespace} edit configmap {name}"


def set_neighbour(node: str, vtep: Link, gateway: Ip, mac: Mac) -> str:
    """Write one PERMANENT neighbour as flanneld does."""
    return on(node, f"ip neigh replace {gateway} lladdr {mac} dev {vtep.ifname} nud permanent")


def set_fdb(node: str, vtep: Link, mac: Mac, dst: Ip) -> str:
    """Write one FDB entry as flanneld does."""
    return on(
        node, f"bridge fdb replace {mac} dev {vtep.ifname} dst {shlex.quote(dst)} self permanent"
    )


def show_tables(node: str, vtep: Link) -> tuple[str, ...]:
    """Look at the two tables of a node's VTEP."""
    return (
        on(node, f"ip neigh show dev {vtep.ifname}"),
        on(node, f"bridge fdb show dev {vtep.ifname}"),
    )


def show_annotations(node: str) -> str:
    """Look at what a node publishes."""
    return f"kubectl describe node {node} | grep flannel"


def annotation_key(lease: Lease) -> str:
    """The annotation's key, out of `Node/node-b flannel.alpha.coreos.com/backend-data`."""
    return lease.source.rpartition(" ")[2]


def annotation_prefix(lease: Lease) -> str:
    """What stands before flannel's own names in the annotations of this cluster."""
    key = annotation_key(lease)
    for name in ("backend-v6-data", "backend-data"):
        if key.endswith(name):
            return key.removesuffix(name)
    return "flannel.alpha.coreos.com/"


def public_ip_of(lease: Lease) -> str:
    """A lease as the source of the address that it publishes."""
    name = "public-ipv6" if lease.family == 6 else "public-ip"
    return f"lease of {lease.node} ({annotation_prefix(lease)}{name})"


def advertised_by(lease: Lease) -> str:
    """A lease as a source of evidence."""
    return f"lease of {lease.node} ({annotation_key(lease)})"


def narrower(vtep: str, mtu: int) -> tuple[str, ...]:
    """What exists keeps its MTU, whatever flannel is told: its device, and the pods' bridge.

    Deleted, the device would come back with the old one: the flanneld that runs makes it again.
    """
    return tuple(f"ip link set {device} mtu {mtu}   # on each node" for device in (vtep, "cni0"))
