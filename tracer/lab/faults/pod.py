"""Faults at the pod's edge (part E of the catalogue)."""

import json

from tracer.lab.faults.fault import RECEIVER, Plan
from tracer.lab.shell import bridge, ip, run

POD = "pod-b"


def host_veth() -> str:
    """The name of the host's end of pod-b's veth pair, which the CNI plugin drew by lot."""
    inside = json.loads(run(["ip", "-n", POD, "-j", "link", "show", "dev", "eth0"]))[0]
    links = json.loads(run(["ip", "-n", RECEIVER, "-j", "link", "show", "type", "veth"]))
    return str(next(e["ifname"] for e in links if e and e["ifindex"] == inside["link_index"]))


def veth_detached(_plan: Plan) -> None:
    """The host's end of pod-b's veth is no port of cni0 any more, as systemd-networkd can do it."""
    ip(RECEIVER, [f"link set {host_veth()} nomaster"])


def heal_veth_detached(_plan: Plan) -> None:
    """Make it a port again, with the hairpin that flannel's CNI configuration asks for."""
    ip(RECEIVER, [f"link set {host_veth()} master cni0"])
    bridge(RECEIVER, [f"link set dev {host_veth()} hairpin on"])
