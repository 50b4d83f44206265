"""The thousands of nodes that are no more than leases: their names, addresses and API objects."""

from ipaddress import IPv4Address
from typing import Any, NamedTuple

from tests.soak.wide import WIDE
from tracer.lab import flanneld, overlay

UNDERLAY = "172.16.0.0/12"
"""Where they all have their addresses: behind the switch, which answers for them."""

_FIRST_SUBNET = int(IPv4Address("10.225.0.0"))
_FIRST_ADDRESS, _OTHER_ADDRESS = int(IPv4Address("172.16.0.1")), int(IPv4Address("172.24.0.1"))

GOING, RENEWED, MOVED = range(200), range(200, 300), range(300, 600)
"""Nodes that leave and are replaced (nobody sends to them), such as get another MAC, and such as
get another address. The rest only is there."""

_IMAGES = [
    {"names": [f"registry.example/team/image-{number}@sha256:{number:064x}"], "sizeBytes": 10**8}
    for number in range(20)
]
"""Most of a real Node object: nobody here reads it."""


class Peer(NamedTuple):
    """One node, as it is at the moment."""

    number: int
    renewed: bool = False
    """Its VTEP has its second MAC."""
    moved: bool = False
    """It has its second address."""
    joined: int = 0
    """How often another node has taken its place."""

    @property
    def name(self) -> str:
        """What the cluster calls it."""
        return f"peer-{self.number:04d}" + (f"-{self.joined}" if self.joined else "")

    @property
    def subnet(self) -> str:
        """Its pods'."""
        return f"{IPv4Address(_FIRST_SUBNET + (self.number << 8))}/24"

    @property
    def mac(self) -> str:
        """Its VTEP's."""
        high, low = self.number >> 8, self.number & 255
        return f"02:50:{self.renewed:02x}:{self.joined & 255:02x}:{high:02x}:{low:02x}"

    @property
    def address(self) -> str:
        """On the underlay."""
        return str(IPv4Address((_OTHER_ADDRESS if self.moved else _FIRST_ADDRESS) + self.number))

    @property
    def pod(self) -> str:
        """The address of a pod there."""
        return str(IPv4Address(_FIRST_SUBNET + (self.number << 8) + 2))

    @property
    def lease(self) -> flanneld.Peer:
        """As others' flanneld has it."""
        return flanneld.Peer(self.name, self.subnet, self.mac, self.address)

    def published(self) -> dict[str, str]:
        """What its flanneld annotates."""
        vtep = flanneld.Vtep(
            overlay.healthy_backend(WIDE), self.mac, self.address, WIDE.uplink, self.subnet
        )
        return flanneld.annotations(vtep)

    def addresses(self) -> list[dict[str, str]]:
        """What its kubelet reports."""
        return [
            {"type": "InternalIP", "address": self.address},
            {"type": "Hostname", "address": self.name},
        ]

    def node(self) -> dict[str, Any]:
        """Its Node object before flanneld runs there."""
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": {"kubernetes.io/os": "linux"}},
            "spec": {"podCIDR": self.subnet, "podCIDRs": [self.subnet]},
            "status": {
                "addresses": self.addresses(),
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
                "images": _IMAGES,
            },
        }


def number_of(pod: str) -> int:
    """Whose address it is."""
    return (int(IPv4Address(pod)) - _FIRST_SUBNET) >> 8
