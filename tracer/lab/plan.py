"""What the lab consists of: names and addresses, all of them fixed, so that outputs repeat."""

import hashlib
from dataclasses import dataclass

NETWORK = "10.244.0.0/16"
UNDERLAY_PREFIX = 24
UPLINK = "eth0"
UPLINK_MTU = 1500
MOST_NODES = 20
FEWEST_NODES = 2


@dataclass(frozen=True)
class PlannedPod:
    """A pod with a network namespace of its own."""

    name: str
    node: str
    ip: str

    @property
    def container_id(self) -> str:
        """The sandbox's id, 64 hex digits as a container runtime makes them."""
        return hashlib.blake2s(f"sandbox/{self.name}".encode()).hexdigest()

    @property
    def netns(self) -> str:
        """The name of its namespace below the node's /run/netns, as containerd would name it."""
        h = hashlib.blake2s(f"netns/{self.name}".encode(), digest_size=16).hexdigest()
        return f"cni-{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


@dataclass(frozen=True)
class PlannedNode:
    """A node: its lease (given by the controller manager), its uplink, its pods."""

    name: str
    number: int
    pods: tuple[PlannedPod, ...]

    @property
    def pod_cidr(self) -> str:
        """`spec.podCIDR`."""
        return f"10.244.{self.number}.0/24"

    @property
    def gateway(self) -> str:
        """The address of cni0."""
        return f"10.244.{self.number}.1"

    @property
    def vtep_ip(self) -> str:
        """The address of flannel.1: the pod network's own (flannel-facts: vxlan.go:258)."""
        return f"10.244.{self.number}.0"

    @property
    def address(self) -> str:
        """The address of the uplink."""
        return f"192.0.2.{10 + self.number}"

    @property
    def uplink_mac(self) -> str:
        """The MAC of eth0."""
        return f"52:54:00:c0:02:{10 + self.number:02x}"

    @property
    def vtep_mac(self) -> str:
        """The MAC of flannel.1."""
        return made_up_mac(f"flannel.1/{self.name}")


def made_up_mac(seed: str) -> str:
    """A MAC as flannel would make it (pkg/mac/mac.go:25: six random bytes, local, unicast).

    Drawn from the seed, so that every lab has the same ones.
    """
    raw = bytearray(hashlib.blake2s(seed.encode(), digest_size=6).digest())
    raw[0] = (raw[0] & 0xFE) | 0x02
    return ":".join(f"{byte:02x}" for byte in raw)


def planned(nodes: int) -> tuple[PlannedNode, ...]:
    """The nodes of a lab of that size: node-a with two pods, every other one with one."""
    return tuple(_planned_node(number) for number in range(1, nodes + 1))


def _planned_node(number: int) -> PlannedNode:
    letter = chr(ord("a") + number - 1)
    names = [f"pod-{letter}", f"pod-{letter}2"] if number == 1 else [f"pod-{letter}"]
    node = f"node-{letter}"
    pods = tuple(
        PlannedPod(name=name, node=node, ip=f"10.244.{number}.{2 + index}")
        for index, name in enumerate(names)
    )
    return PlannedNode(name=node, number=number, pods=pods)
