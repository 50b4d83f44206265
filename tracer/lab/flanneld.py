"""A stand-in for flanneld, not flanneld: it computes what flanneld would write, and writes it.

It runs when the lab asks, never by itself: it has no watch on the API. What it writes is as
flannel v0.28.9's source has it (pkg/backend/vxlan: vxlan.go, device.go, vxlan_network.go).
"""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracer.lab.shell import bridge, ip, run, set_sysctls, write_in_node

PREFIX = "flannel.alpha.coreos.com"
DEFAULT_PORT = 8472
ENCAPSULATION = 50
"""Bytes that flannel subtracts for VXLAN (vxlan_network.go:47)."""
SUBNET_ENV = "/run/flannel/subnet.env"


@dataclass(frozen=True)
class Backend:
    """net-conf.json, as far as the lab uses it."""

    network: str
    vni: int
    port: int
    mtu: int

    @property
    def device(self) -> str:
        """`flannel.<VNI>` (vxlan.go:205)."""
        return f"flannel.{self.vni}"


@dataclass(frozen=True)
class Vtep:
    """One node's vxlan device, as flanneld makes it."""

    backend: Backend
    mac: str
    local: str
    uplink: str
    pod_cidr: str

    @property
    def mtu(self) -> int:
        """The uplink's (or the configured) MTU less the encapsulation (device.go:63)."""
        return self.backend.mtu - ENCAPSULATION


@dataclass(frozen=True)
class Peer:
    """What flanneld knows of another node: its lease."""

    node: str
    pod_cidr: str
    vtep_mac: str
    public_ip: str

    @property
    def vtep_ip(self) -> str:
        """The address that the peer's flannel device bears: its pod network's first."""
        return network_address(self.pod_cidr)


def network_address(cidr: str) -> str:
    """The address of a network itself: 10.244.1.0 of 10.244.1.0/24."""
    return str(ipaddress.ip_network(cidr).network_address)


def read_net_conf(text: str, uplink_mtu: int) -> Backend:
    """Read net-conf.json with flannel's defaults (vxlan.go:159-166; port 0 is the kernel's)."""
    conf = json.loads(text)
    backend = {str(key).lower(): value for key, value in conf["Backend"].items()}
    return Backend(
        network=conf["Network"],
        vni=backend.get("vni", 1),
        port=backend.get("port", 0) or DEFAULT_PORT,
        mtu=backend.get("mtu", 0) or uplink_mtu,
    )


def annotations(vtep: Vtep) -> dict[str, str]:
    """What AcquireLease writes on the own Node, by a patch of nodes/<name>/status."""
    data = json.dumps({"VNI": vtep.backend.vni, "VtepMAC": vtep.mac}, separators=(",", ":"))
    return {
        f"{PREFIX}/backend-data": data,
        f"{PREFIX}/backend-type": "vxlan",
        f"{PREFIX}/kube-subnet-manager": "true",
        f"{PREFIX}/public-ip": vtep.local,
    }


def peers_of(node: str, objects: Sequence[Mapping[str, Any]]) -> tuple[Peer, ...]:
    """The leases of all other nodes, read from their Node objects as flanneld reads them."""
    found = []
    for each in objects:
        notes = each["metadata"].get("annotations", {})
        if each["metadata"]["name"] == node or notes.get(f"{PREFIX}/backend-type") != "vxlan":
            continue
        found.append(
            Peer(
                node=each["metadata"]["name"],
                pod_cidr=each["spec"]["podCIDR"],
                vtep_mac=json.loads(notes[f"{PREFIX}/backend-data"])["VtepMAC"],
                public_ip=notes[f"{PREFIX}/public-ip"],
            )
        )
    return tuple(found)


def create_device(node: str, vtep: Vtep, index: int | None = None) -> None:
    """Make flannel.<VNI> with its MAC at once, address it, bring it up (device.go:59-147).

    txqueuelen 0: flannel's netlink library sends it so. The index is the kernel's choice unless
    given.
    """
    name = vtep.backend.device
    numbered = "" if index is None else f" index {index}"
    ip(
        node,
        [
            f"link add {name}{numbered} address {vtep.mac} mtu {vtep.mtu} txqueuelen 0 type vxlan"
            f" id {vtep.backend.vni} local {vtep.local} dev {vtep.uplink}"
            f" dstport {vtep.backend.port} nolearning"
        ],
    )
    set_sysctls(node, {f"net/ipv6/conf/{name}/accept_ra": "0"})
    ip(
        node,
        [
            f"address add {network_address(vtep.pod_cidr)}/32 dev {name}",
            f"link set {name} up",
        ],
    )


def delete_device(node: str, name: str) -> None:
    """Delete the vxlan device; its entries go with it."""
    ip(node, [f"link delete {name}"])


def add_peers(node: str, device: str, peers: Sequence[Peer]) -> None:
    """Write neighbour, FDB entry and route of each peer, in flannel's order (the route last)."""
    ip(node, [neighbour(device, peer) for peer in peers])
    bridge(node, [fdb_entry(device, peer) for peer in peers])
    ip(node, [route(device, peer) for peer in peers])


def neighbour(device: str, peer: Peer) -> str:
    """device.go:231-240: NeighSet, permanent."""
    return f"neighbour replace {peer.vtep_ip} lladdr {peer.vtep_mac} dev {device} nud permanent"


def fdb_entry(device: str, peer: Peer) -> str:
    """device.go:185-195: NeighSet, AF_BRIDGE, self, permanent."""
    return f"fdb replace {peer.vtep_mac} dev {device} dst {peer.public_ip} self permanent"


def route(device: str, peer: Peer) -> str:
    """vxlan_network.go:290-296: RouteReplace, onlink."""
    return f"route replace {peer.pod_cidr} via {peer.vtep_ip} dev {device} onlink"


def put_entries_right(node: str, device: str, peers: Sequence[Peer]) -> None:
    """Leave exactly the peers' permanent entries on the device: remove others, write these.

    More than a restart of flanneld does (that removes nothing): it undoes faults exactly.
    """
    shown = json.loads(run(["bridge", "-n", node, "-j", "fdb", "show", "dev", device]) or "[]")
    wanted = {(peer.vtep_mac, peer.public_ip) for peer in peers}
    bridge(
        node,
        [
            f"fdb del {each['mac']} dev {device} dst {each['dst']} self"
            for each in shown
            if "dst" in each and (each["mac"], each["dst"]) not in wanted
        ],
    )
    known = json.loads(run(["ip", "-n", node, "-4", "-j", "neigh", "show", "dev", device]) or "[]")
    vteps = {peer.vtep_ip for peer in peers}
    ip(
        node,
        [f"neigh del {each['dst']} dev {device}" for each in known if each["dst"] not in vteps],
    )
    add_peers(node, device, peers)


def write_subnet_env(node: str, vtep: Vtep) -> None:
    """pkg/subnet/subnet.go:70-92."""
    net = ipaddress.ip_network(vtep.pod_cidr)
    lines = {
        "FLANNEL_NETWORK": vtep.backend.network,
        "FLANNEL_SUBNET": f"{net.network_address + 1}/{net.prefixlen}",
        "FLANNEL_MTU": vtep.mtu,
        "FLANNEL_IPMASQ": "true",
    }
    text = "".join(f"{key}={value}\n" for key, value in lines.items())
    write_in_node(node, SUBNET_ENV, text)
