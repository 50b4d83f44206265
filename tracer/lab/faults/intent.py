"""Faults of what nodes publish: addresses, MACs, backends (parts A and B of the catalogue)."""

from dataclasses import replace

from tracer.lab import flanneld, overlay
from tracer.lab.faults.address import DEVICE
from tracer.lab.faults.fault import RECEIVER, SENDER, Plan, node, others
from tracer.lab.faults.writing import (
    annotate,
    change_config,
    patch_node,
    restarted_flannel,
)
from tracer.lab.flanneld import Peer

HOST_GW = "host-gw"


def _peers(plan: Plan, of: str, family: int | None = None) -> tuple[Peer, ...]:
    return overlay.healthy_peers(node(plan, of), plan, family)


def _known_as(plan: Plan, of: str, *, family: int | None = None, **changes: str) -> Peer:
    """What a node's flanneld knows of node-b, changed."""
    known = next(peer for peer in _peers(plan, of, family) if peer.node == RECEIVER)
    return replace(known, **changes)


def vtepmac_duplicate(plan: Plan) -> None:
    """node-b has the VtepMAC of node-a: it was cloned from that machine, annotations and all.

    Somebody applied node-a's Node object, its name changed, for the new machine. flanneld on
    node-b had no device yet and made flannel.1 with the MAC that its annotation says (kube.go,
    GetStoredMacAddresses). Every peer has one FDB entry for that MAC, and the last lease wins:
    node-b's.
    """
    sender, receiver = node(plan, SENDER), node(plan, RECEIVER)
    identity = sender.vtep_mac.replace(":", "") * 3
    patch_node(RECEIVER, {"status": {"nodeInfo": {"machineID": identity[:32]}}}, part="/status")
    vtep = replace(overlay.healthy_vtep(receiver), mac=sender.vtep_mac)
    overlay.recreate_device(receiver, vtep)
    annotate(RECEIVER, flanneld.annotations(vtep))
    flanneld.add_peers(RECEIVER, DEVICE, _peers(plan, RECEIVER))
    restarted_flannel(RECEIVER)
    for each in others(plan, RECEIVER):
        peer = _known_as(plan, each.name, vtep_mac=sender.vtep_mac)
        flanneld.add_peers(each.name, DEVICE, [peer])


def backend_type_mixed(plan: Plan) -> None:
    """node-b runs host-gw after an edit of net-conf.json; all other nodes still run vxlan.

    The first node of a change: on node-b flannel.1 was deleted, and flanneld restarted. Its peers
    run vxlan and pass over its new lease ("ignoring non-vxlan v4Subnet"): the entries that they
    have for it stay. node-b passes over theirs.
    """
    change_config({"Type": HOST_GW})
    receiver = node(plan, RECEIVER)
    healthy = overlay.healthy_vtep(receiver)
    vtep = replace(healthy, backend=replace(healthy.backend, kind=HOST_GW))
    flanneld.delete_device(RECEIVER, DEVICE)
    annotate(RECEIVER, flanneld.annotations(vtep))
    flanneld.write_subnet_env(RECEIVER, vtep)
    restarted_flannel(RECEIVER)


def heal_backend_type_mixed(plan: Plan) -> None:
    """Write subnet.env again; device and entries come back by the general order."""
    flanneld.write_subnet_env(RECEIVER, overlay.healthy_vtep(node(plan, RECEIVER)))
