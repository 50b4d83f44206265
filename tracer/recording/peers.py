"""The addresses at which the nodes of one trace reach each other, and what agents are to watch."""

import ipaddress
from collections.abc import Mapping

from tracer import __version__
from tracer.core.leases import leases, net_conf
from tracer.core.sightings import USUAL_PORTS
from tracer.core.tables import Tables
from tracer.model.cluster import ClusterState
from tracer.model.lease import Lease
from tracer.model.message import PROTOCOL, Start
from tracer.model.packet import Ip
from tracer.model.request import EndKind, Request
from tracer.model.state import NodeState, Vxlan

VXLAN_PORT = 8472
"""The Linux kernel's default, which flannel leaves alone (flannel vxlan.go: Port 0)."""


class Peers:
    """As the API says, and as the nodes' own states show as soon as they are there."""

    def __init__(
        self, request: Request, cluster: ClusterState, nodes: Mapping[str, NodeState]
    ) -> None:
        self.request = request
        self._cluster = cluster
        self._nodes = nodes
        """Grows while agents speak."""
        self._family = ipaddress.ip_address(request.source.ip).version
        self.leases = tuple(one for one in leases(cluster) if one.family == self._family)
        """Of the address family that is traced."""

    def start(self, node: str, datagram_port: int) -> Start:
        """What the agent on one node of the pair is to watch."""
        request = self.request
        ends = (request.source, request.destination)
        others = {end.node for end in ends} - {node}
        lease_of = {lease.node: lease for lease in self.leases}
        peers = [lease_of[other] for other in sorted(others) if other in lease_of]
        return Start(
            protocol=PROTOCOL,
            version=__version__,
            node=node,
            pair=(request.source.ip, request.destination.ip),
            watch=not request.predict,
            pods=tuple(
                end.ip
                for end in ends
                if end.node == node and end.kind is EndKind.POD and not end.host_network
            ),
            peers=tuple(lease.public_ip for lease in peers if lease.public_ip is not None)
            or self._internal_ips(others),
            vxlan_ports=tuple(sorted(USUAL_PORTS | {self.vxlan_port()})),
            neighbours=tuple(_first(lease) for lease in peers if lease.pod_cidr is not None),
            datagram_port=datagram_port,
        )

    def vxlan_port(self) -> int:
        """What flannel is told, else the kernel's default."""
        read = net_conf(self._cluster, self._nodes.values())
        return (read.port if read is not None else None) or VXLAN_PORT

    def port_of(self, node: str) -> int:
        """The UDP port that a node's VTEP really sends to."""
        vtep = self._vtep(node)
        return vtep.port if vtep is not None else self.vxlan_port()

    def own_ip(self, node: str) -> Ip | None:
        """The node's own underlay address: behind NAT the published one is not its own."""
        vtep = self._vtep(node)
        return (vtep.local if vtep is not None else None) or self.public_ip(node)

    def public_ip(self, node: str) -> Ip | None:
        """The underlay address that the node's lease publishes."""
        return next((lease.public_ip for lease in self.leases if lease.node == node), None)

    def _vtep(self, node: str) -> Vxlan | None:
        """A node's VTEP in the address family that is traced."""
        state = self._nodes.get(node)
        link = Tables(state).vtep(None, self._family) if state is not None else None
        return link.vxlan if link is not None else None

    def _internal_ips(self, nodes: set[str]) -> tuple[Ip, ...]:
        """Where a peer has no lease: its InternalIPs, so that the uplink can still be found."""
        return tuple(
            ip
            for node in self._cluster.nodes
            if node.name in nodes
            for ip in node.internal_ips
            if ipaddress.ip_address(ip).version == self._family
        )


def _first(lease: Lease) -> Ip:
    return str(ipaddress.ip_network(lease.pod_cidr or "", strict=False).network_address)
