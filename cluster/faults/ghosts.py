"""Faults by Node objects of nodes that are not there: what a copied or forgotten node leaves."""

import json

from cluster.faults.fault import Act, Fault, all_of, kubectl
from cluster.faults.intent import PREFIX, restart_flannel
from cluster.faults.tables import lease
from cluster.setup import NODES, Cluster

GHOST = "ghost"
ELSEWHERE = "192.168.79.77"


def ghost(pod_cidr: str, mac: str, public_ip: str = ELSEWHERE) -> dict[str, object]:
    """A Node object as flanneld would have annotated it."""
    annotations = {
        f"{PREFIX}/backend-data": json.dumps({"VNI": 1, "VtepMAC": mac}, separators=(",", ":")),
        f"{PREFIX}/backend-type": "vxlan",
        f"{PREFIX}/kube-subnet-manager": "true",
        f"{PREFIX}/public-ip": public_ip,
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": GHOST, "annotations": annotations},
        "spec": {"podCIDR": pod_cidr, "podCIDRs": [pod_cidr], "unschedulable": True},
    }


_GONE = kubectl("delete", "node", GHOST, "--ignore-not-found")


def _both_restarted(cluster: Cluster) -> None:
    for node in NODES:
        restart_flannel(cluster, node)


def _with_pods_of_node_b(cluster: Cluster) -> None:
    first, _, _ = lease(cluster, "node-b")
    cluster.apply([ghost(f"{first}/24", "02:cc:00:00:00:01")])


def _with_mac_of_node_b(cluster: Cluster) -> None:
    _, mac, _ = lease(cluster, "node-b")
    cluster.apply([ghost("10.244.9.0/24", mac)])


def _applied(pod_cidr: str) -> Act:
    def act(cluster: Cluster) -> None:
        cluster.apply([ghost(pod_cidr, "02:cc:00:00:00:01")])

    return act


FAULTS = (
    Fault(
        name="duplicate-podcidr",
        slug="duplicate-podcidr",
        inject=_with_pods_of_node_b,
        heal=all_of(_GONE, _both_restarted),
    ),
    Fault(
        name="vtepmac-duplicate",
        slug="vtepmac-duplicate",
        inject=_with_mac_of_node_b,
        ghost=True,
        heal=all_of(_GONE, _both_restarted),
    ),
    Fault(
        name="podcidr-outside-network",
        slug="podcidr-outside-network",
        inject=_applied("10.99.0.0/24"),
        trace=False,
        heal=_GONE,
    ),
)
