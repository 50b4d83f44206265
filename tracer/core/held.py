"""What a node's kernel is to hold its peers' packets against: every lease, and the node's own."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_network

from tracer.core.expect import expectation
from tracer.core.leases import NetConfRead
from tracer.model.lease import Lease
from tracer.model.packet import Ip, Mac, Net
from tracer.model.record import Record
from tracer.model.state import Link

USUAL_PORTS = (4789, 8472)
"""IANA's, which is also that of flannel on Windows, and the Linux kernel's."""


EVERY_NS = 100_000_000
"""At most ten records a second of one kind and peer."""


class HeldPeer(Record, frozen=True, kw_only=True):
    """One peer's lease in one family, as the programs know it."""

    node: str
    subnet: Net
    vtep_mac: Mac | None
    """None: the lease has none, and no MAC is held against it."""
    public_ip: Ip | None
    """None: not published, or not the address by which this node sees the peer."""
    plain: bool
    """Packets without encapsulation are right, too: DirectRouting, or a backend that has none."""


class HeldOwn(Record, frozen=True, kw_only=True):
    """This node's end of the overlay in one family: the device as it is, whatever it publishes."""

    family: int
    subnet: Net
    vtep_ip: Ip
    """flannel.1's own address: packets from and to it are the node's, no pod's."""
    mac: Mac | None
    local: Ip | None
    """The outer source address that the device is made with."""
    vni: int
    port: int


class Held(Record, frozen=True, kw_only=True):
    """Everything that one node's kernel holds."""

    networks: tuple[Net, ...]
    """The cluster's, at most one of each family."""
    ports: tuple[int, ...]
    """UDP destination ports that may carry VXLAN, the right one among them."""
    own: tuple[HeldOwn, ...]
    peers: tuple[HeldPeer, ...]


def held(
    node: str, leases: Iterable[Lease], conf: NetConfRead, vteps: Mapping[int, Link | None]
) -> Held:
    """`vteps`: family -> the node's VXLAN device, None where there is none.

    A lease that flannel's peers would ignore is not held: traffic with it is traffic without one.
    """
    leases = tuple(leases)
    own = held_own((lease for lease in leases if lease.node == node), conf, vteps)
    peers = (held_peer(lease, conf) for lease in leases if lease.node != node)
    return held_with(conf, own, [peer for peer in peers if peer is not None])


def held_with(conf: NetConfRead, own: tuple[HeldOwn, ...], peers: Sequence[HeldPeer]) -> Held:
    """With what both are made of."""
    networks = (conf.network if conf.enable_ipv4 else None, conf.network_v6)
    return Held(
        networks=tuple(net for net in networks if net is not None),
        ports=tuple(sorted({*USUAL_PORTS, conf.port, *(one.port for one in own)})),
        own=own,
        peers=tuple(peers),
    )


def held_own(
    leases: Iterable[Lease], conf: NetConfRead, vteps: Mapping[int, Link | None]
) -> tuple[HeldOwn, ...]:
    """By a node's own leases."""
    found = (_own(lease, conf, vteps.get(lease.family)) for lease in leases)
    return tuple(one for one in found if one is not None)


def _own(lease: Lease, conf: NetConfRead, vtep: Link | None) -> HeldOwn | None:
    if lease.pod_cidr is None:
        return None
    subnet = ip_network(lease.pod_cidr, strict=False)
    device = vtep.vxlan if vtep is not None else None
    return HeldOwn(
        family=lease.family,
        subnet=str(subnet),
        vtep_ip=str(subnet.network_address),
        mac=vtep.mac if vtep is not None else lease.vtep_mac,
        local=device.local if device is not None else lease.public_ip,
        vni=device.vni if device is not None else conf.vni,
        port=device.port if device is not None else conf.port,
    )


def held_peer(lease: Lease, conf: NetConfRead) -> HeldPeer | None:
    """None: flannel's peers would ignore it."""
    expected = expectation(lease)
    if expected is None:
        return None
    return HeldPeer(
        node=lease.node,
        subnet=expected.pod_cidr,
        vtep_mac=expected.vtep_mac,
        # a peer behind NAT is reached by the one address and seen with another
        public_ip=None if lease.public_ip_overwrite is not None else expected.public_ip,
        plain=conf.direct_routing,
    )
