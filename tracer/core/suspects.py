"""Of all peers those that a node's ways are followed to: where something is odd, and one more."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from itertools import islice
from operator import attrgetter

from tracer.core.compare import UNRESOLVED
from tracer.core.leases import VXLAN
from tracer.core.routes import LOCAL
from tracer.model.lease import Lease
from tracer.model.packet import Ip, Mac, Net
from tracer.model.state import NodeState, Route
from tracer.model.watch import Watched

MOST = 8
"""Peers. What hits all of a node's packets shows on any of them."""


def suspects(
    leases: Sequence[Lease], states: Iterable[NodeState], watched: Watched | None = None
) -> tuple[str, ...]:
    """The peers of the nodes that were read, at most MOST, in the order of the leases.

    First those that the evidence speaks of, those of which an entry differs from the lease, those
    that share with another what each should have alone, those whose lease is defective. One of the
    others is always among them: by it what hits all packets of a node is found.
    """
    read = {state.node: state for state in states}
    peers = dict.fromkeys(lease.node for lease in leases if lease.node not in read)
    if len(peers) <= MOST:
        return tuple(peers)
    found: dict[str, None] = {}
    for node in (
        *spoken_of(watched),
        *(node for state in read.values() for node in _odd(leases, state)),
        *_alike(leases),
        *(lease.node for lease in leases if lease.defect is not None),
    ):
        if node in peers:
            found[node] = None
        if len(found) >= MOST - 1:
            break
    found |= dict.fromkeys(islice((node for node in peers if node not in found), 1))
    # so that a fault of many is told of the same one, whatever evidence comes and goes
    return tuple(node for node in peers if node in found)


def spoken_of(watched: Watched | None) -> Iterator[str]:
    """Whom a watch's packets speak of."""
    if watched is None:
        return
    spoken_of = [
        *((one.node, one.peer) for one in watched.deviating),
        *((one.node, one.peer) for one in watched.dropping),
    ]
    for node, peer in spoken_of:
        yield from (one for one in (peer, node) if one is not None)
    for gap in watched.gaps:
        yield from (gap.sender, gap.receiver, gap.peer)


def _odd(leases: Sequence[Lease], state: NodeState) -> Iterator[str]:
    """Peers of which an entry is not as the lease promises, or one too many: by dictionaries.

    Those that the state names as having all are not looked at: their entries are not in it.
    """
    well = frozenset(state.promised)
    for family in (4, 6):
        ours = [one for one in leases if one.family == family and one.node != state.node]
        if not ours:
            continue
        held = _Held(state, family)
        for lease in ours:
            if lease.node in well or lease.defect is not None or lease.backend_type != VXLAN:
                continue
            if held.differs(lease):
                yield lease.node
        yield from _inside({one.pod_cidr: one.node for one in ours if one.pod_cidr}, state.routes)


class _Held:
    """One node's entries in one family, by what they are asked for."""

    def __init__(self, state: NodeState, family: int) -> None:
        six = family == 6
        prefix = "flannel-v6." if six else "flannel."
        self._vteps = {
            link.ifindex
            for link in state.links
            if link.vxlan is not None and link.ifname.startswith(prefix)
        }
        self._routes: Mapping[Net, Route] = {
            route.destination: route
            for route in reversed(state.routes)
            if route.table != LOCAL and (":" in route.destination) is six
        }
        self._neighbours: Mapping[Ip, Mac | None] = {
            entry.ip: entry.mac
            for entry in state.neighbours
            if entry.ifindex in self._vteps and entry.state not in UNRESOLVED
        }
        self._fdb: Mapping[Mac, Ip | None] = {
            entry.mac: entry.dst for entry in state.fdb if entry.ifindex in self._vteps
        }

    def differs(self, lease: Lease) -> bool:
        """The route, the neighbour or the FDB entry of a peer is not as its lease promises."""
        cidr = lease.pod_cidr or ""
        route = self._routes.get(cidr)
        if route is None or route.kind != "unicast":
            return True
        if route.gateway == lease.public_ip:
            return False
        gateway = cidr.partition("/")[0]
        mac = self._neighbours.get(gateway)
        return (
            route.gateway != gateway
            or route.ifindex not in self._vteps
            or mac is None
            or mac != lease.vtep_mac
            or self._fdb.get(mac) != lease.public_ip
        )


def _inside(nets: Mapping[Net, str], routes: Iterable[Route]) -> Iterator[str]:
    """Whose subnet a route of another kind leads away a part of: it wins over flannel's own."""
    lengths = sorted({int(net.partition("/")[2]) for net in nets})
    for route in routes:
        if route.table == LOCAL or route.destination in nets:
            continue
        try:
            inside = ip_network(route.destination)
        except ValueError:
            continue
        for length in lengths:
            if length < inside.prefixlen:
                owner = nets.get(str(inside.supernet(new_prefix=length)))
                if owner is not None:
                    yield owner


def _alike(leases: Sequence[Lease]) -> Iterator[str]:
    """Nodes that share a VtepMAC, a public address or a pod CIDR with another."""
    for key in ("vtep_mac", "public_ip", "pod_cidr"):
        said = [value for value in map(attrgetter(key), leases) if value is not None]
        if len(said) == len(set(said)):
            continue  # as ever: the rest takes its time for thousands
        first: dict[tuple[int, str], str] = {}
        for lease in leases:
            value = getattr(lease, key)
            if value is None:
                continue
            other = first.setdefault((lease.family, value), lease.node)
            if other != lease.node:
                yield other
                yield lease.node
