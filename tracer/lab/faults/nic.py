"""Faults of a node's own devices: its NIC, and who has VXLAN's port there."""

from collections.abc import Iterator
from contextlib import contextmanager

from tracer.errors import CollectFailed
from tracer.lab import flanneld, overlay
from tracer.lab.faults.fault import (
    RECEIVER,
    SENDER,
    Fault,
    Plan,
    node,
    others,
)
from tracer.lab.faults.writing import crashing_flannel
from tracer.lab.flanneld import DEFAULT_PORT
from tracer.lab.paths import NETNS_DIR, UNDERLAY
from tracer.lab.plan import UPLINK, made_up_mac
from tracer.lab.shell import ip, run

OTHER_OVERLAY = "cilium_vxlan"
WRONG_SUM = "0xbad1"
"""What the broken NIC begins its sum with; the right beginning is the pseudo header's sum."""


def uplink_down(_plan: Plan) -> None:
    """node-a's uplink is down; the kernel took its routes with it, flannel.1 kept its entries."""
    ip(SENDER, [f"link set {UPLINK} down"])


def heal_uplink_down(_plan: Plan) -> None:
    """Set it up again; the route of its address comes back with it."""
    ip(SENDER, [f"link set {UPLINK} up"])


def vxlan_port_taken(plan: Plan) -> None:
    """Another CNI's vxlan device has UDP port 8472 on node-b, and flannel.1 cannot come up.

    As after a reboot of a node on which Cilium ran before: its leftover agent makes cilium_vxlan
    first. flanneld makes flannel.1, publishes the lease, gives the device its address, fails to
    set it up (`address already in use`) and exits, again and again: it writes no peer's entries.
    """
    receiver = node(plan, RECEIVER)
    flanneld.delete_device(RECEIVER, overlay.healthy_vtep(receiver).backend.device)
    ip(
        RECEIVER,
        [
            f"link add {OTHER_OVERLAY} address {made_up_mac(OTHER_OVERLAY)} type vxlan external"
            f" dstport {DEFAULT_PORT} nolearning",
            f"link set {OTHER_OVERLAY} up",
        ],
    )
    with _refused_with("in use"):
        flanneld.create_device(RECEIVER, overlay.healthy_vtep(receiver))
    crashing_flannel(RECEIVER)


def heal_vxlan_port_taken(_plan: Plan) -> None:
    """Take the other CNI's device away."""
    if OTHER_OVERLAY in overlay.links(RECEIVER):
        ip(RECEIVER, [f"link delete {OTHER_OVERLAY}"])


def outer_udp_csum_bad(plan: Plan) -> None:
    """node-a's NIC computes wrong checksums of VXLAN packets, which flannel.1 leaves to it.

    A veth hands checksums on uncomputed. So the switch stands for the NIC: it spoils what node-a's
    packets begin their sum with, and its ports to the other nodes then compute, on a wrong ground.
    """
    _switch("nft", "-f", "-", text=_spoiling())
    for each in others(plan, SENDER):
        _switch("ethtool", "-K", each.name, "tx", "off")


def heal_outer_udp_csum(plan: Plan) -> None:
    """Let the switch hand checksums on as they are."""
    _switch("nft", "-f", "-", text="add table bridge nic\ndelete table bridge nic\n")
    for each in others(plan, SENDER):
        _switch("ethtool", "-K", each.name, "tx", "on")


def _spoiling() -> str:
    return (
        "table bridge nic {\n chain forward {\n"
        "  type filter hook forward priority 0; policy accept;\n"
        f"  iifname {SENDER} udp dport {DEFAULT_PORT} @th,48,16 set {WRONG_SUM}\n }}\n}}\n"
    )


def _switch(*command: str, text: str | None = None) -> None:
    run(["nsenter", f"--net={NETNS_DIR}/{UNDERLAY}", "--", *command], text=text)


@contextmanager
def _refused_with(words: str) -> Iterator[None]:
    """The kernel must refuse the last of it: that is the fault."""
    try:
        yield
    except CollectFailed as failure:
        if words not in failure.what:
            raise
        return
    raise AssertionError(f"the kernel did not refuse: {words}")


FAULTS = (
    Fault(vxlan_port_taken, heal_vxlan_port_taken),
    Fault(uplink_down, heal_uplink_down),
    Fault(
        outer_udp_csum_bad,
        heal_outer_udp_csum,
        needs=("nft", "ethtool"),
        hidden="the NIC computes wrong sums, and no table says so",
    ),
)
