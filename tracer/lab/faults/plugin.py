"""Faults of what the CNI plugins read and write (part A of the catalogue, 22 and 23)."""

import hashlib
import json
from ipaddress import ip_address, ip_network

from tracer.lab import cni, overlay
from tracer.lab.faults.bridge import BRIDGE
from tracer.lab.faults.fault import (
    RECEIVER,
    Fault,
    Plan,
    node,
)
from tracer.lab.faults.pod import POD, forget_address, give_address, host_veth, report_address
from tracer.lab.plan import made_up_mac
from tracer.lab.shell import bridge, ip, run_in_node, write_in_node

OTHER_CONF = "/etc/cni/net.d/10-bridge.conf"
"""Sorts before 10-flannel.conflist."""
OTHER_BRIDGE = "cnio0"
OTHER_NETWORK = "10.200.2.0/24"
OTHER_GATEWAY = "10.200.2.1/24"
OTHER_ADDRESS = "10.200.2.2"
OTHER = {
    "cniVersion": "0.4.0",
    "name": "bridge",
    "type": "bridge",
    "bridge": OTHER_BRIDGE,
    "isGateway": True,
    "ipMasq": False,
    "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": OTHER_NETWORK}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    },
}
"""As kubernetes-the-hard-way writes it."""


def other_cni_config(plan: Plan) -> None:
    """node-b has a CNI configuration that sorts before flannel's, and pod-b was made by it.

    What the bridge plugin then does: a bridge of its own, an address of its own range, a default
    route. flannel's plugin was never called for pod-b, so none of its files tells of it.
    """
    pod = node(plan, RECEIVER).pods[0]
    write_in_node(RECEIVER, OTHER_CONF, json.dumps(OTHER, indent=2) + "\n")
    ip(
        RECEIVER,
        [
            f"link add {OTHER_BRIDGE} address {made_up_mac(OTHER_BRIDGE)} type bridge",
            f"address add {OTHER_GATEWAY} brd + dev {OTHER_BRIDGE}",
            f"link set {OTHER_BRIDGE} up",
            f"link set {host_veth()} master {OTHER_BRIDGE}",
        ],
    )
    forget_address(plan)
    ip(
        POD,
        [
            f"address add {OTHER_ADDRESS}/24 brd + dev eth0",
            f"route add default via {OTHER_GATEWAY.partition('/')[0]} dev eth0",
        ],
    )
    reservation = f"/var/lib/cni/networks/bridge/{OTHER_ADDRESS}"
    write_in_node(RECEIVER, reservation, f"{pod.container_id}\r\neth0")
    report_address(OTHER_ADDRESS)


def heal_other_cni_config(plan: Plan) -> None:
    """Remove it, and make pod-b's network by flannel's configuration again."""
    run_in_node(RECEIVER, ["rm", "-rf", OTHER_CONF, "/var/lib/cni/networks/bridge"])
    ip(POD, ["address flush dev eth0 scope global"])
    ip(RECEIVER, [f"link set {host_veth()} master {BRIDGE}"])
    bridge(RECEIVER, [f"link set dev {host_veth()} hairpin on"])
    if OTHER_BRIDGE in overlay.links(RECEIVER):
        ip(RECEIVER, [f"link delete {OTHER_BRIDGE}"])
    give_address(plan)


def hostlocal_exhausted(plan: Plan) -> None:
    """node-b's host-local has reserved every address: hundreds of sandboxes went without a DEL."""
    planned = node(plan, RECEIVER)
    lines = []
    for address in _free(plan):
        sandbox = hashlib.blake2s(f"sandbox/gone/{address}".encode()).hexdigest()
        lines.append(f"printf '{sandbox}\\r\\neth0' > {address}")
    script = "\n".join([f"cd {cni.HOST_LOCAL}", *lines])
    run_in_node(planned.name, ["/bin/sh", "-e"], text=script)


def heal_hostlocal_exhausted(plan: Plan) -> None:
    """Remove the reservations of sandboxes that are gone."""
    words = " ".join(_free(plan))
    run_in_node(RECEIVER, ["/bin/sh", "-e"], text=f"cd {cni.HOST_LOCAL}\nrm -f {words}\n")


def _free(plan: Plan) -> list[str]:
    """All that could be given on node-b but what its pods have."""
    planned = node(plan, RECEIVER)
    taken = {ip_address(planned.gateway), *(ip_address(pod.ip) for pod in planned.pods)}
    return [str(each) for each in ip_network(planned.pod_cidr).hosts() if each not in taken]


FAULTS = (
    Fault(other_cni_config, heal_other_cni_config),
    Fault(
        hostlocal_exhausted,
        heal_hostlocal_exhausted,
        spares="pods that run already have their addresses",
    ),
)
