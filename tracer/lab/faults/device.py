"""Faults of the vxlan device and its backend (part B of the catalogue)."""

from dataclasses import replace

from tracer.lab import flanneld, overlay
from tracer.lab.faults.fault import (
    RECEIVER,
    Fault,
    Plan,
    node,
)
from tracer.lab.faults.writing import annotate, change_config, restarted_flannel
from tracer.lab.flanneld import Backend
from tracer.lab.shell import ip

OTHER_VNI = 2
OTHER_PORT = 4789


def vni_mismatch(plan: Plan) -> None:
    """node-b runs VNI 2 after an edit of net-conf.json; all other nodes still run VNI 1.

    Half of a change: the ConfigMap says VNI 2; on node-b flannel.1 was deleted and flanneld
    restarted, which made flannel.2 with the MAC of its annotation. The other nodes have not been
    restarted; their entries for node-b are the same for both VNIs.
    """
    change_config({"VNI": OTHER_VNI})
    _restart_receiver(plan, replace(overlay.healthy_backend(), vni=OTHER_VNI))


def port_mismatch(plan: Plan) -> None:
    """node-b's flannel.1 uses UDP port 4789 after an edit of net-conf.json; the others use 8472.

    Half of a change: the ConfigMap says Port 4789 and flanneld was restarted on node-b only. It
    made flannel.1 anew (the old one's port differs) with the MAC of its annotation.
    """
    change_config({"Port": OTHER_PORT})
    _restart_receiver(plan, replace(overlay.healthy_backend(), port=OTHER_PORT))


def _restart_receiver(plan: Plan, backend: Backend) -> None:
    receiver = node(plan, RECEIVER)
    vtep = replace(overlay.healthy_vtep(receiver), backend=backend)
    overlay.recreate_device(receiver, vtep)
    annotate(RECEIVER, flanneld.annotations(vtep))
    flanneld.add_peers(RECEIVER, backend.device, overlay.healthy_peers(receiver, plan))
    restarted_flannel(RECEIVER)


def peer_flannel1_down(_plan: Plan) -> None:
    """node-b's flannel.1 is down; the kernel took its routes and neighbours with it."""
    ip(RECEIVER, [f"link set {overlay.healthy_backend().device} down"])


def heal_peer_flannel1_down(_plan: Plan) -> None:
    """Bring node-b's flannel.1 up; its entries come back by the general order."""
    ip(RECEIVER, [f"link set {overlay.healthy_backend().device} up"])


FAULTS = (
    Fault(vni_mismatch),
    Fault(port_mismatch),
    Fault(peer_flannel1_down, heal_peer_flannel1_down, swapped="own-flannel1-down"),
)
