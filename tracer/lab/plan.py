"""What the lab consists of: names and addresses, all of them fixed, so that outputs repeat."""

import hashlib
from dataclasses import dataclass

from tracer.lab.shape import PLAIN, Shape

NETWORK = PLAIN.network
UNDERLAY_PREFIX = 24
UPLINK = PLAIN.uplink
UPLINK_MTU = PLAIN.uplink_mtu
MOST_NODES = 20
FEWEST_NODES = 2


@dataclass(frozen=True)
class PlannedPod:
    """A pod with a network namespace of its own."""

    name: str
    node: str
    ips: tuple[str, ...]

    @property
    def ip(self) -> str:
        """Its address in the cluster's first family."""
        return self.ips[0]

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
class Stand:
    """Where a node stands in one address family: on the underlay, and in the overlay."""

    family: int
    address: str
    """Of the uplink."""
    prefix: int
    """Of the underlay's subnet."""
    public_ip: str
    """What peers are told: the address, or what NAT makes of it."""
    pod_cidr: str
    gateway: str
    """Of cni0."""
    vtep_mac: str

    @property
    def vtep_ip(self) -> str:
        """The address of flannel's device: the pod network's own (flannel vxlan.go:258)."""
        return self.pod_cidr.partition("/")[0]


@dataclass(frozen=True)
class PlannedNode:
    """A node: its lease (given by the controller manager), its uplink, its pods.

    What is said without a family is of the cluster's first one.
    """

    name: str
    number: int
    pods: tuple[PlannedPod, ...]
    shape: Shape = PLAIN

    def stand(self, family: int | None = None) -> Stand:
        """Its addresses in one family. KeyError: the cluster has not got that one."""
        n, shape = self.number, self.shape
        wanted = shape.families[0] if family is None else family
        if wanted not in shape.families:
            raise KeyError(wanted)
        if wanted == 6:
            net = shape.network6.partition("::")[0] + f":{n:x}::"
            mac = made_up_mac(f"flannel-v6.1/{self.name}")
            address = f"2001:db8::{10 + n}"
            return Stand(6, address, 64, address, f"{net}/64", f"{net}1", mac)
        net = shape.network.rsplit(".", 2)[0] + f".{n}."
        mac = made_up_mac(f"flannel.1/{self.name}")
        address = f"192.0.2.{10 + n}"
        public = f"203.0.113.{10 + n}" if shape.natted else address
        return Stand(4, address, UNDERLAY_PREFIX, public, f"{net}0/24", f"{net}1", mac)

    @property
    def stands(self) -> tuple[Stand, ...]:
        """One for each of the cluster's families."""
        return tuple(self.stand(family) for family in self.shape.families)

    @property
    def pod_cidr(self) -> str:
        """`spec.podCIDR`."""
        return self.stand().pod_cidr

    @property
    def gateway(self) -> str:
        """The address of cni0."""
        return self.stand().gateway

    @property
    def vtep_ip(self) -> str:
        """The address of flannel.1."""
        return self.stand().vtep_ip

    @property
    def address(self) -> str:
        """The address of the uplink."""
        return self.stand().address

    @property
    def uplink_mac(self) -> str:
        """The MAC of the uplink."""
        return f"52:54:00:c0:02:{10 + self.number:02x}"

    @property
    def vtep_mac(self) -> str:
        """The MAC of flannel.1."""
        return self.stand().vtep_mac


def made_up_mac(seed: str) -> str:
    """A MAC as flannel would make it (pkg/mac/mac.go:25: six random bytes, local, unicast).

    Drawn from the seed, so that every lab has the same ones.
    """
    raw = bytearray(hashlib.blake2s(seed.encode(), digest_size=6).digest())
    raw[0] = (raw[0] & 0xFE) | 0x02
    return ":".join(f"{byte:02x}" for byte in raw)


def planned(nodes: int, shape: Shape = PLAIN) -> tuple[PlannedNode, ...]:
    """The nodes of a lab of that size: node-a with two pods, every other one with one."""
    return tuple(_planned_node(number, shape) for number in range(1, nodes + 1))


def _planned_node(number: int, shape: Shape) -> PlannedNode:
    letter = chr(ord("a") + number - 1)
    names = [f"pod-{letter}", f"pod-{letter}2"] if number == 1 else [f"pod-{letter}"]
    empty = PlannedNode(name=f"node-{letter}", number=number, pods=(), shape=shape)
    pods = tuple(
        PlannedPod(
            name=name,
            node=empty.name,
            ips=tuple(_numbered(stand, 2 + index) for stand in empty.stands),
        )
        for index, name in enumerate(names)
    )
    return PlannedNode(name=empty.name, number=number, pods=pods, shape=shape)


def _numbered(stand: Stand, host: int) -> str:
    """The address that host-local gives: 1 is the gateway's, pods follow."""
    return f"{stand.gateway[:-1]}{host:{'x' if stand.family == 6 else 'd'}}"
