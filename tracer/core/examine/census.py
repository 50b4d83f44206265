"""Every node's routes, neighbours and FDB entries held against every peer's lease, quickly.

A thousand nodes have three million entries: each is looked at once, by dictionaries that live for
one node, and only what differs is kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from tracer.core.compare import UNRESOLVED
from tracer.core.expect import Expectation, expectation
from tracer.core.facts import Facts, MissingFact
from tracer.core.routes import LOCAL
from tracer.model.packet import Ip, Mac, Net
from tracer.model.state import NodeState, Route


@dataclass
class Census:
    """How much was compared, and the (sender, receiver) pairs of which something differs."""

    family: int
    routes: int = 0
    neighbours: int = 0
    fdb: int = 0
    odd: dict[tuple[str, str], Ip | None] = field(default_factory=dict)
    """The pair -> an address of the receiver that shows it; None: any does."""


def census(facts: Facts, family: int) -> Census:
    """All nodes that were read, in one family."""
    found = Census(family)
    promised = [
        expected
        for lease in facts.leases
        if lease.family == family and (expected := expectation(lease)) is not None
    ]
    owners = _Owners(promised, family)
    direct = facts.net_conf is None or facts.net_conf.direct_routing
    for node, state in facts.bundle.nodes.items():
        try:
            facts.tables(node, "routes", "neighbours", "fdb", "links")
            vtep = facts.vtep(node, family)
        except MissingFact:
            continue
        peers = [expected for expected in promised if expected.node != node]
        index = vtep.ifindex if vtep is not None else 0
        _count(found, node, _Entries(state, index, family), peers, direct)
        for receiver, inside in owners.narrower(state):
            # A node's own pods are as little reached by others as by itself.
            sender = node if node != receiver else _another(facts, node)
            found.odd[(sender, receiver)] = inside
    known = {lease.node for lease in facts.leases if lease.family == family and lease.pod_cidr}
    for node in facts.bundle.nodes:
        if node not in known:
            # Nobody can say what its pods' addresses are.
            others = [other for other in facts.bundle.nodes if other != node]
            found.odd |= dict.fromkeys((other, node) for other in others)
            found.odd |= dict.fromkeys((node, other) for other in others)
    return found


def _another(facts: Facts, node: str) -> str:
    """A node that was read beside this one; itself, where it is alone."""
    return next((other for other in facts.bundle.nodes if other != node), node)


class _Entries:
    """One node's entries by what they are asked for. Routes: only of the main table."""

    def __init__(self, state: NodeState, vtep: int, family: int) -> None:
        self.vtep = vtep
        six = family == 6
        self.routes: Mapping[Net, Route] = {
            route.destination: route
            for route in reversed(state.routes)
            if route.table != LOCAL and (":" in route.destination) is six
        }
        self.neighbours: Mapping[Ip, Mac | None] = {
            entry.ip: entry.mac
            for entry in state.neighbours
            if entry.ifindex == vtep and entry.state not in UNRESOLVED
        }
        self.fdb: Mapping[Mac, Ip | None] = {
            entry.mac: entry.dst for entry in state.fdb if entry.ifindex == vtep
        }


def _count(
    found: Census, node: str, entries: _Entries, peers: Sequence[Expectation], direct: bool
) -> None:
    for peer in peers:
        route = entries.routes.get(peer.pod_cidr)
        found.routes += 1
        if route is not None and direct and route.gateway == peer.public_ip:
            continue
        found.neighbours += 1
        found.fdb += 1
        mac = entries.neighbours.get(peer.gateway)
        if (
            route is None
            or route.ifindex != entries.vtep
            or route.gateway != peer.gateway
            or mac is None
            or (peer.vtep_mac is not None and mac != peer.vtep_mac)
            or entries.fdb.get(mac) is None
            or (peer.public_ip is not None and entries.fdb[mac] != peer.public_ip)
        ):
            found.odd[(node, peer.node)] = None


class _Owners:
    """Whose subnet a route lies in."""

    def __init__(self, promised: Sequence[Expectation], family: int) -> None:
        self.nets: Mapping[Net, str] = {expected.pod_cidr: expected.node for expected in promised}
        self._lengths = sorted({ip_network(net).prefixlen for net in self.nets})
        self._family = family

    def narrower(self, state: NodeState) -> Iterator[tuple[str, Ip]]:
        """(receiver, address) of routes inside a lease's subnet: they win over flannel's own."""
        for route in state.routes:
            if route.table != LOCAL and route.destination not in self.nets:
                yield from self._inside(route.destination)

    def _inside(self, destination: Net) -> Iterator[tuple[str, Ip]]:
        try:
            inside = ip_network(destination)
        except ValueError:
            return
        if inside.version != self._family:
            return
        for length in self._lengths:
            if length < inside.prefixlen:
                owner = self.nets.get(str(inside.supernet(new_prefix=length)))
                if owner is not None:
                    # Like a pod's: the first ones are the node's own.
                    last = max(inside.num_addresses - 2, 0)
                    yield owner, str(inside.network_address + last)
