"""Packets that pass one hook and not the next, by counters: exact, and late by one period.

What was counted at the first hook some time before the second one's counter was read must have
passed that, too; what may still be under way is no gap. Between nodes both are read more often than
once a period (glimpses): where only a part is lost, that shows so much the sooner.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from tracer.core.ledger import Ledger, Peer
from tracer.core.missing import Missing
from tracer.model.glimpse import Glimpse
from tracer.model.packet import Net
from tracer.model.watch import HOOKS, Gap

SETTLES_NS = 2_000_000_000
"""After a change of a node's lease: meanwhile one node counts its packets as nobody's, and another
as its."""

_WITHIN = (("uplink_in", "vtep_in"), ("vtep_out", "uplink_out"))
"""Pairs between which nothing that is well is lost: neither a policy's drops nor what the node
itself takes lie between them. From the bridge to the VTEP both do."""

BETWEEN = "vxlan_"
"""How the kernel's functions are called that lie between the hooks of a pair."""

Subnets: TypeAlias = Mapping[str, tuple[Net, ...]]
"""Node -> its subnets, one of each family."""


class _Pair(NamedTuple):
    """What is to be counted twice."""

    sender: str
    sees: Net
    """Under which subnet the sender counts it."""
    after: str
    receiver: str
    seen: Net
    """Under which subnet the receiver does."""
    before: str
    peer: str


class Gaps:
    """Between the hooks of each node, and between the nodes that are watched together."""

    def __init__(self) -> None:
        self._counts: dict[_Pair, Missing] = {}
        self._joined: dict[frozenset[str], dict[_Pair, Missing]] = {}
        """Two nodes -> those between them, both ways."""
        self._moved: dict[str, frozenset[Peer]] = {}
        """Node -> peers whose packets moved in its last period."""
        self._heard: set[str] = set()
        """Nodes that counted before."""
        self._changed: dict[str, int] = {}
        """When whose lease became another one."""

    def forget(self, node: str) -> None:
        """Its counters begin anew."""
        self._heard.discard(node)
        self._moved.pop(node, None)
        self._counts = {
            pair: count
            for pair, count in self._counts.items()
            if node not in (pair.sender, pair.receiver)
        }
        self._joined = {two: counts for two, counts in self._joined.items() if node not in two}

    def learn(self, now: int, nodes: Iterable[str]) -> None:
        """Their leases are others now."""
        self._changed |= dict.fromkeys(nodes, now)

    def take(
        self,
        node: str,
        ledgers: Mapping[str, Ledger],
        subnets: Subnets,
        offsets: Mapping[str, int],
    ) -> None:
        """A node's counters are new. `ledgers`: those of all nodes that are watched.

        `offsets`: node -> nanoseconds from its clock to ours.
        """
        ledger = ledgers[node]
        last, offset = ledger.last, offsets.get(node, 0)
        now = last.time_ns + offset if last is not None else 0
        until = last.until_ns + offset if last is not None else 0
        moved = frozenset(ledger.moved)
        recent, self._moved[node] = moved | self._moved.get(node, frozenset()), moved
        recent |= self._missed(node)
        self._rest(now)
        within = tuple(_within(node, recent))
        for pair in (*within, *_between((node,), ledgers, subnets)):
            passed = _total(ledger, (pair.peer, pair.sees), pair.after)
            self._of(pair, ledgers).send(passed, until)
        for pair in (*within, *_between(ledgers, (node,), subnets)):
            peer = pair.peer if pair.sender == node else pair.sender
            arrived = _total(ledger, (peer, pair.seen), pair.before)
            if pair.sender == pair.receiver:
                arrived += _freed(ledger, (peer, pair.seen))
            self._of(pair, ledgers).end(arrived, now)
        self._heard.add(node)
        for pair in _within(node, recent - moved):
            # it rests: what it begins with again is what it has counted until now
            if not self._counts[pair].missing:
                del self._counts[pair]

    def glimpse(self, of: Glimpse, offset: int) -> None:
        """What a node has sent, and what has come in. `offset`: from its clock to ours."""
        for one in of.passed:
            for pair, count in self._joined.get(frozenset((of.node, one.peer)), {}).items():
                if (pair.sender, pair.sees) == (of.node, one.subnet):
                    count.send(one.out, of.until_ns + offset)
                elif (pair.receiver, pair.seen) == (of.node, one.subnet):
                    count.look(one.into, of.time_ns + offset)

    def _rest(self, now: int) -> None:
        """What two nodes count with one lease and with another is not compared."""
        for two, counts in self._joined.items() if self._changed else ():
            if not two.isdisjoint(self._changed):
                for count in counts.values():
                    count.rest()
        self._changed = {
            node: since for node, since in self._changed.items() if now < since + SETTLES_NS
        }

    def _missed(self, node: str) -> frozenset[Peer]:
        """Peers of whose packets some are missing within the node."""
        return frozenset(
            (pair.peer, pair.sees)
            for pair, count in self._counts.items()
            if count.missing and pair.sender == pair.receiver == node
        )

    def _of(self, pair: _Pair, ledgers: Mapping[str, Ledger]) -> Missing:
        """One that is new began with what both counted until their last period, if they did."""
        count = self._counts.get(pair)
        if count is None:
            first = None
            sender, receiver = ledgers[pair.sender], ledgers[pair.receiver]
            if {pair.sender, pair.receiver} <= self._heard:
                peer = pair.peer if pair.sender == pair.receiver else pair.sender
                sent = _before(sender, (pair.peer, pair.sees), pair.after)
                first = sent - _before(receiver, (peer, pair.seen), pair.before)
                if pair.sender == pair.receiver:
                    known = _freed(receiver, (peer, pair.seen))
                    first -= max(0, known - receiver.freed.get((peer, pair.seen), 0))
            between = pair.sender != pair.receiver
            count = self._counts[pair] = Missing(first, glimpsed=between)
            if between:
                self._joined.setdefault(frozenset((pair.sender, pair.receiver)), {})[pair] = count
        return count

    def gaps(self) -> tuple[Gap, ...]:
        """What stands."""
        return tuple(
            Gap(
                sender=pair.sender,
                receiver=pair.receiver,
                peer=pair.peer,
                after=pair.after,
                before=pair.before,
                sent=count.passed - count.begun,
                missing=count.missing,
                first_ns=count.first_ns,
                last_ns=count.last_ns,
            )
            for pair, count in self._counts.items()
            if count.missing
        )

    def lost(self, node: str, peer: str) -> int | None:
        """Packets lost between two nodes, both ways, since both are watched; None: one is not."""
        found = self._joined.get(frozenset((node, peer)))
        return sum(count.total for count in found.values()) if found else None


