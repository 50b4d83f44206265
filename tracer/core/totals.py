"""Counters of slots, as the kernel has them, to totals of peers, as a watch tells them.

A peer whose lease changed is counted in another slot than before; programs that were put in others'
place count from zero. Totals go on.
"""

import struct
from collections.abc import Iterable
from functools import cache
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


class _Kept(NamedTuple):
    """What a slot counted until now, as bytes: there are twice as many slots as leases."""

    peer: Peer
    numbers: bytes


class Totals:
    """Of every peer, since the watch began."""

    def __init__(self) -> None:
        self._slots: dict[int, _Kept] = {}
        self._peers: dict[Peer, PeerCounts] = {}

    def anew(self) -> None:
        """The slots of the next counts are other programs', which began at zero."""
        self._slots = {}

    def of(self, peer: Peer) -> PeerCounts | None:
        """All until the last take; None: nothing."""
        return self._peers.get(peer)

    def take(self, counts: Iterable[SlotCounts]) -> tuple[PeerCounts, ...]:
        """The totals of those peers of whom something was counted since."""
        changed: dict[Peer, PeerCounts] = {}
        for one in counts:
            kept, now = self._slots.get(one.slot), _Kept(one.peer, _packed(one))
            if kept == now:
                continue
            self._slots[one.slot] = now
            before = _unpacked(one, kept) if kept is not None else None
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


def _packed(one: SlotCounts) -> bytes:
    numbers = [*(number for at in one.at for number in at), *one.deviations]
    return struct.pack(f"={len(numbers)}Q", *numbers)


def _unpacked(like: SlotCounts, kept: _Kept) -> SlotCounts:
    numbers = struct.unpack(f"={len(kept.numbers) // 8}Q", kept.numbers)
    hooks = 3 * len(like.at)
    at = tuple(zip(*(numbers[field:hooks:3] for field in range(3)), strict=True))
    return SlotCounts(like.slot, kept.peer, at, numbers[hooks:])


def _less(one: SlotCounts, before: SlotCounts) -> bool:
    return any(now < then for now, then in zip(one.deviations, before.deviations, strict=True)) or (
        any(now[0] < then[0] for now, then in zip(one.at, before.at, strict=True))
    )


@cache
def _none(kinds: int) -> tuple[int, ...]:
    return (0,) * kinds


def _added(total: PeerCounts | None, before: SlotCounts | None, now: SlotCounts) -> PeerCounts:
    zero = ((0, 0, 0),) * len(now.at)
    at = before.at if before is not None else zero
    sums = total.at if total is not None else tuple(Passed(0, 0, 0) for _ in zero)
    none = _none(len(now.deviations))
    deviations = before.deviations if before is not None else none
    deviated = total.deviations if total is not None else none
    if now.deviations == deviations:
        fresh = deviated  # the same object: most peers' packets never deviate
    else:
        fresh = tuple(
            one + new - old
            for one, new, old in zip(deviated, now.deviations, deviations, strict=True)
        )
    passed = [
        Passed(
            one.packets + new[0] - old[0],
            one.bytes + new[1] - old[1],
            one.host + new[2] - old[2],
        )
        for one, new, old in zip(sums, now.at, at, strict=True)
    ]
    return PeerCounts(
        peer=now.peer[0],
        subnet=now.peer[1],
        # the same object where two hooks count alike: of thousands of peers it is a megabyte
        at=tuple(passed[passed.index(one)] for one in passed),
        deviations=fresh,
    )
