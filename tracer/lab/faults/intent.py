"""Faults of what nodes publish: addresses, MACs, backends (parts A and B of the catalogue)."""

import json
from dataclasses import replace

from tracer.lab import flanneld, overlay
from tracer.lab.faults.address import DEVICE
from tracer.lab.faults.fault import (
    RECEIVER,
    SENDER,
    Fault,
    Plan,
    node,
    others,
)
from tracer.lab.faults.writing import (
    annotate,
    change_config,
    change_flannel_args,
    patch_node,
    restarted_flannel,
)
from tracer.lab.flanneld import Peer
from tracer.lab.paths import NETNS_DIR, UNDERLAY
from tracer.lab.plan import made_up_mac
from tracer.lab.shell import bridge, ip, run
from tracer.lab.topology import ROUTER

BYSTANDER = "node-c"
MANAGEMENT = "mgmt0"
MANAGEMENT_ADDRESS = "198.51.100.12"
HOST_GW = "host-gw"


def _peers(plan: Plan, of: str, family: int | None = None) -> tuple[Peer, ...]:
    return overlay.healthy_peers(node(plan, of), plan, family)


def _known_as(plan: Plan, of: str, *, family: int | None = None, **changes: str) -> Peer:
    """What a node's flanneld knows of node-b, changed."""
    known = next(peer for peer in _peers(plan, of, family) if peer.node == RECEIVER)
    return replace(known, **changes)


def fdb_wrong_dst_live(plan: Plan) -> None:
    """node-a's FDB entry for node-b leads to node-c, which has the address that node-b had before.

    The DHCP server gave node-b another address and its former one to node-c, while flanneld on
    node-a was down. Annotations are right; node-a's entry is the one of before.
    """
    before = node(plan, BYSTANDER).address
    bridge(SENDER, [flanneld.fdb_entry(DEVICE, _known_as(plan, SENDER, public_ip=before))])


def wrong_interface(plan: Plan) -> None:
    """node-b publishes the address of its management interface, to which no other node has a route.

    The DaemonSet names --iface=mgmt0 before --iface=eth0: flanneld takes the first that exists.
    When node-b had got such a NIC, flanneld made flannel.1 there, with the MAC of its annotation,
    and published its address; all peers followed.
    """
    ip(
        UNDERLAY,
        [
            f"link add mgmt-{RECEIVER} type veth peer name {MANAGEMENT} netns {RECEIVER}"
            " address 52:54:00:c6:33:0c",
            f"link set mgmt-{RECEIVER} up",
        ],
    )
    ip(
        RECEIVER,
        [
            f"address add {MANAGEMENT_ADDRESS}/24 brd + dev {MANAGEMENT}",
            f"link set {MANAGEMENT} up",
        ],
    )
    change_flannel_args(
        lambda args: [
            each
            for arg in args
            for each in ([f"--iface={MANAGEMENT}"] if arg.startswith("--iface=") else []) + [arg]
        ]
    )
    receiver = node(plan, RECEIVER)
    vtep = replace(overlay.healthy_vtep(receiver), local=MANAGEMENT_ADDRESS, uplink=MANAGEMENT)
    overlay.recreate_device(receiver, vtep)
    annotate(RECEIVER, flanneld.annotations(vtep))
    flanneld.add_peers(RECEIVER, DEVICE, _peers(plan, RECEIVER))
    restarted_flannel(RECEIVER)
    for each in others(plan, RECEIVER):
        peer = _known_as(plan, each.name, public_ip=MANAGEMENT_ADDRESS)
        flanneld.add_peers(each.name, DEVICE, [peer])


def heal_wrong_interface(_plan: Plan) -> None:
    """Take the management interface away; flannel.1 goes with the device that it is bound to."""
    if f"mgmt-{RECEIVER}" in overlay.links(UNDERLAY):
        ip(UNDERLAY, [f"link delete mgmt-{RECEIVER}"])


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


