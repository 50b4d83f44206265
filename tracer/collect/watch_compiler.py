"""The process that compiles bpf/watch.c, has the kernel take it, and hands the descriptors over.

    python -m tracer.collect.watch_compiler SOCKET

Started by collect/watch_program.py. LLVM takes 120 MB, the kernel's types 40: they go with it.
"""

import mmap
import os
import socket
import sys

import msgspec

from tracer.collect import bpf, btf, handed, netns, symbols
from tracer.collect.counters import HOOKS
from tracer.collect.freed import freed_flags
from tracer.collect.shape import flags
from tracer.collect.watch_program import MAPS, MAPS_OF_DROPS, MOST_DROPS, Made, Order
from tracer.errors import FlantraceError


def compiled(order: Order) -> tuple[Made, list[int]]:
    """What is in the kernel now, and the descriptors in the order of Made.

    In this network namespace, whose drops are counted. Raises NotSupported, NotPermitted.
    """
    types = btf.load()
    reasons = symbols.reasons(types)
    drops = freed_flags(types, reasons)
    definitions = [
        f"-DRING_PAGES={order.ring_bytes // mmap.PAGESIZE}",
        f"-DDROPS={MOST_DROPS}",
        f"-DNETNS(n)=((n)=={netns.own_inode()}u)",
        *flags(order.shape, order.slots),
        *drops.flags,
    ]
    maps = (*MAPS, *(MAPS_OF_DROPS if drops.flags else ()), "ring")
    module = bpf.compile_source(bpf.source("watch.c"), definitions)
    fds = [bpf.load(module, name, "SCHED_CLS") for name in HOOKS]
    fds += [bpf.load(module, "flantrace_freed", "RAW_TRACEPOINT")] if drops.flags else []
    fds += [int(module[name.encode()].map_fd) for name in maps]
    made = Made(
        maps=maps,
        freed=bool(drops.flags),
        reasons=reasons if drops.reasons else {},
        problem=drops.problem,
    )
    return made, fds


def main() -> None:
    """Take the order, answer it, and leave without tidying up: the kernel does that."""
    with socket.socket(fileno=int(sys.argv[1])) as parent:
        order = msgspec.json.decode(parent.recv(handed.LARGEST), type=Order)
        try:
            answer, fds = compiled(order)
        except FlantraceError as error:
            handed.hand_over(parent, msgspec.json.encode(handed.Refused.of(error)), [])
        else:
            handed.hand_over(parent, msgspec.json.encode(answer), fds)
    os._exit(0)


if __name__ == "__main__":
    main()
