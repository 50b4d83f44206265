"""What flannel promises: the route, neighbour, FDB entry and VTEP that a peer's lease calls for.

flannel's own list (header comment of pkg/backend/vxlan/vxlan.go): for each remote host a route, a
static ARP entry, an FDB entry.
"""

from ipaddress import ip_address, ip_network

from tracer.core.leases import VXLAN, NetConfRead
from tracer.model.lease import Lease
from tracer.model.packet import Ip, Mac, Net
from tracer.model.record import Record
from tracer.model.state import Link, Route

_PUBLIC_IP = {4: "public-ip", 6: "public-ipv6"}
_DATA = {4: "backend-data", 6: "backend-v6-data"}


class Expectation(Record, frozen=True, kw_only=True):
    """What every other node's tables must hold for one node's lease."""

    node: str
    """Whose lease it is."""
    pod_cidr: Net
    gateway: Ip
    """The peer's flannel address: the first of its pod CIDR."""
    vtep_mac: Mac | None
    public_ip: Ip | None
    route_source: str
    mac_source: str
    ip_source: str
    """Where each part stands, such as `lease of node-b (spec.podCIDR)`."""


def promises(lease: Lease) -> bool:
    """Whether flannel's peers make anything of it."""
    return lease.pod_cidr is not None and lease.defect is None and lease.backend_type == VXLAN


def expectation(lease: Lease) -> Expectation | None:
    """None: the lease promises nothing that a table could hold."""
    if lease.pod_cidr is None or not promises(lease):
        return None
    # as leases have it, the network's own address is in it: 5,000 of them are read again and again
    gateway = lease.pod_cidr.partition("/")[0]
    key = lease.source.rpartition(" ")[2]
    prefix = key.removesuffix(_DATA[lease.family])
    return Expectation(
        node=lease.node,
        pod_cidr=lease.pod_cidr,
        gateway=gateway,
        vtep_mac=lease.vtep_mac,
        public_ip=lease.public_ip,
        route_source=f"lease of {lease.node} (spec.podCIDR)",
        mac_source=f"lease of {lease.node} ({key})",
        ip_source=f"lease of {lease.node} ({prefix}{_PUBLIC_IP[lease.family]})",
    )


def covers(expected: Expectation, ip: Ip) -> bool:
    """The address lies in the lease's subnet."""
    return ip_address(ip) in ip_network(expected.pod_cidr)


def leads_there(
    route: Route | None, expected: Expectation, vtep: Link | None, conf: NetConfRead | None
) -> bool:
    """By the VTEP to the peer's flannel address, or straight to its node where flannel may do so.

    DirectRouting is decided by each flanneld at the moment of each lease event: with it switched
    on, or with its switch unknown, both forms are right.
    """
    if route is None or route.kind != "unicast":
        return False
    if goes_direct(route, expected):
        return conf is None or conf.direct_routing
    return vtep is not None and (route.ifindex, route.gateway) == (vtep.ifindex, expected.gateway)


def goes_direct(route: Route | None, expected: Expectation) -> bool:
    """The route leads to the peer's underlay address: no neighbour nor FDB entry is due."""
    return route is not None and route.gateway is not None and route.gateway == expected.public_ip


def route_words(expected: Expectation, vtep: str) -> str:
    """The route that flanneld writes, as `ip route` prints it."""
    return f"{expected.pod_cidr} via {expected.gateway} dev {vtep} onlink"
