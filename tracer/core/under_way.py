"""A changed lease on its way to the tables and the programs: what is seen meanwhile is no fault."""

from collections.abc import Callable, Iterable, Iterator

from tracer.core.promised import without_promised
from tracer.model.lease import Lease
from tracer.model.state import NodeState
from tracer.model.watch import Deviating

SETTLES_NS = 500_000_000
"""flanneld writes within milliseconds of a change, the programs know of it a moment later. A fault
goes on longer than that, and so do its packets."""

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

    def over(self, pieces: Iterable[Deviating]) -> Iterator[Deviating]:
        """Those that are more than that. `pieces`: with their times by the same clock."""
        for one in pieces:
            changed = self._changed.get(one.peer) if one.peer is not None else None
            if changed is None or one.last_ns > changed + SETTLES_NS:
                yield one
