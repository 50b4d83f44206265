"""How many observations a second of the consumer's CPU time takes, against BCC's callback.

    .venv/bin/python -m tests.bench.reading

Needs root. The ring is filled, then emptied by one thread whose CPU time is taken, by turns: by
BCC's ring_buffer_consume with a callback that does nothing, and straight from the mapped memory,
counting what each hook had.
"""

import ctypes
import mmap
import os
import statistics
import struct
import sys
import time

from tests.bench.held import PEER, POD, held, inner
from tracer.collect import bpf
from tracer.collect.counters import seen
from tracer.collect.layout import RECORD, STEP
from tracer.collect.ring import Ring
from tracer.collect.shape import flags, shape
from tracer.collect.syscall import PROG_TEST_RUN, address
from tracer.collect.syscall import bpf as call

RING_BYTES = 16 << 20
FIT = RING_BYTES // STEP - 1
ROUNDS = 15
TARGET = 5.0


class Source:
    """A program that makes a record of every packet, and its ring."""

    def __init__(self) -> None:
        pages = f"-DRING_PAGES={RING_BYTES // mmap.PAGESIZE}"
        wanted = [pages, "-DDROPS=16", "-DNETNS(n)=0", *flags(shape(held(0)), 256)]
        self.module = bpf.compile_source(bpf.source("watch.c"), wanted)
        self._program = bpf.load(self.module, "from_pod", "SCHED_CLS")
        self.module[b"sampling"][ctypes.c_int(0)] = ctypes.c_uint64(1 << 32)

    def fill(self) -> None:
        """As many records as there is room for, to a few."""
        frame = inner(POD, PEER)
        data = ctypes.create_string_buffer(frame, len(frame))
        request = struct.pack(
            "=IIIIQQII", self._program, 0, len(frame), 0, address(data), 0, FIT, 0
        )
        call(PROG_TEST_RUN, request)


def by_memory(ring: Ring) -> int:
    """One emptying: how many it took, counted by hook."""
    with ring.batch() as records:
        hooks, freed = seen(records)
        return sum(hooks) + freed


def main() -> int:
    """Measure, print, judge."""
    ours, theirs = Source(), Source()

    def callback(_context: object, _data: object, _size: object) -> int:
        return 0

    theirs.module[b"ring"].open_ring_buffer(callback)
    ring = Ring(os.dup(ours.module[b"ring"].map_fd), RING_BYTES, RECORD.size)
    rates: dict[str, list[float]] = {"BCC's callback": [], "mapped memory": []}
    for _ in range(ROUNDS):
        theirs.fill()
        began = time.thread_time()
        theirs.module.ring_buffer_consume()
        rates["BCC's callback"].append(FIT / (time.thread_time() - began))
        ours.fill()
        began = time.thread_time()
        taken = by_memory(ring)
        rates["mapped memory"].append(taken / (time.thread_time() - began))
        assert taken == FIT, f"{taken} of {FIT} records"
    for name, found in rates.items():
        low, high = min(found) / 1e6, max(found) / 1e6
        print(f"{name:16} {statistics.median(found) / 1e6:6.2f} M/s   ({low:.2f} - {high:.2f})")
    pairs = zip(rates["mapped memory"], rates["BCC's callback"], strict=True)
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"{'ratio':16} {ratio:6.2f}   at least {TARGET}; records of {RECORD.size} B")
    return 0 if ratio >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
