"""flanneld doing its work, and the noise of a healthy VTEP."""

import sys
from dataclasses import replace

from tracer.lab import firewall, flanneld, overlay
from tracer.lab.change import Plan, node, others
from tracer.lab.faults.fault import RECEIVER
from tracer.lab.faults.writing import annotate, restarted_flannel
from tracer.lab.plan import made_up_mac
from tracer.lab.shell import run_in_node

ROUNDS = 25
_NOISE = """
import errno, socket, sys, time

def told(raw, message, to):
    for _ in range(40):
        try:
            return raw.sendto(message, (to, 0, 0, socket.if_nametoindex(sys.argv[1])))
        except OSError as error:  # a device made just now has no address of its own yet
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            time.sleep(0.1)

with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
    for _ in range(int(sys.argv[2])):
        told(raw, bytes([133, 0, 0, 0, 0, 0, 0, 0]), "ff02::2")
        told(raw, bytes([143, 0, 0, 0, 0, 0, 0, 0]), "ff02::16")
"""
"""Router solicitations (RFC 4861) and MLDv2 reports (RFC 3810); the kernel adds the checksum."""


def flanneld_restarted(plan: Plan) -> None:
    """flanneld was restarted on node-b: it found its device, and wrote everything again."""
    receiver = node(plan, RECEIVER)
    vteps = overlay.healthy_vteps(receiver)
    annotate(RECEIVER, overlay.healthy_annotations(receiver))
    firewall.remove_forward_rules(RECEIVER)
    for vtep in vteps:
        firewall.install_forward_rules(RECEIVER, vtep.backend.network)
    flanneld.write_subnet_env(RECEIVER, *vteps)
    overlay.write_entries(receiver, plan)
    restarted_flannel(RECEIVER)


def orphan_fdb(plan: Plan) -> None:
    """node-b's flannel.1 was made anew with another MAC, properly: peers keep the old FDB entry.

    Somebody deleted the device, and the annotation's MAC could not be read back (kube.go:698):
    flanneld drew a new one and published it. Peers wrote the new neighbour and a second FDB entry;
    nothing ever removes the first.
    """
    receiver = node(plan, RECEIVER)
    vtep = replace(overlay.healthy_vtep(receiver), mac=made_up_mac("flannel.1/node-b/second"))
    overlay.recreate_device(receiver, vtep)
    annotate(RECEIVER, flanneld.annotations(vtep))
    overlay.write_entries(receiver, plan)
    restarted_flannel(RECEIVER)
    for each in others(plan, RECEIVER):
        peers = overlay.healthy_peers(each, plan)
        changed = [replace(peer, vtep_mac=vtep.mac) for peer in peers if peer.node == RECEIVER]
        flanneld.add_peers(each.name, vtep.backend.device, changed)


def multicast_noise(plan: Plan) -> None:
    """IPv6's own multicast on every flannel.1 is dropped for want of an FDB entry, and counted."""
    for each in plan:
        device = overlay.healthy_vtep(each).backend.device
        run_in_node(each.name, [sys.executable, "-I", "-c", _NOISE, device, str(ROUNDS)])
