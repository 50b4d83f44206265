"""A stand-in for flanneld, not flanneld: it computes what flanneld would write, and writes it.

It runs when the lab asks, never by itself: it has no watch on the API. What it writes is as
flannel v0.28.9's source has it (pkg/backend/vxlan: vxlan.go, device.go, vxlan_network.go).
"""

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass

from tracer.lab.shape import PLAIN
from tracer.lab.shell import bridge, ip, run, set_sysctls, write_in_node

PREFIX = PLAIN.prefix
DEFAULT_PORT = 8472
ENCAPSULATION = 50
"""Bytes that flannel subtracts for VXLAN, whatever the family (vxlan_network.go:47)."""
SUBNET_ENV = "/run/flannel/subnet.env"
VXLAN = "vxlan"
_NETWORK = {4: "Network", 6: "IPv6Network"}
_DATA = {4: "backend-data", 6: "backend-v6-data"}
_PUBLIC_IP = {4: "public-ip", 6: "public-ipv6"}


@dataclass(frozen=True)
class Backend:
    """net-conf.json, as far as the lab uses it, in one address family."""

    network: str
    vni: int
    port: int
    mtu: int
    family: int = 4
    gbp: bool = False
    direct_routing: bool = False
    kind: str = VXLAN

    @property
    def device(self) -> str:
        """`flannel.<VNI>` (vxlan.go:205), `flannel-v6.<VNI>` (233)."""
        return f"flannel{'-v6' if self.family == 6 else ''}.{self.vni}"


@dataclass(frozen=True)
class Vtep:
    """One node's vxlan device, as flanneld makes it; what a host-gw node has in its place."""

    backend: Backend
    mac: str
    local: str
    uplink: str
    pod_cidr: str
    overwrite: str | None = None
    """public-ip-overwrite."""

    @property
    def mtu(self) -> int:
        """The uplink's (or the configured) MTU less the encapsulation (device.go:63)."""
        return self.backend.mtu - (ENCAPSULATION if self.backend.kind == VXLAN else 0)


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


def read_net_conf(text: str, uplink_mtu: int, family: int = 4) -> Backend:
    """Read net-conf.json with flannel's defaults (vxlan.go:159-166; port 0 is the kernel's)."""
    conf = json.loads(text)
    backend = {str(key).lower(): value for key, value in conf["Backend"].items()}
    return Backend(
        network=conf[_NETWORK[family]],
        vni=backend.get("vni", 1),
        port=backend.get("port", 0) or DEFAULT_PORT,
        mtu=backend.get("mtu", 0) or uplink_mtu,
        family=family,
        gbp=backend.get("gbp", False),
        direct_routing=backend.get("directrouting", False),
        kind=backend["type"],
    )


def annotation(prefix: str, name: str) -> str:
    """A key, by the prefix that flanneld was given (annotations.go:36-76)."""
    return f"{prefix}-{name}" if "/" in prefix else f"{prefix}/{name}"


def annotations(vtep: Vtep, prefix: str = PREFIX, *, with_vni: bool = True) -> dict[str, str]:
    """What AcquireLease writes on the own Node, by a patch of nodes/<name>/status."""
    backend = vtep.backend
    data: object = None  # host-gw publishes nothing, as `null`
    if backend.kind == VXLAN:
        data = ({"VNI": backend.vni} if with_vni else {}) | {"VtepMAC": vtep.mac}
    notes = {
        _DATA[backend.family]: json.dumps(data, separators=(",", ":")),
        "backend-type": backend.kind,
        "kube-subnet-manager": "true",
        _PUBLIC_IP[backend.family]: vtep.overwrite or vtep.local,
    }
    return {annotation(prefix, name): value for name, value in notes.items()}


def create_device(node: str, vtep: Vtep, index: int | None = None) -> None:
    """Make flannel.<VNI> with its MAC at once, address it, bring it up (device.go:59-147).

    txqueuelen 0: flannel's netlink library sends it so. The index is the kernel's choice unless
    given. An IPv6 device on an uplink of 1500 gets at most 1430 from the kernel, unasked.
    """
    name = vtep.backend.device
    numbered = "" if index is None else f" index {index}"
    bits = 128 if vtep.backend.family == 6 else 32
    ip(
        node,
        [
            f"link add {name}{numbered} address {vtep.mac} mtu {vtep.mtu} txqueuelen 0 type vxlan"
            f" id {vtep.backend.vni} local {vtep.local} dev {vtep.uplink}"
            f" dstport {vtep.backend.port} nolearning{' gbp' if vtep.backend.gbp else ''}"
        ],
    )
    set_sysctls(node, {f"net/ipv6/conf/{name}/accept_ra": "0"})
    ip(
        node,
        [
            f"address add {network_address(vtep.pod_cidr)}/{bits} dev {name}",
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


def direct_route(peer: Peer) -> str:
    """The only thing that DirectRouting (vxlan_network.go:299-309) and host-gw write."""
    return f"route replace {peer.pod_cidr} via {peer.public_ip}"


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
    family = "-6" if "-v6" in device else "-4"
    known = json.loads(
        run(["ip", "-n", node, family, "-j", "neigh", "show", "dev", device]) or "[]"
    )
    vteps = {peer.vtep_ip for peer in peers}
    ip(
        node,
        [f"neigh del {each['dst']} dev {device}" for each in known if each["dst"] not in vteps],
    )
    add_peers(node, device, peers)


def write_subnet_env(node: str, *vteps: Vtep) -> None:
    """pkg/subnet/subnet.go:70-92. One VTEP for each family."""
    lines: dict[str, object] = {}
    for vtep in vteps:
        net = ipaddress.ip_network(vtep.pod_cidr)
        word = "IPV6_" if net.version == 6 else ""
        lines[f"FLANNEL_{word}NETWORK"] = vtep.backend.network
        lines[f"FLANNEL_{word}SUBNET"] = f"{net.network_address + 1}/{net.prefixlen}"
    lines |= {"FLANNEL_MTU": vteps[0].mtu, "FLANNEL_IPMASQ": "true"}
    text = "".join(f"{key}={value}\n" for key, value in lines.items())
    write_in_node(node, SUBNET_ENV, text)
