"""Faults in address tables: annotations, neighbours, FDB, routes (part A of the catalogue)."""

from dataclasses import replace

from tracer.lab import flanneld, overlay
from tracer.lab.faults.fault import (
    RECEIVER,
    SENDER,
    Fault,
    Plan,
    node,
    others,
)
from tracer.lab.faults.writing import annotate, change_flannel_args, patch_node
from tracer.lab.flanneld import Peer
from tracer.lab.paths import UNDERLAY
from tracer.lab.plan import UNDERLAY_PREFIX, UPLINK, made_up_mac
from tracer.lab.rest import Api
from tracer.lab.shell import bridge, ip

DEVICE = overlay.healthy_backend().device
DEAD_ADDRESS = "192.0.2.99"
"""An address of the underlay that no machine has."""
NEW_ADDRESS = "192.0.2.212"
NAT_DEVICE = "nat0"
NAT_ADDRESS = "10.0.2.15"
NAT_GATEWAY = "10.0.2.2"


def _peer(plan: Plan, of: str, name: str) -> Peer:
    return next(p for p in overlay.healthy_peers(node(plan, of), plan) if p.node == name)


def vtepmac_annotation_stale(plan: Plan) -> None:
    """node-b's annotation names another VtepMAC than its flannel.1 has; all peers follow it.

    As after `kubectl annotate`, or udev's new MAC at creation. flanneld on the peers writes the
    new neighbour and a second FDB entry; the old FDB entry stays (flannel never removes it).
    node-b's own entries stay full: its flanneld skips its own lease.
    """
    stale = made_up_mac("flannel.1/node-b/before")
    vtep = replace(overlay.healthy_vtep(node(plan, RECEIVER)), mac=stale)
    annotate(RECEIVER, flanneld.annotations(vtep))
    for each in others(plan, RECEIVER):
        peer = replace(_peer(plan, each.name, RECEIVER), vtep_mac=stale)
        flanneld.add_peers(each.name, DEVICE, [peer])


def neigh_stale_one_node(plan: Plan) -> None:
    """node-a alone still has the MAC that node-b's flannel.1 had before; the annotation is right.

    As when flanneld on node-a was down, or had lost its watch, while node-b got its present MAC:
    node-a has the old neighbour and the old FDB entry, and never saw the new one.
    """
    present = _peer(plan, SENDER, RECEIVER)
    old = replace(present, vtep_mac=made_up_mac("flannel.1/node-b/before"))
    bridge(SENDER, [f"fdb del {present.vtep_mac} dev {DEVICE} dst {present.public_ip} self"])
    flanneld.add_peers(SENDER, DEVICE, [old])


def mac_changed_under_running_flannel(_plan: Plan) -> None:
    """Something gave node-b's flannel.1 a new MAC at run time; flanneld did not notice.

    The kernel flushes node-b's permanent neighbours on flannel.1 (NETDEV_CHANGEADDR); its FDB
    and routes stay. The annotation keeps the old MAC, and the peers match the annotation.
    """
    ip(RECEIVER, [f"link set {DEVICE} address {made_up_mac('flannel.1/node-b/udev')}"])


def heal_mac_changed(plan: Plan) -> None:
    """Give node-b's flannel.1 its MAC again."""
    ip(RECEIVER, [f"link set {DEVICE} address {node(plan, RECEIVER).vtep_mac}"])


def fdb_missing(plan: Plan) -> None:
    """node-a has no FDB entry for node-b's VtepMAC; the neighbour entry is there."""
    peer = _peer(plan, SENDER, RECEIVER)
    bridge(SENDER, [f"fdb del {peer.vtep_mac} dev {DEVICE} dst {peer.public_ip} self"])


def neigh_missing(plan: Plan) -> None:
    """node-a has no neighbour entry for node-b's flannel.1; FDB entry and route are there."""
    ip(SENDER, [f"neigh del {_peer(plan, SENDER, RECEIVER).vtep_ip} dev {DEVICE}"])


def fdb_wrong_dst_dead(plan: Plan) -> None:
    """node-a's FDB entry sends to an address that node-b left long ago; the annotation is right.

    As when flanneld on node-a missed the update after node-b had moved: the MAC stayed (flannel
    keeps it in the annotation), the public-ip changed.
    """
    old = replace(_peer(plan, SENDER, RECEIVER), public_ip=DEAD_ADDRESS)
    bridge(SENDER, [flanneld.fdb_entry(DEVICE, old)])


