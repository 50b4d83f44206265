"""A changed lease on its way to the tables and the programs: what is seen meanwhile is no fault."""

from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address, ip_network

from tracer.core.decode import decode
from tracer.core.promised import without_promised
from tracer.model.lease import Lease
from tracer.model.observation import Direction
from tracer.model.state import NodeState
from tracer.model.watch import Deviating, Kind

SETTLES_NS = 1_000_000_000
"""flanneld writes within milliseconds of a change, on a busy machine within 0.7 s; the programs
know of it a moment later. A fault goes on longer than that, and so do its packets."""

REMEMBERED_NS = 300_000_000_000
"""Evidence is let go earlier."""


class UnderWay:
    """When whose lease changed last. Times are those of whoever diagnoses, in nanoseconds."""

    def __init__(self) -> None:
        self._changed: dict[str, int] = {}

    def learn(self, now: int, nodes: Iterable[str]) -> None:
        """Their leases are others now."""
        self._changed = {
            node: since for node, since in self._changed.items() if now - since < REMEMBERED_NS
        } | dict.fromkeys(nodes, now)

    def settled(
        self, state: NodeState, read: int, leases_of: Callable[[str], Iterable[Lease]]
    ) -> NodeState:
        """The state, in which peers whose lease changed since it was read count as having all.

        Whether they have is told by a later one, which a node reads if it finds that they have not.
        """
        fresh = {
            node
            for node, since in self._changed.items()
            if since > read - SETTLES_NS and node != state.node
        }
        if not fresh:
            return state
        leases = [lease for node in sorted(fresh) for lease in leases_of(node)]
        return without_promised(state, leases, fresh)

    def over(
        self,
        pieces: Iterable[Deviating],
        leases_of: Callable[[str], Iterable[Lease]],
        ports: frozenset[int],
    ) -> Iterator[Deviating]:
        """Those that are more than that. `pieces`: with their times by the same clock.

        `ports`: those of VXLAN.
        """
        for one in pieces:
            since = one.last_ns - SETTLES_NS
            if one.kind is Kind.NO_LEASE:
                fresh = (node for node, changed in self._changed.items() if changed >= since)
                if not _leased(one, ports, (lease for node in fresh for lease in leases_of(node))):
                    yield one
            elif one.peer is None or self._changed.get(one.peer, since - 1) < since:
                yield one


def _leased(one: Deviating, ports: frozenset[int], leases: Iterable[Lease]) -> bool:
    """The address is somebody's by now."""
    inner = decode(one.seen, ports).inner if one.seen is not None else None
    if inner is None:
        return False
    address = ip_address(inner.dst if one.direction is Direction.OUT else inner.src)
    return any(lease.pod_cidr and address in ip_network(lease.pod_cidr) for lease in leases)
