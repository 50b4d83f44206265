"""Faults at the pod's edge (part E of the catalogue)."""

import json

from tracer.lab import cni, overlay
from tracer.lab.faults.fault import (
    RECEIVER,
    SENDER,
    Fault,
    Plan,
    node,
)
from tracer.lab.rest import Api
from tracer.lab.shell import bridge, ip, run, run_in_node, write_in_node

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


def veth_down(_plan: Plan) -> None:
    """The host's end of pod-b's veth is down; it is a port of cni0 still."""
    ip(RECEIVER, [f"link set {host_veth()} down"])


def heal_veth_down(_plan: Plan) -> None:
    """Set it up."""
    ip(RECEIVER, [f"link set {host_veth()} up"])


def pod_route_missing(plan: Plan) -> None:
    """pod-a has lost its routes to everything beyond its own subnet, as by a script of its own."""
    network = plan[0].shape.network
    ip("pod-a", ["route del default", f"route del {network}"])


def heal_pod_route_missing(plan: Plan) -> None:
    """Both routes, as the bridge plugin adds them."""
    sender = node(plan, SENDER)
    _add_routes("pod-a", sender.gateway, sender.shape.network)


def pod_gone(plan: Plan) -> None:
    """pod-b is gone from node-b, and the API still has it: its kubelet has not reported it.

    The CNI plugins' DEL ran: the address is taken from the pod and given back to host-local, and
    flannel's delegate file is removed. What is left of the veth pair leads to nobody.
    """
    forget_address(plan)


def heal_pod_gone(plan: Plan) -> None:
    """Make pod-b's network again, as ADD did."""
    give_address(plan)


def forget_address(plan: Plan) -> None:
    """Take pod-b's address and routes away, and what the plugins remember of it."""
    pod = node(plan, RECEIVER).pods[0]
    ip(POD, ["address flush dev eth0 scope global"])
    files = [f"{cni.HOST_LOCAL}/{pod.ip}", f"{cni.DELEGATES}/{pod.container_id}"]
    run_in_node(RECEIVER, ["rm", "-f", *files])


def give_address(plan: Plan) -> None:
    """pod-b's address and routes, its reservation and its delegate file, as flannel's ADD made."""
    planned = node(plan, RECEIVER)
    pod = planned.pods[0]
    ip(POD, [f"address add {pod.ip}/24 brd + dev eth0"])
    _add_routes(POD, planned.gateway, planned.shape.network)
    conf = cni.delegate(*overlay.healthy_vteps(planned), base=cni.cni_conf(planned.shape))
    write_in_node(RECEIVER, f"{cni.HOST_LOCAL}/{pod.ip}", f"{pod.container_id}\r\neth0")
    write_in_node(RECEIVER, f"{cni.DELEGATES}/{pod.container_id}", conf, mode="0600")


def _add_routes(pod: str, gateway: str, network: str) -> None:
    ip(pod, [f"route replace {each} via {gateway} dev eth0" for each in ("default", network)])


def report_address(address: str) -> None:
    """What the kubelet tells the API of a pod's address."""
    api = Api()
    change = {"status": {"podIP": address, "podIPs": [{"ip": address}]}}
    api.patch("Pod", POD, change, namespace="default", part="/status")
    api.close()


FAULTS = (
    Fault(veth_detached, heal_veth_detached),
    Fault(veth_down, heal_veth_down),
    Fault(pod_gone, heal_pod_gone),
    Fault(pod_route_missing, heal_pod_route_missing),
)
