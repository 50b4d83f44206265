"""Nodes that come, go, and lose their cable for a moment."""

from tracer.errors import UsageError
from tracer.lab import cluster, cni, overlay
from tracer.lab.change import Plan
from tracer.lab.faults.fault import RECEIVER
from tracer.lab.faults.writing import patch_node
from tracer.lab.plan import MOST_NODES
from tracer.lab.rest import Api
from tracer.lab.shell import ip
from tracer.lab.variants.variant import bystander

FINALIZER = "example.org/release-machine"
_CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def uplink_flapped(plan: Plan) -> None:
    """node-b's uplink went down and came up again: flannel's entries stay as they are."""
    uplink = plan[0].shape.uplink
    ip(RECEIVER, [f"link set {uplink} down", f"link set {uplink} up"])


def node_joined(plan: Plan) -> None:
    """A node more joined a moment ago: it has its lease, and all others have entries for it."""
    if len(plan) >= MOST_NODES:
        raise UsageError(
            f"a lab has at most {MOST_NODES} nodes",
            where="lab vary",
            hint="flantrace lab down, then flantrace lab up",
        )
    cluster.join()


def heal_node_joined(_plan: Plan) -> None:
    """Take the last node away; what others know of it goes by the general order."""
    cluster.leave()


def node_drained(plan: Plan) -> None:
    """The last node is drained: cordoned, and no pods are on it but flannel's."""
    drained = bystander(plan)
    patch_node(drained.name, {"spec": {"unschedulable": True, "taints": [_CORDONED]}})
    api = Api()
    for pod in api.every("Pod"):
        if pod["spec"].get("nodeName") == drained.name and not pod["metadata"].get(
            "ownerReferences"
        ):
            api.delete(pod | {"kind": "Pod"})
    api.close()
    for planned in drained.pods:
        cni.delete_pod(drained, planned, overlay.healthy_vteps(drained))


def heal_node_drained(plan: Plan) -> None:
    """Start its pods again; the API's objects come back by the general order."""
    drained = bystander(plan)
    for planned in drained.pods:
        cni.forget_reservations(drained)
        cni.add_pod(drained, planned, overlay.healthy_vteps(drained))


def node_deleting(plan: Plan) -> None:
    """The last node's Node object is being deleted, and a finalizer holds it for now."""
    leaving = bystander(plan)
    patch_node(leaving.name, {"metadata": {"finalizers": [FINALIZER]}})
    api = Api()
    api.delete({"kind": "Node", "metadata": {"name": leaving.name}})
    api.close()


def heal_node_deleting(plan: Plan) -> None:
    """Let it go; the Node object is registered again by the general order."""
    patch_node(bystander(plan).name, {"metadata": {"finalizers": []}})
