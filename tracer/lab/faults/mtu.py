"""Faults of sizes: pods, tunnel and uplink that do not fit into each other (part C)."""

import json
from collections.abc import Sequence
from dataclasses import replace

from tracer.lab import cni, flanneld, overlay
from tracer.lab.faults.fault import (
    SENDER,
    Fault,
    Plan,
    node,
)
from tracer.lab.faults.writing import remove_from_config
from tracer.lab.flanneld import Vtep
from tracer.lab.plan import UPLINK, UPLINK_MTU, PlannedNode
from tracer.lab.shell import ip, run, write_in_node

LOWERED = 1400


def pod_mtu_too_big(plan: Plan) -> None:
    """node-a's pods and cni0 have 1500, as flannel's earlier backend gave them; flannel.1 has 1450.

    The cluster went from host-gw, which takes nothing off the MTU, to vxlan. flanneld was
    restarted everywhere and wrote FLANNEL_MTU=1450; the pods of node-a were not made anew.
    """
    sender = node(plan, SENDER)
    _made_with(sender, UPLINK_MTU, overlay.healthy_vteps(sender))


def heal_pod_mtu(plan: Plan) -> None:
    """Give node-a's pods the tunnel's MTU."""
    sender = node(plan, SENDER)
    vteps = overlay.healthy_vteps(sender)
    _made_with(sender, vteps[0].mtu, vteps)


def uplink_mtu_lowered_late(_plan: Plan) -> None:
    """node-a's uplink got MTU 1400 after flannel.1 was made, which keeps 1450.

    As when a VPN or the cloud's DHCP server lowers it. The kernel does not tell vxlan devices, and
    flanneld does not compare the MTU of a device that is there (device.go, vxlanLinksIncompat).
    """
    ip(SENDER, [f"link set {UPLINK} mtu {LOWERED}"])


def heal_uplink_mtu(_plan: Plan) -> None:
    """Give the uplink its MTU again."""
    ip(SENDER, [f"link set {UPLINK} mtu {UPLINK_MTU}"])


def ipv6_underlay_mtu_70(plan: Plan) -> None:
    """Backend.MTU is gone from net-conf.json: flannel takes 50 bytes off, VXLAN over IPv6 needs 70.

    All nodes were started anew. flanneld asks for flannel-v6.1 with 1450, of which the kernel
    makes 1430, unasked; FLANNEL_MTU and with it cni0 and all pods have 1450.
    """
    remove_from_config("MTU")
    for each in plan:
        vteps = [_without_mtu(vtep) for vtep in overlay.healthy_vteps(each)]
        flanneld.write_subnet_env(each.name, *vteps)
        _made_with(each, vteps[0].mtu, vteps)


def heal_ipv6_mtu(plan: Plan) -> None:
    """Give all pods the tunnel's MTU."""
    for each in plan:
        vteps = overlay.healthy_vteps(each)
        flanneld.write_subnet_env(each.name, *vteps)
        _made_with(each, vteps[0].mtu, vteps)


def _without_mtu(vtep: Vtep) -> Vtep:
    return replace(vtep, backend=replace(vtep.backend, mtu=UPLINK_MTU))


def _made_with(on: PlannedNode, mtu: int, vteps: Sequence[Vtep]) -> None:
    """cni0, the pods' veth pairs and their delegate files, as made when the MTU was that."""
    conf = json.loads(cni.delegate(*vteps, base=cni.cni_conf(on.shape))) | {"mtu": mtu}
    text = json.dumps(conf, separators=(",", ":"))
    for pod in on.pods:
        ip(pod.name, [f"link set eth0 mtu {mtu}"])
        write_in_node(on.name, f"{cni.DELEGATES}/{pod.container_id}", text, mode="0600")
    ip(on.name, [f"link set {name} mtu {mtu}" for name in (*_host_veths(on), "cni0")])


def _host_veths(on: PlannedNode) -> list[str]:
    """The host's ends of the pods' veth pairs, whose names the CNI plugin drew by lot."""
    inside = [
        json.loads(run(["ip", "-n", pod.name, "-j", "link", "show", "dev", "eth0"]))[0]
        for pod in on.pods
    ]
    indexes = {each["link_index"] for each in inside}
    links = json.loads(run(["ip", "-n", on.name, "-j", "link"]))
    return [each["ifname"] for each in links if each["ifindex"] in indexes]


FAULTS = (
    Fault(pod_mtu_too_big, heal_pod_mtu),
    Fault(uplink_mtu_lowered_late, heal_uplink_mtu),
    Fault(ipv6_underlay_mtu_70, heal_ipv6_mtu, shapes=("ipv6",)),
)
