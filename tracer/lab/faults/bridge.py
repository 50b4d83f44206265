"""Faults of the pods' bridge (part A of the catalogue, 19 to 21)."""

from tracer.lab.faults.fault import (
    RECEIVER,
    Fault,
    Plan,
    node,
)
from tracer.lab.shell import ip

BRIDGE = "cni0"
OLD_GATEWAY = "10.244.9.1/24"
"""Of the podCIDR that node-b had before `kubeadm reset`."""


def cni0_wrong_subnet(_plan: Plan) -> None:
    """node-b's cni0 has the address of a pod CIDR that node-b had before; all else has the new one.

    As when a network manager restores what it had kept of cni0, or `kubeadm reset` left it: Node
    object, lease, subnet.env and flannel.1 are of 10.244.2.0/24.
    """
    ip(RECEIVER, [f"address flush dev {BRIDGE} scope global", f"address add {OLD_GATEWAY} brd +"
                  f" dev {BRIDGE}"])  # fmt: skip


def heal_cni0_wrong_subnet(plan: Plan) -> None:
    """Give node-b's cni0 its own address again."""
    ip(RECEIVER, [f"address flush dev {BRIDGE} scope global"])
    heal_cni0_no_ip(plan)


def cni0_no_ip(_plan: Plan) -> None:
    """node-b's cni0 has lost its address, and the kernel its route to the pods with it."""
    ip(RECEIVER, [f"address flush dev {BRIDGE} scope global"])


def heal_cni0_no_ip(plan: Plan) -> None:
    """What the bridge plugin does when a pod starts: the gateway's address, and the kernel's route
    with it.
    """
    gateway = f"{node(plan, RECEIVER).gateway}/24"
    ip(RECEIVER, [f"address replace {gateway} brd + dev {BRIDGE}"])


def cni0_down(_plan: Plan) -> None:
    """node-b's cni0 is down; its address stays, and the kernel takes the route to the pods away."""
    ip(RECEIVER, [f"link set {BRIDGE} down"])


def heal_cni0_down(_plan: Plan) -> None:
    """Set it up; the route comes back with it."""
    ip(RECEIVER, [f"link set {BRIDGE} up"])


FAULTS = (
    Fault(cni0_down, heal_cni0_down),
    Fault(cni0_no_ip, heal_cni0_no_ip),
    Fault(cni0_wrong_subnet, heal_cni0_wrong_subnet),
)
