"""What flannel promises: the route, neighbour, FDB entry and VTEP that a peer's lease calls for.

flannel's own list (header comment of pkg/backend/vxlan/vxlan.go): for each remote host a route, a
static ARP entry, an FDB entry.
"""

from ipaddress import ip_network

from tracer.core.leases import VXLAN
from tracer.model.lease import Lease
from tracer.model.packet import Ip, Mac, Net
from tracer.model.record import Record


class Expectation(Record, frozen=True, kw_only=True):
    """What every other node's tables must hold for one node's lease."""

    node: str
    """Whose lease it is."""
    pod_cidr: Net
    gateway: Ip
    """The peer's flannel address: the first of its pod CIDR."""
    vtep_mac: Mac | None
    public_ip: Ip | None
    source: str


def expectation(lease: Lease) -> Expectation | None:
    """None: the lease promises nothing that a table could hold."""
    if lease.pod_cidr is None or lease.defect is not None or lease.backend_type != VXLAN:
        return None
    network = ip_network(lease.pod_cidr, strict=False)
    return Expectation(
        node=lease.node,
        pod_cidr=str(network),
        gateway=str(network.network_address),
        vtep_mac=lease.vtep_mac,
        public_ip=lease.public_ip,
        source=f"lease of {lease.node} ({lease.source.rpartition(' ')[2]})",
    )


def route_words(expected: Expectation, vtep: str) -> str:
    """The route that flanneld writes, as `ip route` prints it."""
    return f"{expected.pod_cidr} via {expected.gateway} dev {vtep} onlink"
