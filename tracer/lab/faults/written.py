"""Faults of what flanneld wrote on a node, and nobody has met yet."""

from tracer.lab import flanneld, overlay
from tracer.lab.faults.fault import RECEIVER, Fault, Plan, node
from tracer.lab.shell import ip, run_in_node, write_in_node

FORMER = "10.244.9.1/24"
"""FLANNEL_SUBNET of the node in an earlier cluster."""


def subnet_env_stale(plan: Plan) -> None:
    """subnet.env on node-b is that of an earlier cluster; flanneld has not started since.

    As after `kubeadm reset` and a join: the file was kept, and whoever restored the device and the
    entries did not think of it.
    """
    pods = node(plan, RECEIVER).pod_cidr
    text = run_in_node(RECEIVER, ["cat", flanneld.SUBNET_ENV])
    first = pods.partition("/")[0].removesuffix("0") + "1/24"
    write_in_node(RECEIVER, flanneld.SUBNET_ENV, text.replace(first, FORMER))


def heal_subnet_env(plan: Plan) -> None:
    """As flanneld writes it."""
    flanneld.write_subnet_env(RECEIVER, *overlay.healthy_vteps(node(plan, RECEIVER)))


def vtep_unlike_configured(plan: Plan) -> None:
    """Somebody had flannel.1 on node-b learn MACs, as other overlays do; flannel's does not."""
    device = overlay.healthy_vtep(node(plan, RECEIVER)).backend.device
    ip(RECEIVER, [f"link set dev {device} type vxlan learning"])


def heal_learning(plan: Plan) -> None:
    """It learns nothing any more."""
    device = overlay.healthy_vtep(node(plan, RECEIVER)).backend.device
    ip(RECEIVER, [f"link set dev {device} type vxlan nolearning"])


FAULTS = (
    Fault(subnet_env_stale, heal_subnet_env, spares="pods that run already have their addresses"),
    Fault(vtep_unlike_configured, heal_learning, spares="no entry has been learned yet"),
)