def _within(node: str, peers: Iterable[Peer]) -> Iterator[_Pair]:
    for peer, subnet in peers:
        if peer is not None and subnet is not None:
            for after, before in _WITHIN:
                yield _Pair(node, subnet, after, node, subnet, before, peer)


def _between(senders: Iterable[str], receivers: Iterable[str], subnets: Subnets) -> Iterator[_Pair]:
    for sender in senders:
        for receiver in receivers:
            for theirs in subnets.get(sender, ()) if sender != receiver else ():
                for ours in subnets.get(receiver, ()):
                    if (":" in theirs) is (":" in ours):
                        yield _Pair(
                            sender, ours, "uplink_out", receiver, theirs, "uplink_in", receiver
                        )


def _freed(ledger: Ledger, peer: Peer) -> int:
    """Packets that VXLAN itself freed: those are evidence by themselves, and tell more."""
    return sum(
        drop.packets
        for (whose, _, caller), drop in ledger.drops.items()
        if whose == peer and caller is not None and caller.startswith(BETWEEN)
    )


def _before(ledger: Ledger, peer: Peer, hook: str) -> int:
    moved = ledger.moved.get(peer)
    fresh = moved.at[HOOKS.index(hook)].packets if moved is not None else 0
    return _total(ledger, peer, hook) - fresh


def _total(ledger: Ledger, peer: Peer, hook: str) -> int:
    found = ledger.totals.get(peer)
    return found.at[HOOKS.index(hook)].packets if found is not None else 0
