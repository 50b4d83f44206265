"""Packets that pass one hook and not the next, by counters: exact, and late by one period.

What was counted at the first hook some time before the second one's counter was read must have
passed that, too; what may still be under way is no gap.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from tracer.core.ledger import Ledger, Peer
from tracer.model.packet import Net
from tracer.model.watch import HOOKS, Gap

WELL = 1
"""Periods with traffic and without a further loss after which a gap is over. What comes back soon
is damped where findings are (core/standing.py)."""

TRANSIT_NS = 300_000_000
"""What was counted so long before must have arrived; also how far clocks may be misjudged."""

GUESSES = 3
"""Of what was missing when two nodes were first heard of while they counted: the least holds."""

READINGS = 8
"""Of the sender's counter that are remembered: the receiver may be heard seconds later."""

SETTLES_NS = 2_000_000_000
"""After a change of a node's lease: meanwhile one node counts its packets as nobody's, and another
as its."""

FORGOTTEN_NS = 120_000_000_000
"""Without traffic nobody can say."""

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


class _Count:
    """One pair's."""

    __slots__ = (
        "_guesses", "_lost_before", "arrived", "begun", "first", "first_ns", "found_out", "known",
        "last_ns", "missing", "most", "passed", "sent", "well",
    )  # fmt: skip

    def __init__(self, first: int | None) -> None:
        """`first`: what was missing when both began to count; None: they were found counting."""
        self.sent: list[tuple[int, int]] = []
        """When the sender's counter was read, by our clock, and what it said."""
        self.begun = self.passed = 0
        self.arrived: int | None = None
        self.first, self.found_out = first or 0, first is not None
        self._guesses: list[int] = []
        self._lost_before = 0
        """What was missing when it last rested, all of it."""
        self.most = self.known = self.first
        """The most that ever was missing, and of it what is no news."""
        self.well = WELL
        self.missing = 0
        self.first_ns = self.last_ns = 0

    @property
    def total(self) -> int:
        """Missing since we began: exact whenever the flow rests."""
        return self._lost_before + self.most - self.first

    def send(self, passed: int, now: int) -> None:
        """The sender's counter was read now, by our clock."""
        self.sent.append((now, passed))
        del self.sent[:-READINGS]
        if not self.found_out and self.arrived is not None:
            # read after the receiver's: so much was missing then, or under way
            self._guesses.append(passed - self.arrived)
            if len(self._guesses) >= GUESSES:
                self.first = self.most = self.known = min(self._guesses)
                self.found_out = True

    def rest(self) -> None:
        """Begin anew: what was missing until now is no news."""
        self._lost_before, self.most = self.total, self.first
        self.sent.clear()
        self.arrived, self.found_out, self.missing = None, False, 0
        self._guesses.clear()

    def look(self, arrived: int, now: int, period: int) -> None:
        """The receiver's counter was read now, by our clock."""
        earlier = [passed for time, passed in self.sent if time <= now - TRANSIT_NS]
        grew, self.arrived = arrived > (self.arrived or 0), arrived
        if not earlier or not self.found_out:
            return
        before, self.passed = self.passed, earlier[-1]
        deficit = self.passed - arrived
        self.most = max(self.most, deficit)
        if deficit > self.known:
            if not self.missing:
                self.begun, self.first_ns = before, now - period
            self.missing += deficit - self.known
            self.known, self.last_ns, self.well = deficit, now, 0
        elif grew:
            self.well += 1
        if self.missing and (self.well >= WELL or now - self.last_ns > FORGOTTEN_NS):
            self.missing = 0
            # of what was lost until now the last shows only when the flow rests: no new gap
            self.known = max(self.known, self.sent[-1][1] - arrived)


class Gaps:
    """Between the hooks of each node, and between the nodes that are watched together."""

    def __init__(self) -> None:
        self._counts: dict[_Pair, _Count] = {}
        self._joined: dict[frozenset[str], list[_Count]] = {}
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
            self._of(pair, ledgers).look(arrived, now, int(ledger.period_s * 1e9))
        self._heard.add(node)
        for pair in _within(node, recent - moved):
            # it rests: what it begins with again is what it has counted until now
            if not self._counts[pair].missing:
                del self._counts[pair]

    def _rest(self, now: int) -> None:
        """What two nodes count with one lease and with another is not compared."""
        for two, counts in self._joined.items() if self._changed else ():
            if not two.isdisjoint(self._changed):
                for count in counts:
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

    def _of(self, pair: _Pair, ledgers: Mapping[str, Ledger]) -> _Count:
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
            count = self._counts[pair] = _Count(first)
            if pair.sender != pair.receiver:
                self._joined.setdefault(frozenset((pair.sender, pair.receiver)), []).append(count)
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
        return sum(count.total for count in found) if found else None


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
