"""The programs at a node's devices: compiled anew, attached, and left, as the node changes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from tracer.collect.closing import Closing
from tracer.collect.convert import Converter
from tracer.collect.counters import KINDS
from tracer.collect.holding import Holding
from tracer.collect.layout import FREED, RECORD, RawRecord
from tracer.collect.shape import Shape, shape
from tracer.core.held import Held
from tracer.core.totals import SlotCounts, Totals
from tracer.core.whose import Peer
from tracer.errors import FlantraceError
from tracer.model.observation import AttachedPoint, Observation
from tracer.model.packet import Net
from tracer.model.watch import DropCount, Kind, PeerCounts

ROOM = 2
"""Slots for each lease there is: those that change need a second one for a while."""

_KINDS = tuple(Kind(kind) for kind in KINDS)
_DropKey = tuple[str | None, str | None, str | None, str | None]


class Record(NamedTuple):
    """One packet that was recorded."""

    seen: Observation
    kinds: tuple[Kind, ...]
    """None: it is a sample."""


class Eyes(Closing):
    """Of one node. To be used in its network namespace."""

    def __init__(self, node: str, trouble: Callable[[FlantraceError], None]) -> None:
        self._node = node
        self._trouble = trouble
        self.holding: Holding | None = None
        self.points: tuple[AttachedPoint, ...] = ()
        self._slots = 0
        self._held: Held | None = None
        self._convert: Converter | None = None
        self._totals = Totals()
        self._unsaid: dict[Peer, PeerCounts] = {}
        self._drops: dict[_DropKey, int] = {}
        self._drops_before: dict[_DropKey, int] = {}
        self._lost = self._untold = 0
        self.taken = 0
        """Records, until now."""

    def close(self) -> None:
        """Detach."""
        if self.holding is not None:
            self.holding.close()
            self.holding = None

    def hold(self, held: Held) -> bool:
        """Hold packets against this from now on. True: by other programs than before.

        Raises NotSupported, NotPermitted, CollectFailed: what was held is held on.
        """
        if held == self._held:
            return False
        wanted = shape(held)
        if self.holding is not None and self._fits(wanted, len(held.peers)):
            self.holding.hold(held)
            self._held = held
            return False
        slots = ROOM * len(held.peers) + 1
        fresh = Holding(wanted, slots)
        try:
            fresh.hold(held)
            self._swap(fresh)
        except BaseException:
            fresh.close()
            raise
        self._held, self._slots = held, slots
        return True

    def look_at(self, points: Sequence[AttachedPoint], netns: int) -> None:
        """Watch these devices, and no others."""
        holding = self.holding
        if holding is None:
            return
        there = {point.ifindex for point in points}
        for ifindex in holding.attached() - there:
            holding.detach(ifindex)
        for point in points:
            try:
                holding.attach(point)
            except OSError:
                continue  # it has gone: its notice is on the way
            except FlantraceError as error:
                self._trouble(error)
        self.points = tuple(points)
        self._convert = holding.converter(self._node, netns, self.points)

    def watched(self) -> tuple[AttachedPoint, ...]:
        """The devices whose packets are counted."""
        there = self.holding.attached() if self.holding is not None else frozenset()
        return tuple(point for point in self.points if point.ifindex in there)

    def fileno(self) -> int | None:
        """For select: readable when a deviating packet was recorded."""
        return self.holding.fileno() if self.holding is not None else None

    def records(self) -> Iterator[Record]:
        """Those since the last call."""
        if self.holding is None or self._convert is None:
            return
        for data in self.holding.records():
            self.taken += 1
            raw = RawRecord._make(RECORD.unpack(data))
            kinds = (Kind.FREED,) if raw.direction == FREED else _kinds(raw.reason)
            yield Record(self._convert(data), kinds)

    def counts(self) -> tuple[PeerCounts, ...]:
        """The totals that changed."""
        if self.holding is None:
            return ()
        self._take(self.holding.changed())
        changed, self._unsaid = self._unsaid, {}
        return tuple(changed.values())

    def glimpse(self, peers: Sequence[tuple[str, Net]]) -> Iterator[tuple[str, Net, PeerCounts]]:
        """Those peers' totals, as far as anything was counted. The next counts have them, too."""
        if self.holding is None:
            return
        self._take(self.holding.counted_of(subnet for _, subnet in peers))
        for node, subnet in peers:
            total = self._totals.of((node, subnet))
            if total is not None:
                yield node, subnet, total

    def _take(self, counts: Iterable[SlotCounts]) -> None:
        """The newest total of each peer counts."""
        self._unsaid |= {(one.peer, one.subnet): one for one in self._totals.take(counts)}

    def drops(self) -> tuple[DropCount, ...]:
        """The totals that changed."""
        now = self._dropped()
        changed = [key for key, packets in now.items() if self._drops.get(key) != packets]
        self._drops = now
        return tuple(
            DropCount(peer=key[0], subnet=key[1], reason=key[2], caller=key[3], packets=now[key])
            for key in changed
        )

    def lost(self) -> tuple[int, int]:
        """Records that found no room, and drops that are in no counter, until now."""
        if self.holding is None:
            return self._lost, self._untold
        return (
            self._lost + self.holding.lost(),
            self._untold + self.holding.dropped_untold(),
        )

    def _dropped(self) -> dict[_DropKey, int]:
        found = dict(self._drops_before)
        for one in self.holding.dropped() if self.holding is not None else ():
            peer = (one.peer.node, one.peer.subnet) if one.peer is not None else (None, None)
            key = (*peer, one.reason, one.caller)
            found[key] = found.get(key, 0) + one.packets
        return found

    def _fits(self, wanted: Shape, peers: int) -> bool:
        return self.holding is not None and self.holding.shape == wanted and peers < self._slots

    def _swap(self, fresh: Holding) -> None:
        """In one step at each hook; what the old ones counted is not lost."""
        old = self.holding
        if old is not None:
            old.replaced_by(fresh)
            self._take(old.changed())
            self._drops_before = self._dropped()
            self._lost, self._untold = self.lost()
            old.close()
        self._totals.anew()
        self.holding = fresh
        for problem in fresh.problems:
            self._trouble(FlantraceError(problem, where=self._node, hint=""))


def _kinds(bits: int) -> tuple[Kind, ...]:
    return tuple(kind for number, kind in enumerate(_KINDS) if bits >> number & 1)
