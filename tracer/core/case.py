"""One case: everything recorded, with what was read out of it, as the rules see it.

A rule looks at one way (request or reply) through a `WayView`.
"""

from functools import cached_property
from ipaddress import ip_address, ip_network

from tracer.core.end import WayEnd, where_most_ended
from tracer.core.facts import Facts, MissingFact
from tracer.core.tables import RouteAnswer, Tables
from tracer.model.bundle import Bundle
from tracer.model.lease import Lease
from tracer.model.observation import Device, Direction
from tracer.model.packet import Ip, Mac
from tracer.model.path import Path, Way
from tracer.model.request import End, EndKind, ProbeKind, Request
from tracer.model.state import FdbEntry, Link, Neighbour

__all__ = ["Case", "Crossing", "MissingFact", "WayView"]


class Crossing:
    """How a node's tables carry one way over the overlay: vtep, next hop, neighbour, FDB entry."""

    def __init__(self, tables: Tables, vtep: Link, gateway: Ip) -> None:
        self.vtep = vtep
        self.gateway = gateway
        self.neighbour: Neighbour | None = tables.neighbour(vtep.ifindex, gateway)
        mac = self.neighbour.mac if self.neighbour is not None else None
        self.mac: Mac | None = mac
        self.fdb: FdbEntry | None = tables.fdb(vtep.ifindex, mac) if mac is not None else None
        self.dst: Ip | None = self.fdb.dst if self.fdb is not None else None


class Case:
    """The facts of one recording as one pair of ends meets them, with the pair's packets."""

    def __init__(self, facts: Facts, request: Request, paths: tuple[Path, ...]) -> None:
        self.facts = facts
        self.bundle: Bundle = facts.bundle
        self.request = request
        self.predicted = request.predict
        """The paths are what the tables would do, and not what packets did."""
        self.paths = paths
        self.leases = facts.leases
        self.net_conf = facts.net_conf
        self.family: int = ip_address(request.destination.ip).version
        # The facts of one node, whatever the pair.
        self.state = facts.state
        self.tables = facts.tables
        self.why_silent = facts.why_silent
        self.flannel_pod = facts.flannel_pod
        self.api_node = facts.api_node
        self.owner_of = facts.owner_of

    @cached_property
    def ways(self) -> tuple["WayView", "WayView"]:
        """The request's way, and the reply's."""
        source, destination = self.request.source, self.request.destination
        return (
            WayView(self, Way.REQUEST, source, destination),
            WayView(self, Way.REPLY, destination, source),
        )

    @property
    def vni(self) -> int:
        """The overlay's VNI."""
        return self.facts.vni

    def lease(self, node: str) -> Lease:
        """A node's lease in the traced family. MissingFact: it published none."""
        return self.facts.lease(node, self.family)

    def vtep(self, node: str) -> Link | None:
        """The node's VTEP of the traced family."""
        return self.facts.vtep(node, self.family)


