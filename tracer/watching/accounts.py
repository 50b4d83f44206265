"""What a scrape shows of one node's peers: sums that only grow, under a bounded number of names.

A cluster may have 5,000 peers, and every label costs whoever keeps the series. The first peers that
have traffic get a label of their own and keep it; all others are summed. Prometheus takes a counter
that shrinks for one that began anew: a peer that goes must leave what it added to a sum there.
"""

from collections.abc import Iterable, Sequence

from tracer.model.packet import Net
from tracer.model.watch import DropCount, Kind, PeerCounts, Status

MOST_PEERS = 100
"""Peers of one node that have labels of their own."""

MOST_CAUSES = 30
"""Pairs of reason and function, of one node's drops."""

MOST_DROPS = 300
"""Triples of peer, reason and function, of one node's drops."""

OTHER = "other"
"""All that have no label of their own. What is really called so is summed with them."""

NOBODY = "nobody"
"""Addresses of the cluster's network that no node leases."""

UNKNOWN = "unknown"
"""What the kernel does not tell."""

DEVIATIONS = tuple(kind for kind in Kind if kind is not Kind.FREED)
"""Freed packets have counters of their own, which tell the reason."""


class Names:
    """Which peers have a label: first come, first served, and for good."""

    def __init__(self, most: int = MOST_PEERS) -> None:
        self._most = most
        self._known: set[str] = set()

    def come(self, peers: Iterable[tuple[int, str | None]]) -> None:
        """Those with something to show, and how much: of newcomers, the busiest come first."""
        if len(self._known) >= self._most:
            return
        new = [(-much, peer) for much, peer in peers if peer is not None]
        for _, peer in sorted(one for one in new if one[1] not in self._known):
            if len(self._known) < self._most:
                self._known.add(peer)

    def label(self, peer: str | None) -> str:
        """The label of a peer that has come, or of those that have none."""
        if peer is None:
            return NOBODY
        return peer if peer in self._known else OTHER


class Account:
    """Of one node, since this process began. The sums are by label; read them, do not write."""

    def __init__(self) -> None:
        self.passed: dict[str, list[list[int]]] = {}
        """Peer -> by hook: packets, bytes, and of the packets those of the node itself."""
        self.deviated: dict[str, list[int]] = {}
        """Peer -> packets, in the order of DEVIATIONS."""
        self.dropped: dict[tuple[str, str, str], int] = {}
        """Peer, reason, function -> packets."""
        self.unnamed = 0
        """Peers that have traffic and no label of their own."""
        self._passing = Names()
        # A peer in trouble is worth a name, though a hundred busier ones came before it.
        self._troubled = Names()
        self._causes: set[tuple[str, str]] = set()
        self._totals: dict[tuple[str | None, Net | None], PeerCounts] = {}
        self._drops: dict[tuple[str | None, Net | None, str | None, str | None], int] = {}

    def take(self, status: Status) -> None:
        """Add what came since the last one. 5,000 peers take some milliseconds."""
        self._take_totals(status.totals)
        self._take_drops(status.drops)

    def _take_totals(self, totals: Sequence[PeerCounts]) -> None:
        busy = [(_packets(one), one) for one in totals]
        self._passing.come((packets, one.peer) for packets, one in busy if packets)
        trouble = ((sum(_deviations(one)), one.peer) for one in totals)
        self._troubled.come(one for one in trouble if one[0])
        named = self._passing.label
        self.unnamed = len({one.peer for much, one in busy if much and named(one.peer) == OTHER})
        before, self._totals = self._totals, {(one.peer, one.subnet): one for one in totals}
        for key, one in self._totals.items():
            last = before.get(key)
            if last != one:
                self._add(one, last if last is not None and _goes_on(last, one) else None)

    def _add(self, now: PeerCounts, last: PeerCounts | None) -> None:
        if _packets(now):
            label = self._passing.label(now.peer)
            sums = self.passed.setdefault(label, [[0, 0, 0] for _ in now.at])
            for hook, passed in enumerate(now.at):
                was = last.at[hook] if last else None
                sums[hook][0] += passed.packets - (was.packets if was else 0)
                sums[hook][1] += passed.bytes - (was.bytes if was else 0)
                sums[hook][2] += passed.host - (was.host if was else 0)
        deviations = _deviations(now)
        if any(deviations):
            label = self._troubled.label(now.peer)
            kinds = self.deviated.setdefault(label, [0] * len(DEVIATIONS))
            old = _deviations(last) if last else (0,) * len(DEVIATIONS)
            for kind, (packets, less) in enumerate(zip(deviations, old, strict=True)):
                kinds[kind] += packets - less

    def _take_drops(self, drops: Sequence[DropCount]) -> None:
        self._troubled.come((one.packets, one.peer) for one in drops if one.packets)
        before, self._drops = self._drops, {}
        for one in drops:
            key = (one.peer, one.subnet, one.reason, one.caller)
            self._drops[key] = one.packets
            last = before.get(key, 0)
            more = one.packets - last if one.packets >= last else one.packets
            if more:
                label = self._drop_label(one)
                self.dropped[label] = self.dropped.get(label, 0) + more

    def _drop_label(self, one: DropCount) -> tuple[str, str, str]:
        """Peer, reason, function. The offset within the function is left out."""
        function = (one.caller or UNKNOWN).partition("+")[0]
        cause = (one.reason or UNKNOWN, function)
        if cause not in self._causes:
            if len(self._causes) >= MOST_CAUSES:
                cause = (OTHER, OTHER)
            else:
                self._causes.add(cause)
        label = (self._troubled.label(one.peer), *cause)
        full = label not in self.dropped and len(self.dropped) >= MOST_DROPS
        return (OTHER, *cause) if full else label


def _packets(one: PeerCounts) -> int:
    return sum(passed.packets for passed in one.at)


def _deviations(one: PeerCounts) -> tuple[int, ...]:
    return one.deviations[: len(DEVIATIONS)]


def _goes_on(last: PeerCounts, now: PeerCounts) -> bool:
    """Nothing shrank: the same counters, not those of an agent that was started anew."""
    return all(
        old.packets <= new.packets for old, new in zip(last.at, now.at, strict=True)
    ) and all(old <= new for old, new in zip(last.deviations, now.deviations, strict=True))
