"""One node's counters over the periods: totals, rates, and what evidence stands.

Evidence by traffic stands until traffic takes it back: a good packet of the same peer at the same
place. Where nobody sends any more it is let go after a while.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from msgspec.structs import replace

from tracer.core.held import EVERY_NS
from tracer.core.whose import leaves
from tracer.model.observation import Direction
from tracer.model.packet import Net
from tracer.model.watch import (
    HOOKS,
    Counts,
    Deviant,
    Deviating,
    DropCount,
    Dropping,
    Kind,
    Passed,
    PeerCounts,
)

S = 1_000_000_000

Peer: TypeAlias = tuple[str | None, Net | None]
"""Node and subnet; of what nobody leases: twice None."""

KINDS = tuple(Kind)

FORGOTTEN_NS = 120 * S
"""Without any packet of the peer nobody can say whether it is still so."""

NOBODYS_NS = 5 * S
"""The same where no good packet can come: to addresses that nobody leases."""

GOT_ON = 2
"""Periods with traffic and without a drop after which a drop is over."""

_ARRIVING = frozenset((Kind.OWN_MAC, Kind.SENDER_MAC))
_IN, _OUT = HOOKS.index("uplink_in"), HOOKS.index("uplink_out")
_NONE = Passed(0, 0, 0)
_NOTHING = (_NONE,) * len(HOOKS)


class Ledger:
    """Of one node."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.totals: dict[Peer, PeerCounts] = {}
        self.drops: dict[tuple[Peer, str | None, str | None], DropCount] = {}
        self.last: Counts | None = None
        self.period_s = 0.0
        """Between the last two counts."""
        self.moved: dict[Peer, PeerCounts] = {}
        """What the last period added, of peers of which anything passed."""
        self.freed: dict[Peer, int] = {}
        """Packets that were freed in the last period."""
        self._deviating: dict[tuple[Peer, Kind], Deviating] = {}
        self._dropping: dict[tuple[Peer, str | None, str | None], Dropping] = {}
        self._well: dict[tuple[Peer, str | None, str | None], int] = {}

    def take(self, counts: Counts) -> None:
        """One period's end: what is new of totals, and what becomes of the evidence."""
        before, self.last = self.last, counts
        now, since = counts.time_ns, before.time_ns if before is not None else counts.time_ns
        self.period_s = (now - since) / S
        self.moved = {}
        for one in counts.peers:
            peer = (one.peer, one.subnet)
            added = _added(self.totals.get(peer), one)
            self.totals[peer] = one
            if before is not None:
                self.moved[peer] = added
                self._deviate(peer, added, since, now)
        self._drop(counts.drops, since, now, told=before is not None)
        self._over(now)

    def record(self, deviant: Deviant) -> None:
        """A packet that shows a deviation; it may be heard of before the counters."""
        peer, seen = (deviant.peer, deviant.subnet), deviant.seen
        for kind in deviant.kinds:
            if kind is Kind.FREED:
                self._freed(peer, deviant)
                continue
            key = (peer, kind)
            known = self._deviating.get(key)
            if known is None:
                known = self._began(peer, kind, seen.time_ns)
            self._deviating[key] = replace(
                known,
                direction=Direction.OUT if leaves(seen) else Direction.IN,
                ifname=seen.ifname,
                seen=seen,
                last_ns=max(known.last_ns, seen.time_ns),
            )

    def forget(self, node: str, subnet: Net | None) -> None:
        """A peer leases that subnet no more: no packet can take back what was said of it."""
        gone = (node, subnet)
        self._deviating = {key: one for key, one in self._deviating.items() if key[0] != gone}
        self._dropping = {key: one for key, one in self._dropping.items() if key[0] != gone}

    def deviating(self) -> tuple[Deviating, ...]:
        """What stands. One that was recorded, and not counted yet, is one packet."""
        return tuple(replace(one, packets=one.packets or 1) for one in self._deviating.values())

    def dropping(self) -> tuple[Dropping, ...]:
        """What stands."""
        return tuple(replace(one, packets=one.packets or 1) for one in self._dropping.values())

    def _deviate(self, peer: Peer, added: PeerCounts, since: int, now: int) -> None:
        for kind, packets in zip(KINDS, added.deviations, strict=True):
            key = (peer, kind)
            if kind is Kind.FREED:
                continue
            known = self._deviating.get(key)
            if packets:
                known = known or self._began(peer, kind, since)
                last = max(known.last_ns, _last(known, since, now))
                self._deviating[key] = replace(known, packets=known.packets + packets, last_ns=last)
            elif known is not None and known.last_ns <= since and _good(known, added):
                del self._deviating[key]

    def _began(self, peer: Peer, kind: Kind, now: int) -> Deviating:
        return Deviating(
            node=self.node,
            peer=peer[0],
            subnet=peer[1],
            kind=kind,
            direction=Direction.IN if kind in _ARRIVING else Direction.OUT,
            ifname="",
            packets=0,
            first_ns=now,
            last_ns=now,
            seen=None,
        )

    def _drop(self, drops: Iterable[DropCount], since: int, now: int, *, told: bool) -> None:
        self.freed = {}
        dropped = set()
        for one in drops:
            peer = (one.peer, one.subnet)
            key = (peer, one.reason, one.caller)
            packets = one.packets - (self.drops[key].packets if key in self.drops else 0)
            self.drops[key] = one
            if packets <= 0 or not told:
                continue
            dropped.add(key)
            self.freed[peer] = self.freed.get(peer, 0) + packets
            known = self._dropping.get(key) or self._fell(key, since)
            self._dropping[key] = replace(known, packets=known.packets + packets, last_ns=now)
            self._well.pop(key, None)
        for key in self._dropping.keys() - dropped:
            if key[0] in self.moved and any(one.packets for one in self.moved[key[0]].at):
                self._well[key] = self._well.get(key, 0) + 1

    def _freed(self, peer: Peer, deviant: Deviant) -> None:
        drop = deviant.seen.drop
        if drop is None:
            return
        key = (peer, drop.reason, drop.caller)
        known = self._dropping.get(key) or self._fell(key, deviant.seen.time_ns)
        last_ns = max(known.last_ns, deviant.seen.time_ns)
        self._dropping[key] = replace(known, seen=deviant.seen, last_ns=last_ns)
        self._well.pop(key, None)

    def _fell(self, key: tuple[Peer, str | None, str | None], now: int) -> Dropping:
        (peer, subnet), reason, caller = key
        return Dropping(
            node=self.node,
            peer=peer,
            subnet=subnet,
            reason=reason,
            caller=caller,
            packets=0,
            first_ns=now,
            last_ns=now,
            seen=None,
        )

    def _over(self, now: int) -> None:
        for key, deviating in list(self._deviating.items()):
            patience = NOBODYS_NS if deviating.kind is Kind.NO_LEASE else FORGOTTEN_NS
            if now - deviating.last_ns > patience:
                del self._deviating[key]
        for drop, dropping in list(self._dropping.items()):
            if self._well.get(drop, 0) >= GOT_ON or now - dropping.last_ns > FORGOTTEN_NS:
                del self._dropping[drop]
                self._well.pop(drop, None)


def _last(known: Deviating, since: int, now: int) -> int:
    """When the last one of the period was: soon after the last that was recorded, if any was."""
    recorded = known.seen.time_ns if known.seen is not None else 0
    return min(recorded + EVERY_NS, now) if recorded > since else now


def _good(known: Deviating, added: PeerCounts) -> bool:
    """A packet passed where the others deviated, and did not."""
    return added.at[_OUT if known.direction is Direction.OUT else _IN].packets > 0


def _added(before: PeerCounts | None, now: PeerCounts) -> PeerCounts:
    at = before.at if before is not None else _NOTHING
    deviations = before.deviations if before is not None else (0,) * len(KINDS)
    return replace(
        now,
        at=tuple(_minus(one, other) for one, other in zip(now.at, at, strict=True)),
        deviations=tuple(_differences(now.deviations, deviations)),
    )


def _minus(one: Passed, other: Passed) -> Passed:
    return Passed(one.packets - other.packets, one.bytes - other.bytes, one.host - other.host)


def _differences(one: tuple[int, ...], other: tuple[int, ...]) -> Iterator[int]:
    return (new - old for new, old in zip(one, other, strict=True))
