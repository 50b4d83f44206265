"""What a rule may look at when it does not look at one way: a node by itself, the whole cluster."""

from collections.abc import Callable, Iterator
from functools import cached_property

from tracer.core.case import Crossing, WayView
from tracer.core.end import WayEnd
from tracer.core.facts import Facts, MissingFact
from tracer.core.suspects import spoken_of
from tracer.core.tables import Tables
from tracer.model.cluster import ClusterState, Node
from tracer.model.lease import Lease
from tracer.model.path import Way
from tracer.model.state import Link, NodeState

Stops = Callable[[WayView, WayEnd], bool]
"""Would this fault have ended a way's packets there?"""


class _View:
    """Facts, and the ways that were followed: in a trace two, in a check those of many pairs."""

    def __init__(self, facts: Facts, ways: tuple[WayView, ...]) -> None:
        self.facts = facts
        self.ways = ways

    @property
    def cluster(self) -> ClusterState:
        """What the API said."""
        return self.facts.bundle.cluster

    def stopped(self, stops: Stops) -> Way | None:
        """The first way whose packets ended as the fault makes them end; None: none did.

        Goes into a finding's `way` and, as `is not None`, into its `explains`.
        """
        way = self.stopped_way(stops)
        return way.way if way is not None else None

    def stopped_way(self, stops: Stops) -> WayView | None:
        """The same, whole: its end is evidence."""
        for way in self.ways:
            if way.end is not None and stops(way, way.end):
                return way
        return None


class NodeView(_View):
    """One node: what was read of it and what it published."""

    def __init__(self, facts: Facts, node: str, ways: tuple[WayView, ...]) -> None:
        super().__init__(facts, ways)
        self.node = node

    @property
    def state(self) -> NodeState:
        """MissingFact: nothing was read there."""
        return self.facts.state(self.node)

    def tables(self, *needed: str) -> Tables:
        """MissingFact: not recorded, or one of `needed` could not be read."""
        return self.facts.tables(self.node, *needed)

    @cached_property
    def api_node(self) -> Node | None:
        """Its Node object."""
        return self.facts.api_node(self.node)

    @cached_property
    def leases(self) -> tuple[Lease, ...]:
        """Its leases, one for each family."""
        return tuple(lease for lease in self.facts.leases if lease.node == self.node)

    def lease(self, family: int) -> Lease | None:
        """Its lease in one family."""
        return next((lease for lease in self.leases if lease.family == family), None)

    @cached_property
    def families(self) -> tuple[int, ...]:
        """Those that are traced; in a check those that the node has leases of."""
        traced = {way.case.family for way in self.ways}
        return tuple(sorted(traced or {lease.family for lease in self.leases}))

    def vtep(self, family: int) -> Link | None:
        """MissingFact: the devices were not read."""
        return self.facts.vtep(self.node, family)

    def vteps(self) -> Iterator[tuple[int, Link]]:
        """(family, device) of each family that has one."""
        for family in self.families:
            link = self.vtep(family)
            if link is not None:
                yield family, link

    def file(self, path: str) -> str | None:
        """A file's text; None: it was not found. MissingFact: nothing was read there."""
        return self.state.files.get(path)


class ClusterView(_View):
    """All nodes together: what the API says of them, and what was read on any."""

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """Names of all nodes, those of the API first."""
        named = (*(node.name for node in self.cluster.nodes), *self.facts.bundle.nodes)
        return tuple(dict.fromkeys(named))

    @cached_property
    def spoken_of(self) -> frozenset[str]:
        """The nodes of interest: a trace speaks of those at its ends, a check of all asked for, a
        watch of those, too, whose packets have shown something.
        """
        bundle = self.facts.bundle
        if bundle.request is not None:
            return frozenset((bundle.request.source.node, bundle.request.destination.node))
        named = bundle.check.nodes if bundle.check is not None else ()
        told = spoken_of(bundle.watched) if named else ()
        return frozenset((*named, *told) or self.nodes)

    @property
    def traced(self) -> frozenset[str]:
        """The nodes of the ways that were followed; a trace speaks of these."""
        return frozenset(node for way in self.ways for node in (way.sender, way.receiver))


__all__ = ["ClusterView", "Crossing", "MissingFact", "NodeView", "WayView"]