def node_ip_changed_vxlan_local_stale(plan: Plan) -> None:
    """node-b got a new address; the annotation was corrected by hand, its flannel.1 was not.

    The DHCP server gave node-b's eth0 another address and the kubelet reported it. flanneld on
    node-b chooses its address once, at start: flannel.1 keeps `local` and the annotation
    public-ip would stay. Somebody corrected that annotation with kubectl, and flanneld on all
    peers followed: requests arrive, and node-b cannot send from an address that it lost.
    """
    moved = node(plan, RECEIVER)
    _move_uplink(moved.address, NEW_ADDRESS)
    addresses = [
        {"type": "InternalIP", "address": NEW_ADDRESS},
        {"type": "Hostname", "address": RECEIVER},
    ]
    patch_node(RECEIVER, {"status": {"addresses": addresses}}, part="/status")
    _report_host_ip(RECEIVER, NEW_ADDRESS)
    annotate(RECEIVER, {f"{flanneld.PREFIX}/public-ip": NEW_ADDRESS})
    for each in others(plan, RECEIVER):
        peer = replace(_peer(plan, each.name, RECEIVER), public_ip=NEW_ADDRESS)
        flanneld.add_peers(each.name, DEVICE, [peer])


def _move_uplink(old: str, new: str) -> None:
    ip(
        RECEIVER,
        [
            f"address del {old}/{UNDERLAY_PREFIX} dev {UPLINK}",
            f"address add {new}/{UNDERLAY_PREFIX} brd + dev {UPLINK}",
        ],
    )


def _report_host_ip(on: str, address: str) -> None:
    """What the kubelet does for running pods: hostIP follows, podIP is fixed once."""
    api = Api()
    for pod in api.every("Pod"):
        if pod["spec"].get("nodeName") == on:
            meta = pod["metadata"]
            change = {"status": {"hostIP": address}}
            api.patch("Pod", meta["name"], change, namespace=meta["namespace"], part="/status")
    api.close()


def heal_node_ip_changed(plan: Plan) -> None:
    """Give node-b's eth0 its address again."""
    _move_uplink(NEW_ADDRESS, node(plan, RECEIVER).address)


def public_ip_duplicate(plan: Plan) -> None:
    """Every node publishes the same public-ip 10.0.2.15: flannel took Vagrant's NAT interface.

    Each machine has a NAT interface of the same address with the default route on it, and the
    DaemonSet has no --iface: flanneld took the default route's interface, made flannel.1 on it
    with `local 10.0.2.15`, and published that. Every peer's FDB entry then leads to the sender
    itself.
    """
    lines = []
    for each in plan:
        lines += [
            f"link add nat-{each.name} type veth peer name {NAT_DEVICE} netns {each.name}"
            f" address 52:54:00:0a:02:{each.number:02x}",
            f"link set nat-{each.name} up",
        ]
    ip(UNDERLAY, lines)
    change_flannel_args(lambda args: [arg for arg in args if not arg.startswith("--iface=")])
    for each in plan:
        ip(
            each.name,
            [
                f"address add {NAT_ADDRESS}/24 brd + dev {NAT_DEVICE}",
                f"link set {NAT_DEVICE} up",
                f"route add default via {NAT_GATEWAY} dev {NAT_DEVICE}",
            ],
        )
        vtep = replace(overlay.healthy_vtep(each), local=NAT_ADDRESS, uplink=NAT_DEVICE)
        overlay.recreate_device(each, vtep)
        annotate(each.name, flanneld.annotations(vtep))
        peers = [replace(p, public_ip=NAT_ADDRESS) for p in overlay.healthy_peers(each, plan)]
        flanneld.add_peers(each.name, DEVICE, peers)


def heal_public_ip_duplicate(plan: Plan) -> None:
    """Take the NAT interfaces away; flannel.1 goes with the device that it is bound to."""
    present = overlay.links(UNDERLAY)
    names = [f"nat-{each.name}" for each in plan if f"nat-{each.name}" in present]
    ip(UNDERLAY, [f"link delete {name}" for name in names])


def routes_lost(plan: Plan) -> None:
    """node-a lost its routes to all peers' pod networks; flannel.1, neighbours and FDB are full.

    As after a restart of systemd-networkd with ManageForeignRoutes=yes: flanneld writes routes
    when a lease changes, and never looks again.
    """
    peers = overlay.healthy_peers(node(plan, SENDER), plan)
    ip(SENDER, [f"route del {peer.pod_cidr} dev {DEVICE}" for peer in peers])


FAULTS = (
    Fault(vtepmac_annotation_stale),
    Fault(neigh_stale_one_node),
    Fault(mac_changed_under_running_flannel, heal_mac_changed),
    Fault(fdb_missing),
    Fault(neigh_missing),
    Fault(fdb_wrong_dst_dead),
    Fault(node_ip_changed_vxlan_local_stale, heal_node_ip_changed),
    Fault(public_ip_duplicate, heal_public_ip_duplicate),
    Fault(routes_lost),
)
