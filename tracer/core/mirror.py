"""Whose entries a node lacks, or has too many, told by the kernel's news: when it is worth a look.

A look reads all tables anew; this only says when. Of each entry no more than a number is kept:
5,000 peers have 15,000 entries.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from msgspec.structs import replace

from tracer.core.promised import Entry, promised_of, vteps_of
from tracer.core.routes import MAIN
from tracer.model.lease import Lease
from tracer.model.packet import Ip, Net
from tracer.model.state import Address, FdbEntry, Link, Neighbour, NodeState, Route, Rule

News: TypeAlias = Link | Address | Route | Rule | Neighbour | FdbEntry

LEFTOVERS = ""
"""Stands for all routes and neighbours at the VTEP that nobody's lease promises. FDB entries are
among them only while they are new: flanneld leaves those of earlier MACs for good."""


class Mirror:
    """One node's. Times are its own clock's, in nanoseconds."""

    def __init__(
        self, node: str, vteps: Mapping[int, Link], before: "Mirror | None" = None
    ) -> None:
        """`vteps`: family -> flannel's device.

        `before`, which is given up: what was odd by it and still is, is so since then.
        """
        self._since = dict(before.odd()) if before is not None else {}
        self._node = node
        self._vteps = vteps
        self._indexes = {link.ifindex for link in self._vteps.values()}
        self._entries: dict[int, int] = {}
        """What an entry is found by -> the entry; both as their hashes."""
        self._there: set[int] = set()
        self._direct: dict[Net, str | None] = {}
        """Subnet -> gateway of a route that is not by a VTEP."""
        self._promised: dict[int, str] = {}
        self._of: dict[str, tuple[tuple[int, ...], ...]] = {}
        """Peer -> its entries, of each family."""
        self._subnets: dict[Net, tuple[str, Ip | None]] = {}
        """Subnet -> its peer, and how that is reached without encapsulation."""
        self._extra: dict[int, int] = {}
        """Leftovers -> since when; 0: since they were read."""
        self._before: dict[int, int] = before._extra if before is not None else {}
        self._odd: dict[str, int] = {}
        if before is not None and _indexes(before._vteps) == _indexes(self._vteps):
            # what the leases promise is the same: of 5,000 it takes longer than all the rest
            self._promised, self._of = before._promised, before._of
            self._subnets = before._subnets

    def anew(self) -> "Mirror":
        """One for the same VTEPs, to be told all entries that there are, by `read`."""
        return Mirror(self._node, self._vteps, self)

    def read(self, entry: Entry) -> bool:
        """One of all entries that there are. Whether nobody's lease promises it."""
        self._write(0, entry)
        return hash(entry) not in self._promised

    def fits(self, state: NodeState) -> bool:
        """The VTEPs are those of the state."""
        return _indexes(self._vteps) == _indexes(vteps_of(state))

    def begin(self, now: int, leases: Mapping[str, Iterable[Lease]]) -> None:
        """All entries were read: `leases` as in `hold`, of all nodes."""
        if not self._of:
            self.hold(now, leases)
        for node in self._of:
            self._judge(now, node)
        for one, since in self._extra.items():
            if not since:
                self._extra[one] = self._before.get(one, now)
        # what comes from now on is new, whatever was before this reading
        self._before, self._since = {}, {}

    def hold(self, now: int, leases: Mapping[str, Iterable[Lease]]) -> None:
        """Node -> all its leases, as they are from now on: of one that is gone none."""
        for node, own in leases.items():
            if node == self._node:
                continue
            for entries in self._of.pop(node, ()):
                for one in entries:
                    self._promised.pop(one, None)
                for one in entries[:2]:
                    if one in self._there:
                        self._extra.setdefault(one, now)
            own = tuple(own)
            found = tuple(
                tuple(map(hash, entries))
                for _, entries in promised_of(self._node, self._vteps, own)
            )
            if found:
                self._of[node] = found
                self._subnets |= {one.pod_cidr or "": (node, one.public_ip) for one in own}
            for entries in found:
                for one in entries:
                    self._promised[one] = node
                    self._extra.pop(one, None)
            self._judge(now, node)

    def apply(self, now: int, gone: bool, entry: News) -> None:
        """One change of the node's tables."""
        if not isinstance(entry, Route | Neighbour | FdbEntry):
            return
        concerned = self._erase(entry) if gone else self._write(now, entry)
        if isinstance(entry, Route) and entry.destination in self._subnets:
            concerned.add(self._subnets[entry.destination][0])
        for node in concerned:
            self._judge(now, node)

    def odd(self) -> Mapping[str, int]:
        """Peers whose entries are not all there -> since when; LEFTOVERS -> since the last came."""
        return self._odd | {LEFTOVERS: max(self._extra.values())} if self._extra else self._odd

    def settled(self, state: NodeState, since: int) -> NodeState:
        """The state without leftovers that came after that."""
        young = {one for one, came in self._extra.items() if came > since}
        if not young:
            return state
        return replace(
            state,
            routes=tuple(one for one in state.routes if hash(one) not in young),
            neighbours=tuple(one for one in state.neighbours if hash(one) not in young),
            fdb=tuple(one for one in state.fdb if hash(one) not in young),
        )

    def named(self, state: NodeState, leases_of: Callable[[str], Iterable[Lease]]) -> NodeState:
        """A state of what `read` wanted, as core/promised.py has it.

        Peers that have all as promised are named; of others there is again what they have.
        """
        found = [
            entry
            for peer in self._odd
            for _, entries in promised_of(self._node, self._vteps, leases_of(peer))
            for entry in entries
            if hash(entry) in self._there
        ]
        return replace(
            state,
            routes=(*state.routes, *(one for one in found if isinstance(one, Route))),
            neighbours=(*state.neighbours, *(one for one in found if isinstance(one, Neighbour))),
            fdb=(*state.fdb, *(one for one in found if isinstance(one, FdbEntry))),
            promised=tuple(node for node in self._of if node not in self._odd),
        )

    @property
    def leftovers(self) -> int:
        """How many there are."""
        return len(self._extra)

    def promises(self, entry: News) -> bool:
        """Some lease promises just this entry."""
        return hash(entry) in self._promised

    def follows(self, entry: News) -> bool:
        """It is where flanneld writes: `odd` tells what is to be thought of it.

        Of a neighbour that goes the kernel says first that it is FAILED.
        """
        if isinstance(entry, Neighbour):
            return entry.ifindex in self._indexes
        return isinstance(entry, Route | FdbEntry) and self._is_ours(entry)

    def concerns(self, entry: News) -> bool:
        """It may be of moment for the overlay: not a neighbour that traffic made, nor a pod's."""
        if isinstance(entry, Route | Neighbour | FdbEntry):
            return entry.ifindex in self._indexes or isinstance(entry, Route)
        return True

    def _write(self, now: int, entry: Entry) -> set[str]:
        """Whom it concerns."""
        key, value = hash(_key(entry)), hash(entry)
        before = self._entries.get(key, value)
        concerned = self._leave(before) if before != value else set()
        self._entries[key] = value
        self._there.add(value)
        if isinstance(entry, Route) and entry.ifindex not in self._indexes:
            self._direct[entry.destination] = entry.gateway
        if value in self._promised:
            concerned.add(self._promised[value])
        elif self._is_ours(entry) and (now or not isinstance(entry, FdbEntry)):
            self._extra.setdefault(value, now)
        return concerned

    def _erase(self, entry: Entry) -> set[str]:
        if isinstance(entry, Route):
            self._direct.pop(entry.destination, None)
        value = self._entries.pop(hash(_key(entry)), None)
        return self._leave(value) if value is not None else set()

    def _leave(self, value: int) -> set[str]:
        self._there.discard(value)
        self._extra.pop(value, None)
        return {self._promised[value]} if value in self._promised else set()

    def _is_ours(self, entry: Entry) -> bool:
        """At a VTEP, and of the sort that flanneld writes."""
        if entry.ifindex not in self._indexes:
            return False
        if isinstance(entry, Route):
            return entry.gateway is not None and entry.table == MAIN
        if isinstance(entry, Neighbour):
            return entry.state == "PERMANENT"
        return entry.dst is not None

    def _judge(self, now: int, node: str) -> None:
        lacks = any(
            not all(one in self._there for one in entries) for entries in self._of.get(node, ())
        )
        if lacks and any(
            self._subnets.get(net) == (node, gateway) for net, gateway in self._direct.items()
        ):
            lacks = False  # routed directly: no entry is due
        if lacks:
            self._odd.setdefault(node, self._since.get(node, now))
        else:
            self._odd.pop(node, None)


def _indexes(vteps: Mapping[int, Link]) -> dict[int, int]:
    return {family: link.ifindex for family, link in vteps.items()}


def _key(entry: Entry) -> tuple[object, ...]:
    """What the kernel knows an entry by: a second one with it replaces the first."""
    if isinstance(entry, Route):
        return ("route", entry.table, entry.destination, entry.metric)
    if isinstance(entry, Neighbour):
        return ("neighbour", entry.ifindex, entry.ip)
    return ("fdb", entry.ifindex, entry.mac)