def dualstack_update_ignored(plan: Plan) -> None:
    """node-b published another MAC of its flannel.1; its IPv6 half stayed, and no peer followed.

    Something had set another MAC, and flanneld was restarted on node-b, which publishes what the
    device has and writes node-b's own entries again. Its peers got an update in which the IPv6
    data is as it was, and dropped it (kube.go, handleUpdateLeaseEvent).
    """
    receiver = node(plan, RECEIVER)
    vtep = replace(overlay.healthy_vtep(receiver, 4), mac=made_up_mac("flannel.1/node-b/restarted"))
    ip(RECEIVER, [f"link set {vtep.backend.device} address {vtep.mac}"])
    annotate(RECEIVER, flanneld.annotations(vtep))
    flanneld.add_peers(RECEIVER, vtep.backend.device, _peers(plan, RECEIVER, 4))
    restarted_flannel(RECEIVER)


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


def public_ip_nat(plan: Plan) -> None:
    """node-b stands behind a NAT and publishes its private address: it has no public-ip-overwrite.

    It is at another site than the other nodes: what goes there passes the router, which knows
    node-b by its public address only. The administrator forgot the annotation that all others
    have; flanneld published the address of the interface, and all peers followed.
    """
    receiver = node(plan, RECEIVER)
    healthy = overlay.healthy_vtep(receiver)
    ip(RECEIVER, [f"route add {each.address}/32 via {ROUTER}" for each in others(plan, RECEIVER)])
    for each in others(plan, RECEIVER):
        ip(each.name, [f"route add {receiver.address}/32 via {ROUTER}"])
    _router(
        "table ip flantrace {\n chain forward {\n"
        "  type filter hook forward priority 0; policy accept;\n"
        f"  ip daddr {receiver.address} ct status & dnat == 0 drop\n }}\n}}\n"
    )
    known = [("InternalIP", receiver.address), ("ExternalIP", receiver.stand().public_ip)]
    addresses = [{"type": kind, "address": address} for kind, address in known]
    addresses.append({"type": "Hostname", "address": RECEIVER})
    patch_node(RECEIVER, {"status": {"addresses": addresses}}, part="/status")
    overwrite = flanneld.annotation(receiver.shape.prefix, "public-ip-overwrite")
    patch_node(RECEIVER, {"metadata": {"annotations": {overwrite: None}}})
    annotate(RECEIVER, flanneld.annotations(replace(healthy, overwrite=None)))
    for each in others(plan, RECEIVER):
        peer = _known_as(plan, each.name, public_ip=receiver.address)
        flanneld.add_peers(each.name, DEVICE, [peer])


def heal_public_ip_nat(plan: Plan) -> None:
    """Put node-b on the other nodes' network again."""
    _router("add table ip flantrace\ndelete table ip flantrace\n")
    receiver = node(plan, RECEIVER)
    for each in others(plan, RECEIVER):
        _forget(RECEIVER, f"{each.address}/32")
        _forget(each.name, f"{receiver.address}/32")


def _forget(on: str, destination: str) -> None:
    """Delete the route by the router, if it is there."""
    found = json.loads(run(["ip", "-n", on, "-j", "route", "show", destination]) or "[]")
    if any(each.get("gateway") == ROUTER for each in found):
        ip(on, [f"route del {destination} via {ROUTER}"])


def _router(script: str) -> None:
    run(["nsenter", f"--net={NETNS_DIR}/{UNDERLAY}", "--", "nft", "-f", "-"], text=script)


FAULTS = (
    Fault(fdb_wrong_dst_live),
    Fault(wrong_interface, heal_wrong_interface),
    Fault(vtepmac_duplicate),
    Fault(public_ip_nat, heal_public_ip_nat, needs=("nft",), shapes=("nat",)),
    Fault(dualstack_update_ignored, shapes=("dual-stack",)),
    Fault(backend_type_mixed, heal_backend_type_mixed),
)
