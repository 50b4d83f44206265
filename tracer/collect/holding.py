"""Hold every packet of a node's peers against the leases, in the kernel (bpf/watch.c)."""

import mmap
import os
import struct
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import NamedTuple

from tracer.collect import bpf, hooks
from tracer.collect.expectations import EXPECTATION, NO_LEASE, Expectations
from tracer.collect.maps import Map
from tracer.collect.ring import Ring
from tracer.collect.shape import Shape, flags
from tracer.core.held import Held, HeldPeer
from tracer.model.observation import AttachedPoint, Device

HOOKS = ("from_pod", "to_pod", "vtep_in", "vtep_out", "uplink_in", "uplink_out")
"""enum hook of bpf/expectation.h, and the programs' names."""

KINDS = (
    "no-lease", "peer-mac", "own-mac", "sender-mac", "outer-dst", "outer-src", "vni", "port",
    "plain", "freed",
)  # fmt: skip
"""enum kind of bpf/expectation.h: bits of a record's `reason`."""

RING_BYTES = 1 << 20
LEAST_SLOTS = 256

_AT = {Device.BRIDGE: HOOKS[0:2], Device.VTEP: HOOKS[2:4], Device.UPLINK: HOOKS[4:6]}
"""The programs at a device: into it, out of it."""

_KINDS_ROOM = 16
_TALLY = struct.Struct("=QQQ")
_DEVIATION = struct.Struct("=QQ")
_SAMPLES_OF = 1 << 32


class Tally(NamedTuple):
    """What passed one hook of one peer's packets, since the programs were loaded."""

    packets: int
    """A super-packet is as many as the wire carries of it."""
    bytes: int
    """Of frames as the hook has them; those of a super-packet once."""
    host: int
    """Of the packets, those from or to this node's own flannel address."""


class Counted(NamedTuple):
    """The counters of one slot."""

    peer: HeldPeer | None
    """None: addresses of the cluster's network that nobody leases."""
    at: tuple[Tally, ...]
    """In the order of HOOKS."""
    deviations: tuple[int, ...]
    """Packets, in the order of KINDS."""


class Holding:
    """The programs of one shape at the hooks of a node, and the leases in their maps.

    Must be made, and attached, in the node's network namespace. Detaches when closed, or with the
    process.
    """

    def __init__(
        self, wanted: Shape, slots: int, *, ring_bytes: int = RING_BYTES, prefer: str = hooks.TCX
    ) -> None:
        """Compile and load. `slots`: twice as many as there are leases, for those that change.

        Raises NotSupported, NotPermitted, CollectFailed.
        """
        self.shape = wanted
        slots = max(slots, LEAST_SLOTS)
        pages = f"-DRING_PAGES={ring_bytes // mmap.PAGESIZE}"
        module = bpf.compile_source(bpf.source("watch.c"), [pages, *flags(wanted, slots)])
        try:
            programs = {name: os.dup(bpf.load(module, name, "SCHED_CLS")) for name in HOOKS}
            fds = {name: os.dup(module[name.encode()].map_fd) for name in (*_SIZES, "ring")}
        finally:
            module.cleanup()  # frees LLVM's memory; the descriptors are copies
        self.programs: Mapping[str, int] = programs
        self._maps = {
            name: Map(fds[name], size, per_cpu=name == "tallies") for name, size in _SIZES.items()
        }
        self._ring = Ring(fds["ring"], ring_bytes)
        self._hooks = [
            (device, hooks.Hooks(programs[into], programs[out], prefer=prefer))
            for device, (into, out) in _AT.items()
        ]
        self.expectations = Expectations(self._maps, wanted, slots)

    def __enter__(self) -> "Holding":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Detach from everything, and give all back."""
        for _, attached in self._hooks:
            attached.close()
        for one in self._maps.values():
            one.close()
        for program in self.programs.values():
            os.close(program)
        self.programs = {}

    def attach(self, point: AttachedPoint) -> None:
        """Watch a device. Raises OSError(ENODEV) when it has gone, NotPermitted, CollectFailed."""
        for device, held in self._hooks:
            if device is point.device:
                held.attach(point.ifindex)

    def hold(self, held: Held) -> None:
        """Hold packets against these leases from now on; they must fit the shape."""
        self.expectations.hold(held)

    def sample(self, one_in: int) -> None:
        """Record one packet in so many; 0: none."""
        threshold = _SAMPLES_OF // one_in if one_in else 0
        self._maps["sampling"].put(_INDEX, struct.pack("=Q", threshold))

    def fileno(self) -> int:
        """For select and poll: readable when records wait."""
        return self._ring.fileno()

    def records(self) -> Iterator[bytes]:
        """struct observation of samples and deviations since the last call."""
        return (bytes(record) for record in self._ring.drain())

    def counted(self) -> list[Counted]:
        """The counters of every slot that is or was somebody's, and that of NO_LEASE first."""
        count = self.expectations.used()
        tallies = self._maps["tallies"].first(count)
        deviated = self._maps["deviated"].first(count)
        return [
            Counted(self.expectations.peer(slot), _tallies(tally), _deviations(deviation))
            for slot, (tally, deviation) in enumerate(zip(tallies, deviated, strict=True))
            if slot == NO_LEASE or self.expectations.peer(slot) is not None
        ]


_INDEX = struct.pack("=I", 0)
_SIZES = {
    "peers4": 4,
    "peers6": 4,
    "expected": EXPECTATION.size,
    "own": EXPECTATION.size,
    "tallies": _TALLY.size * len(HOOKS),
    "deviated": _DEVIATION.size * _KINDS_ROOM,
    "sampling": 8,
}
"""Bytes of a value of each map."""


def _tallies(value: bytes) -> tuple[Tally, ...]:
    """The sum of all CPUs."""
    numbers = struct.unpack(f"={len(value) // 8}Q", value)
    width = 3 * len(HOOKS)
    sums = [sum(numbers[field::width]) for field in range(width)]
    return tuple(Tally(*sums[3 * hook : 3 * hook + 3]) for hook in range(len(HOOKS)))


def _deviations(value: bytes) -> tuple[int, ...]:
    return struct.unpack(f"={len(value) // 8}Q", value)[0 : 2 * len(KINDS) : 2]
