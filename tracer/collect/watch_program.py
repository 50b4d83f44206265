"""The programs of bpf/watch.c in the kernel: compiled for one shape, loaded, not yet attached."""

import mmap
import os
from collections.abc import Mapping
from typing import NamedTuple

from tracer.collect import bpf, btf, symbols
from tracer.collect.capabilities import insist
from tracer.collect.counters import DEVIATIONS_SIZE, HOOKS, TALLIES_SIZE
from tracer.collect.expectations import EXPECTATION
from tracer.collect.freed import freed_flags
from tracer.collect.layout import RECORD
from tracer.collect.maps import Map
from tracer.collect.ring import Ring
from tracer.collect.shape import Shape, flags

MOST_DROPS = 4096
"""Peers times reasons times functions; what finds no room is counted."""

_VALUES = {
    "peers4": 4,
    "peers6": 4,
    "expected": EXPECTATION.size,
    "own": EXPECTATION.size,
    "tallies": TALLIES_SIZE,
    "deviated": DEVIATIONS_SIZE,
    "sampling": 8,
    "lost": 8,
}
"""Bytes of a value of each map."""
_OF_DROPS = {"drops": 8, "drops_left_out": 8}
_PER_CPU = {"tallies", "lost", *_OF_DROPS}


class WatchProgram(NamedTuple):
    """Everything loaded. Its descriptors are the holder's to close."""

    hooks: Mapping[str, int]
    """Program of each hook."""
    freed: int | None
    """That of the tracepoint; None: it cannot be compiled here."""
    maps: Mapping[str, Map]
    ring: Ring
    reasons: Mapping[int, str]
    """Names of drop reasons, where the kernel tells them to the program."""
    problem: str | None
    """Why drops are not seen."""

    def close_programs(self) -> None:
        """Those that are attached stay so."""
        for program in (*self.hooks.values(), self.freed):
            if program is not None:
                os.close(program)


def loaded(wanted: Shape, slots: int, ring_bytes: int) -> WatchProgram:
    """In this network namespace, whose drops are counted.

    Raises NotSupported, NotPermitted.
    """
    insist()
    types = btf.load()
    reasons = symbols.reasons(types)
    drops = freed_flags(types, reasons)
    definitions = [
        f"-DRING_PAGES={ring_bytes // mmap.PAGESIZE}",
        f"-DDROPS={MOST_DROPS}",
        f"-DNETNS(n)=((n)=={os.stat('/proc/thread-self/ns/net').st_ino}u)",
        *flags(wanted, slots),
        *drops.flags,
    ]
    sizes = _VALUES | (_OF_DROPS if drops.flags else {})
    module = bpf.compile_source(bpf.source("watch.c"), definitions)
    try:
        hooks = {name: bpf.load(module, name, "SCHED_CLS") for name in HOOKS}
        freed = bpf.load(module, "flantrace_freed", "RAW_TRACEPOINT") if drops.flags else None
        return WatchProgram(
            {name: os.dup(program) for name, program in hooks.items()},
            None if freed is None else os.dup(freed),
            {
                name: Map(os.dup(module[name.encode()].map_fd), size, per_cpu=name in _PER_CPU)
                for name, size in sizes.items()
            },
            Ring(os.dup(module[b"ring"].map_fd), ring_bytes, RECORD.size),
            reasons if drops.reasons else {},
            drops.problem,
        )
    finally:
        module.cleanup()  # frees LLVM's memory; the descriptors are copies
