"""The shapes in which the lab can be built: what a flannel cluster may look like and be well.

Imports little: `lab exec` is hot.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tracer.errors import UsageError


def _vxlan() -> dict[str, Any]:
    return {"Type": "vxlan"}


@dataclass(frozen=True)
class Shape:
    """Everything that one cluster has otherwise than another. The defaults are the plain one."""

    name: str
    sentence: str
    families: tuple[int, ...] = (4,)
    """Address families, the pods' first one first."""
    network: str = "10.244.0.0/16"
    network6: str = "fd00:10:244::/56"
    backend: Mapping[str, Any] = field(default_factory=_vxlan)
    """`Backend` of net-conf.json, as somebody wrote it."""
    host_gw: tuple[str, ...] = ()
    """Nodes whose flanneld still runs the host-gw backend of an earlier net-conf.json."""
    prefix: str = "flannel.alpha.coreos.com"
    """--kube-annotation-prefix."""
    with_vni: bool = True
    """backend-data names the VNI; old flanneld left it out (rancher #16440)."""
    k3s: bool = False
    """flannel is part of the node's agent: no ConfigMap, no DaemonSet, files at other paths."""
    uplink: str = "eth0"
    """The device that flannel is bound to."""
    uplink_kind: str = "veth"
    """`veth`, `vlan` (on eth0) or `bond` (of eth0 and eth1)."""
    uplink_mtu: int = 1500
    nat_nic: bool = False
    """Each machine has Vagrant's NIC besides: the same address everywhere, the default route."""
    natted: bool = False
    """A router translates each node's address to a public one; peers are told that one."""
    nftables: bool = False
    """flannel writes nftables' rules and not iptables'."""
    services: bool = False
    """A Service, and kube-proxy's rules for it."""

    @property
    def net_conf(self) -> dict[str, Any]:
        """net-conf.json."""
        v4 = {"Network": self.network} if 4 in self.families else {"EnableIPv4": False}
        v6 = {"EnableIPv6": True, "IPv6Network": self.network6} if 6 in self.families else {}
        return {**v4, "EnableNFTables": self.nftables, **v6, "Backend": dict(self.backend)}

    @property
    def networks(self) -> tuple[str, ...]:
        """The pods' networks, one a family."""
        return tuple({4: self.network, 6: self.network6}[family] for family in self.families)

    def backend_type(self, node: str) -> str:
        """The backend that a node's flanneld runs."""
        return "host-gw" if node in self.host_gw else str(self.backend["Type"])


PLAIN = Shape("plain", "IPv4, vxlan with flannel's defaults, one NIC a node")

_ALL = (
    PLAIN,
    Shape(
        "ipv6",
        "IPv6 only, underlay and pods: flannel-v6.1, Backend.MTU 1480 to make room for its headers",
        families=(6,),
        backend={"Type": "vxlan", "MTU": 1480},
    ),
    Shape(
        "dual-stack",
        "IPv4 and IPv6: pods have both addresses, nodes have flannel.1 and flannel-v6.1",
        families=(4, 6),
        backend={"Type": "vxlan", "MTU": 1480},
    ),
    Shape(
        "direct-routing",
        "DirectRouting: nodes of one subnet route to each other, without VXLAN",
        backend={"Type": "vxlan", "DirectRouting": True},
    ),
    Shape(
        "vni-port",
        "VNI 4242 and UDP port 4789: the device is flannel.4242",
        backend={"Type": "vxlan", "VNI": 4242, "Port": 4789},
    ),
    Shape(
        "prefix",
        "annotations under another prefix: example.org/overlay-backend-data and so on",
        prefix="example.org/overlay",
    ),
    Shape("jumbo", "jumbo frames: the uplinks take 9000 bytes, the pods 8950", uplink_mtu=9000),
    Shape(
        "gbp",
        "VXLAN with the group based policy extension on all nodes",
        backend={"Type": "vxlan", "GBP": True},
    ),
    Shape(
        "k3s",
        "k3s: 10.42.0.0/16, flannel inside of its agent, no ConfigMap, no DaemonSet",
        network="10.42.0.0/16",
        k3s=True,
    ),
    Shape(
        "host-gw", "the host-gw backend on all nodes: no VXLAN at all", backend={"Type": "host-gw"}
    ),
    Shape(
        "mixed",
        "host-gw is left on node-c, which a change to vxlan has not reached yet",
        host_gw=("node-c",),
    ),
    Shape(
        "old-annotations",
        "backend-data without the VNI, as old flannel wrote it",
        with_vni=False,
    ),
    Shape(
        "nat",
        "nodes behind 1:1 NAT: public-ip-overwrite names addresses that no node has",
        natted=True,
    ),
    Shape(
        "two-nics",
        "two NICs: eth0 with Vagrant's one address and the default route, flannel on eth1",
        uplink="eth1",
        nat_nic=True,
    ),
    Shape(
        "vlan",
        "the uplink is a VLAN device: eth0.100",
        uplink="eth0.100",
        uplink_kind="vlan",
    ),
    Shape(
        "bond",
        "the uplink is a bond of two NICs, active-backup",
        uplink="bond0",
        uplink_kind="bond",
    ),
    Shape(
        "services",
        "a Service default/web of two pods, with kube-proxy's iptables rules on all nodes",
        services=True,
    ),
    Shape(
        "nftables", "flannel's firewall rules in nftables of its own, not iptables'", nftables=True
    ),
)
SHAPES: dict[str, Shape] = {shape.name: shape for shape in _ALL}


def shape_named(name: str) -> Shape:
    """The shape of that name. Raises UsageError."""
    found = SHAPES.get(name)
    if found is None:
        raise UsageError(f"no shape is called {name}", where="lab up", hint="flantrace lab shapes")
    return found
