"""Counters of slots, as the kernel has them, to totals of peers, as a watch tells them.

A peer whose lease changed is counted in another slot than before; programs that were put in others'
place count from zero. Totals go on.
"""

from collections.abc import Iterable
from typing import NamedTuple

from tracer.core.whose import Peer
from tracer.model.watch import Passed, PeerCounts


class SlotCounts(NamedTuple):
    """One slot, as far as it was counted."""

    slot: int
    peer: Peer
    at: tuple[tuple[int, int, int], ...]
    """Packets, bytes, and of the packets the host's own, in the order of HOOKS."""
    deviations: tuple[int, ...]


class Totals:
    """Of every peer, since the watch began."""

    def __init__(self) -> None:
        self._slots: dict[int, SlotCounts] = {}
        self._peers: dict[Peer, PeerCounts] = {}

    def anew(self) -> None:
        """The slots of the next counts are other programs', which began at zero."""
        self._slots = {}

    def take(self, counts: Iterable[SlotCounts]) -> tuple[PeerCounts, ...]:
        """The totals of those peers of whom something was counted since."""
        changed: dict[Peer, PeerCounts] = {}
        for one in counts:
            before = self._slots.get(one.slot)
            if before == one:
                continue
            self._slots[one.slot] = one
            if before is not None and (before.peer != one.peer or _less(one, before)):
                before = None  # it was given to another peer meanwhile, and put to zero
            if (
                before is not None
                or any(packets for packets, _, _ in one.at)
                or any(one.deviations)
            ):
                self._peers[one.peer] = changed[one.peer] = _added(
                    self._peers.get(one.peer), before, one
                )
        return tuple(changed.values())


def _less(one: SlotCounts, before: SlotCounts) -> bool:
    return any(now < then for now, then in zip(one.deviations, before.deviations, strict=True)) or (
        any(now[0] < then[0] for now, then in zip(one.at, before.at, strict=True))
    )


def _added(total: PeerCounts | None, before: SlotCounts | None, now: SlotCounts) -> PeerCounts:
    zero = ((0, 0, 0),) * len(now.at)
    at = before.at if before is not None else zero
    sums = total.at if total is not None else tuple(Passed(0, 0, 0) for _ in zero)
    deviations = before.deviations if before is not None else (0,) * len(now.deviations)
    deviated = total.deviations if total is not None else (0,) * len(now.deviations)
    return PeerCounts(
        peer=now.peer[0],
        subnet=now.peer[1],
        at=tuple(
            Passed(
                one.packets + new[0] - old[0],
                one.bytes + new[1] - old[1],
                one.host + new[2] - old[2],
            )
            for one, new, old in zip(sums, now.at, at, strict=True)
        ),
        deviations=tuple(
            one + new - old
            for one, new, old in zip(deviated, now.deviations, deviations, strict=True)
        ),
    )
