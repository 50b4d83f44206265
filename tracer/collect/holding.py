"""Hold every packet of a node's peers against the leases, in the kernel (bpf/watch.c)."""

import os
import struct
from collections.abc import Iterable, Iterator, Sequence

from tracer.collect import counters, grace, hooks, run_time, symbols
from tracer.collect.closing import Closing
from tracer.collect.convert import Converter
from tracer.collect.counters import DROP, HOOKS, Counted, Counting, Dropped
from tracer.collect.expectations import NO_LEASE, Expectations
from tracer.collect.freed import open_tracepoint
from tracer.collect.shape import Shape
from tracer.collect.watch_program import loaded
from tracer.core.held import Held
from tracer.core.totals import SlotCounts
from tracer.model.observation import AttachedPoint, Device
from tracer.model.packet import Net

RING_BYTES = 1 << 20
LEAST_SLOTS = 256

_AT = {Device.BRIDGE: HOOKS[0:2], Device.VTEP: HOOKS[2:4], Device.UPLINK: HOOKS[4:6]}
"""The programs at a device: into it, out of it."""

_FIRST = struct.pack("=I", 0)
_SAMPLES_OF = 1 << 32


class Holding(Closing):
    """The programs of one shape at the hooks of a node, and the leases in their maps.

    Must be made, and attached, in the node's network namespace. Detaches when closed, or with the
    process.
    """

    def __init__(
        self, wanted: Shape, slots: int, *, ring_bytes: int = RING_BYTES, prefer: str = hooks.TCX
    ) -> None:
        """Compile and load. `slots`: twice as many as there are leases, for those that change.

        `problems`: what cannot be seen here. Raises NotSupported, NotPermitted, CollectFailed.
        """
        self.shape = wanted
        slots = max(slots, LEAST_SLOTS)
        self._program = program = loaded(wanted, slots, ring_bytes)
        self._callers = symbols.Callers(keep=False)
        self._tracepoint, problem = open_tracepoint(program.freed)
        self._close_tracepoint()  # nothing is counted before it is attached somewhere
        self.problems = tuple(one for one in (program.problem, problem) if one is not None)
        self._hooks = [
            (device, hooks.Hooks(program.hooks[into], program.hooks[out], prefer=prefer))
            for device, (into, out) in _AT.items()
        ]
        self._expectations = Expectations(program.maps, wanted, slots)
        self._counting = Counting(program.maps)

    def close(self) -> None:
        """Detach from everything, and give all back."""
        for _, attached in self._hooks:
            attached.close()
        self._close_tracepoint()
        self._program.close()

    def attach(self, point: AttachedPoint) -> None:
        """Watch a device; one that is watched stays so, and one of another role changes it.

        Raises OSError(ENODEV) when it has gone, NotPermitted, CollectFailed.
        """
        for device, at in self._hooks:
            if device is not point.device:
                at.detach(point.ifindex)
        for device, at in self._hooks:
            if device is point.device:
                at.attach(point.ifindex)
        self._open_tracepoint()

    def detach(self, ifindex: int) -> None:
        """Leave a device; one that has gone, or was never watched, is no error."""
        for _, at in self._hooks:
            at.detach(ifindex)

    def attached(self) -> frozenset[int]:
        """Numbers of the devices that are watched, as the kernel has it.

        A device that has gone is not among them, also where a new one has its number.
        """
        return frozenset().union(*(at.attached() for _, at in self._hooks))

    def replaced_by(self, other: "Holding") -> None:
        """Put the other's programs in the place of ours; it holds its leases already.

        At each hook in one step: every packet is counted by one of the two, and for each hook our
        counts and the other's add up. (A packet that the kernel frees meanwhile may be counted by
        both.) Ours are complete afterwards: read counters and records a last time, then close.
        Raises NotPermitted, CollectFailed: close both then.
        """
        for (_, mine), (_, its) in zip(self._hooks, other._hooks, strict=True):
            its.take_over(mine)
        other._open_tracepoint()
        self._close_tracepoint()
        grace.wait()

    def hold(self, held: Held) -> None:
        """Hold packets against these leases from now on; they must fit the shape."""
        self._expectations.hold(held)

    def sample(self, one_in: int) -> None:
        """Record one packet in so many; 0: none."""
        threshold = _SAMPLES_OF // one_in if one_in else 0
        self._program.maps["sampling"].put(_FIRST, struct.pack("=Q", threshold))

    def run_ns(self) -> int:
        """What our programs have taken of the CPUs, in nanoseconds, in all that was measured.

        Measured is while bpf_stats is on (collect/run_time.py). Raises OSError.
        """
        return run_time.of(self._program.programs())

    def program(self, hook: str) -> int:
        """The descriptor of a hook's program, for those who run it by hand."""
        return self._program.hooks[hook]

    def fileno(self) -> int:
        """For select and poll: readable when it is time for records(), ten times a second or more.

        A deviation makes it readable at once; samples wait, for waking costs more than a record.
        """
        return self._program.ring.fileno()

    def records(self) -> Iterator[bytes]:
        """struct observation of samples and deviations since the last call."""
        return (bytes(record) for record in self._program.ring.drain())

    def lost(self) -> int:
        """Records that found no room, until now."""
        return counters.total(self._program.maps["lost"].get(_FIRST))

    def converter(self, node: str, netns: int, points: Sequence[AttachedPoint]) -> Converter:
        """Its records as observations."""
        return Converter(node, netns, points, self._program.reasons, self._callers)

    def changed(self) -> list[SlotCounts]:
        """The counters of those slots of which anything was counted since the last call."""
        return self._counting.changed(self._expectations)

    def counted_of(self, subnets: Iterable[Net]) -> list[SlotCounts]:
        """The counters of those leases that are held."""
        slots = (self._expectations.slot(subnet) for subnet in subnets)
        return [self._counting.of(one, self._expectations) for one in slots if one is not None]

    def counted(self) -> list[Counted]:
        """The counters of every slot that is or was somebody's, and that of NO_LEASE first."""
        count = self._expectations.used()
        maps = self._program.maps
        pairs = zip(maps["tallies"].first(count), maps["deviated"].first(count), strict=True)
        return [
            Counted(
                self._expectations.peer(slot),
                counters.tallies(tally),
                counters.deviations(deviation),
            )
            for slot, (tally, deviation) in enumerate(pairs)
            if slot == NO_LEASE or self._expectations.peer(slot) is not None
        ]

    def dropped(self) -> list[Dropped]:
        """What the kernel freed of every peer's packets, by reason and function."""
        if "drops" not in self._program.maps:
            return []
        found = []
        for key, value in self._program.maps["drops"].items(DROP.size):
            location, reason, slot = DROP.unpack(key)
            found.append(
                Dropped(
                    self._expectations.peer(slot),
                    self._program.reasons.get(reason, f"{reason:#x}")
                    if self._program.reasons
                    else None,
                    self._callers.name(location),
                    counters.total(value),
                )
            )
        return found

    def dropped_untold(self) -> int:
        """Freed packets that are in none of `dropped`, for want of room."""
        if "drops_left_out" not in self._program.maps:
            return 0
        return counters.total(self._program.maps["drops_left_out"].get(_FIRST))

    def _open_tracepoint(self) -> None:
        if self._tracepoint is None:
            self._tracepoint, _ = open_tracepoint(self._program.freed)

    def _close_tracepoint(self) -> None:
        if self._tracepoint is not None:
            os.close(self._tracepoint)
            self._tracepoint = None
