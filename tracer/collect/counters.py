"""What the programs of bpf/watch.c count, as it lies in their maps (bpf/expectation.h)."""

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from tracer.collect.layout import DIRECTION_AT, FREED, HOOK_SHIFT, IN, OUT, STEP
from tracer.collect.maps import PIECE, Map
from tracer.core.held import HeldPeer
from tracer.core.totals import SlotCounts

HOOKS = ("from_pod", "to_pod", "vtep_in", "vtep_out", "uplink_in", "uplink_out")
"""enum hook, and the programs' names."""

KINDS = (
    "no-lease", "peer-mac", "own-mac", "sender-mac", "outer-dst", "outer-src", "vni", "port",
    "plain", "freed",
)  # fmt: skip
"""enum kind: bits of a record's `reason`."""

_INDEX = struct.Struct("=I")
_ROOM_FOR_KINDS = 16
TALLIES_SIZE = 24 * len(HOOKS)
DEVIATIONS_SIZE = 16 * _ROOM_FOR_KINDS
DROP = struct.Struct("=QII")
"""struct drop: location, reason, slot."""


class Tally(NamedTuple):
    """What passed one hook of one peer's packets, since the programs were loaded."""

    packets: int
    """A super-packet is as many as the wire carries of it."""
    bytes: int
    """Of frames as the hook has them; those of a super-packet once."""
    host: int
    """Of the packets, those from or to this node's own flannel address."""


_NO_TALLIES = (Tally(0, 0, 0),) * len(HOOKS)
_NO_DEVIATIONS = (0,) * len(KINDS)


class Counted(NamedTuple):
    """The counters of one slot."""

    peer: HeldPeer | None
    """None: addresses of the cluster's network that nobody leases."""
    at: tuple[Tally, ...]
    """In the order of HOOKS."""
    deviations: tuple[int, ...]
    """Packets, in the order of KINDS."""


class Dropped(NamedTuple):
    """Packets of one peer that the kernel freed, for one reason in one function."""

    peer: HeldPeer | None
    reason: str | None
    """None: the kernel does not tell."""
    caller: str | None
    """None: the kernel hides its addresses."""
    packets: int


class Slots(Protocol):
    """Whose they are (expectations.py)."""

    def used(self) -> int:
        """At the front of the maps, as many."""

    def peer(self, slot: int) -> HeldPeer | None:
        """Of one; None: of nobody."""


class Counting:
    """Which slots counted since the last look: most peers of a large cluster are silent."""

    def __init__(self, maps: Mapping[str, Map]) -> None:
        self._tallies, self._deviated = maps["tallies"], maps["deviated"]
        self._pieces: list[int] = []
        self._slots: list[int] = []
        """Hashes: on a machine of many CPUs a slot's counters take several KB.

        Of two that were one by chance, the next change would tell.
        """
        self._silent = hash(
            (None, bytes(self._tallies.value_size), bytes(self._deviated.value_size))
        )

    def changed(self, slots: Slots) -> list[SlotCounts]:
        """Those whose bytes are others."""
        count = slots.used()
        self._slots += [self._silent] * (count - len(self._slots))
        self._pieces += [0] * (-(-count // PIECE) - len(self._pieces))
        found: list[SlotCounts] = []
        both = zip(self._tallies.pieces(count), self._deviated.pieces(count), strict=True)
        for number, piece in enumerate(both):
            now = hash(piece)
            if now != self._pieces[number]:
                self._pieces[number] = now
                found += self._changed_of(number * PIECE, *piece, slots)
        return found

    def of(self, slot: int, slots: Slots) -> SlotCounts:
        """One, whether or not it counted."""
        key = _INDEX.pack(slot)
        return _slot(slot, slots.peer(slot), self._tallies.get(key), self._deviated.get(key))

    def _changed_of(
        self, slot: int, tallied: bytes, deviated: bytes, slots: Slots
    ) -> Iterator[SlotCounts]:
        """Of one piece, from this slot on."""
        values = zip(self._tallies.parts(tallied), self._deviated.parts(deviated), strict=True)
        for at, (tally, deviation) in enumerate(values, slot):
            peer = slots.peer(at)
            now = hash((peer, tally, deviation))
            if now != self._slots[at]:
                self._slots[at] = now
                yield _slot(at, peer, tally, deviation)


def _slot(slot: int, peer: HeldPeer | None, tally: bytes, deviation: bytes) -> SlotCounts:
    owner = (peer.node, peer.subnet) if peer is not None else (None, None)
    return SlotCounts(slot, owner, tallies(tally), deviations(deviation))


def tallies(value: bytes) -> tuple[Tally, ...]:
    """One slot's, summed over the CPUs. Of 5,000 peers that are silent, the same object."""
    if value.count(0) == len(value):
        return _NO_TALLIES
    sums = _sums(value, 3 * len(HOOKS))
    return tuple(Tally(*sums[3 * hook : 3 * hook + 3]) for hook in range(len(HOOKS)))


def deviations(value: bytes) -> tuple[int, ...]:
    """One slot's packets, in the order of KINDS."""
    if value.count(0) == len(value):
        return _NO_DEVIATIONS
    return _sums(value, 2 * _ROOM_FOR_KINDS)[0 : 2 * len(KINDS) : 2]


def seen(records: memoryview) -> tuple[tuple[int, ...], int]:
    """How many records of a batch are of each hook, in the order of HOOKS, and how many freed."""
    column = bytes(records[DIRECTION_AT::STEP])
    directions = (OUT if hook % 2 else IN for hook in range(len(HOOKS)))
    values = [direction | hook << HOOK_SHIFT for hook, direction in enumerate(directions)]
    return tuple(map(column.count, values)), column.count(FREED)


def total(value: bytes) -> int:
    """A u64 of every CPU, summed."""
    return _sums(value, 1)[0]


def _sums(value: bytes, width: int) -> tuple[int, ...]:
    numbers = struct.unpack(f"={len(value) // 8}Q", value)
    return tuple(sum(numbers[field::width]) for field in range(width))