class WayView:
    """One way of the trace: packets of `sender` to `receiver`, and the tables that they meet."""

    def __init__(self, case: Case, way: Way, source: End, destination: End) -> None:
        self.case = case
        self.way = way
        self.source = source
        self.destination = destination
        self.sender = source.node
        self.receiver = destination.node
        self.paths = tuple(path for path in case.paths if path.way is way)
        self.src, self.dst = self._addresses()

    def _addresses(self) -> tuple[Ip, Ip]:
        """A host picks its own source address: where one is involved, the packets say which."""
        if self.paths and (self.source.host_network or self.destination.host_network):
            return self.paths[0].inner_id.src, self.paths[0].inner_id.dst
        return self.source.ip, self.destination.ip

    @property
    def crosses(self) -> bool:
        """This way leads from one node to another, to an address of the receiver's pod CIDR."""
        if self.sender == self.receiver:
            return False
        cidr = self.receiver_lease.pod_cidr
        return cidr is not None and ip_address(self.dst) in ip_network(cidr, strict=False)

    @cached_property
    def sender_lease(self) -> Lease:
        """What the sender published."""
        return self.case.lease(self.sender)

    @cached_property
    def receiver_lease(self) -> Lease:
        """What the receiver published."""
        return self.case.lease(self.receiver)

    @property
    def sender_tables(self) -> Tables:
        """MissingFact: the sender's state was not read."""
        return self.case.tables(self.sender, "routes", "rules", "neighbours", "fdb", "links")

    @property
    def receiver_tables(self) -> Tables:
        """MissingFact: the receiver's state was not read."""
        return self.case.tables(self.receiver, "links", "addresses")

    @cached_property
    def sender_vtep(self) -> Link | None:
        """The sender's flannel.1."""
        return self.case.vtep(self.sender)

    @cached_property
    def receiver_vtep(self) -> Link | None:
        """The receiver's flannel.1."""
        return self.case.vtep(self.receiver)

    @cached_property
    def route(self) -> RouteAnswer:
        """What the sender's rules and routes say to these packets."""
        tables = self.sender_tables
        bridge = tables.bridge() if self.from_pod else None
        return tables.route(self.dst, src=self.src, iif=bridge.ifname if bridge else None)

    @cached_property
    def crossing(self) -> Crossing | None:
        """None: this way does not leave by the sender's VTEP (one node, DirectRouting, no route).

        Then none of the VTEP's tables decides it.
        """
        if not self.crosses:
            return None
        tables, vtep = self.sender_tables, self.sender_vtep
        answer = self.route
        if vtep is None or answer.route is None or answer.route.ifindex != vtep.ifindex:
            return None
        return Crossing(tables, vtep, answer.route.gateway or self.dst)

    @property
    def unread(self) -> bool:
        """Nothing was read on one of its nodes: of that one its lease is all there is."""
        nodes = self.case.bundle.nodes
        return self.sender not in nodes or self.receiver not in nodes

    @cached_property
    def small(self) -> tuple[Path, ...]:
        """The ordinary ones: not that of full MTU, nor those that tried other sizes."""
        return tuple(path for path in self.paths if not self._of_other_size(path))

    @cached_property
    def full(self) -> tuple[Path, ...]:
        """The probe of the overlay's full MTU, or the reply to it."""
        return tuple(path for path in self.paths if self.is_full(path))

    def is_full(self, path: Path) -> bool:
        """`record` numbers the full-MTU probe after the `count` ordinary ones."""
        plan = self.case.request.plan
        return self._of_other_size(path) and plan is not None and path.seq == plan.count + 1

    def _of_other_size(self, path: Path) -> bool:
        """That of full MTU, and after it those that look for the size that passes."""
        plan = self.case.request.plan
        return (
            plan is not None
            and plan.full_mtu
            and plan.kind is ProbeKind.ICMP
            and path.seq is not None
            and path.seq > plan.count
        )

    @cached_property
    def end(self) -> WayEnd | None:
        """Where most failed packets ended; the full-MTU one counts when all others arrived."""
        return where_most_ended(self.small) or where_most_ended(self.full)

    @cached_property
    def wire_mac(self) -> Mac | None:
        """Inner destination MAC of the packets that came in at the receiver."""
        macs = [
            hop.packet.inner.dst_mac
            for path in self.paths
            for hop in path.hops
            if hop.node == self.receiver and hop.packet is not None and hop.packet.inner is not None
            if hop.direction is Direction.IN
            and (hop.device is Device.VTEP or hop.packet.outer is not None)
        ]
        return next((mac for mac in macs if mac is not None), None)

    def addressing(self) -> tuple[Crossing | None, Mac | None]:
        """(crossing, the MAC that the sender gives its frames); (None, None): does not cross.

        Where the sender's state was not read, the frames that came in tell. MissingFact: they do
        not either.
        """
        try:
            crossing = self.crossing
        except MissingFact:
            if self.wire_mac is None:
                raise
            return None, self.wire_mac
        return crossing, crossing.mac if crossing is not None else None

    @property
    def from_pod(self) -> bool:
        """The sender forwards these packets; they are not its own."""
        return self.source.kind is EndKind.POD and not self.source.host_network

    @property
    def to_pod(self) -> bool:
        """The receiver forwards these packets to a pod."""
        return self.destination.kind is EndKind.POD and not self.destination.host_network

    def reached(self, node: str, device: Device, direction: Direction) -> int:
        """How many packets were seen at a point."""
        return sum(
            any((h.node, h.device, h.direction) == (node, device, direction) for h in path.hops)
            for path in self.paths
        )
