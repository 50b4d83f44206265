"""Packets that pass one hook and not the next, by counters: exact, and late by one period.

What was counted at the first hook a whole period ago must have passed the second by now; what may
still be under way, between two hooks or between two nodes' readings of their counters, is no gap.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from tracer.core.ledger import Ledger, Peer
from tracer.model.packet import Net
from tracer.model.watch import HOOKS, Gap

WELL = 2
"""Periods with traffic and without a further loss after which a gap is over."""

FORGOTTEN_NS = 120_000_000_000
"""Without traffic nobody can say."""

_WITHIN = (("uplink_in", "vtep_in"), ("vtep_out", "uplink_out"))
"""Pairs between which nothing that is well is lost: neither a policy's drops nor what the node
itself takes lie between them. From the bridge to the VTEP both do."""

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


class _Count:
    """One pair's."""

    def __init__(self, passed: int, arrived: int) -> None:
        self.begun = self.earlier = self.passed = passed
        self.arrived = arrived
        self.first = self.most = self.known = passed - arrived
        """Missing when we began, and the most that ever was; of it what is no news."""
        self.well = WELL
        self.missing = 0
        self.first_ns = self.last_ns = 0

    @property
    def total(self) -> int:
        """Missing since we began: exact whenever the flow rests."""
        return self.most - self.first

    def look(self, passed: int, arrived: int, now: int, since: int) -> None:
        deficit = self.passed - arrived
        self.most = max(self.most, deficit)
        if deficit > self.known:
            if not self.missing:
                self.begun, self.first_ns = self.earlier, since
            self.missing += deficit - self.known
            self.known, self.last_ns, self.well = deficit, now, 0
        elif arrived > self.arrived:
            self.well += 1
        self.earlier, self.passed, self.arrived = self.passed, passed, arrived
        if self.missing and (self.well >= WELL or now - self.last_ns > FORGOTTEN_NS):
            self.missing = 0
            # of what was lost until now the last shows only when the flow rests: no new gap
            self.known = max(self.known, passed - arrived)


class Gaps:
    """Between the hooks of each node, and between the nodes that are watched together."""

    def __init__(self) -> None:
        self._counts: dict[_Pair, _Count] = {}
        self._moved: dict[str, frozenset[Peer]] = {}
        """Node -> peers whose packets moved in its last period."""

    def forget(self, node: str) -> None:
        """Its counters begin anew."""
        self._counts = {
            pair: count
            for pair, count in self._counts.items()
            if node not in (pair.sender, pair.receiver)
        }

    def take(self, node: str, ledgers: Mapping[str, Ledger], subnets: Subnets) -> None:
        """A node's counters are new. `ledgers`: those of all nodes that are watched."""
        last = ledgers[node].last
        now = last.time_ns if last is not None else 0
        since = now - int(ledgers[node].period_s * 1e9)
        moved = frozenset(ledgers[node].moved)
        recent, self._moved[node] = moved | self._moved.get(node, frozenset()), moved
        for pair in (*_within(node, recent), *_between(node, ledgers, subnets)):
            passed = _total(ledgers[pair.sender], (pair.peer, pair.sees), pair.after)
            sender = pair.sender if pair.sender != pair.receiver else pair.peer
            arrived = _total(ledgers[pair.receiver], (sender, pair.seen), pair.before)
            count = self._counts.get(pair)
            if count is None:
                self._counts[pair] = _Count(passed, arrived)
            else:
                count.look(passed, arrived, now, since)

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
        found = [
            count.total
            for pair, count in self._counts.items()
            if {pair.sender, pair.receiver} == {node, peer}
        ]
        return sum(found) if found else None


def _within(node: str, peers: Iterable[Peer]) -> Iterator[_Pair]:
    for peer, subnet in peers:
        if peer is not None and subnet is not None:
            for after, before in _WITHIN:
                yield _Pair(node, subnet, after, node, subnet, before, peer)


def _between(node: str, ledgers: Mapping[str, Ledger], subnets: Subnets) -> Iterator[_Pair]:
    """From every other node to this one."""
    for sender in ledgers:
        if sender == node:
            continue
        for theirs in subnets.get(sender, ()):
            for ours in subnets.get(node, ()):
                if (":" in theirs) is (":" in ours):
                    yield _Pair(sender, ours, "uplink_out", node, theirs, "uplink_in", node)


def _total(ledger: Ledger, peer: Peer, hook: str) -> int:
    found = ledger.totals.get(peer)
    return found.at[HOOKS.index(hook)].packets if found is not None else 0
