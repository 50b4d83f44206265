"""What a hook costs, by BPF_PROG_TEST_RUN, against three floors of the same run.

    .venv/bin/python -m tests.bench.hooks [--repeat N]

Needs root. A benchmark and no test: prints a table, and fails when a target is missed.
"""

import argparse
import ctypes
import math
import mmap
import os
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import packets
from tracer.collect import bpf
from tracer.collect.pairing import Filter, flags
from tracer.collect.syscall import PROG_TEST_RUN, address, per_cpu_counts
from tracer.collect.syscall import bpf as call

if TYPE_CHECKING:
    from bcc import BPF

REPEAT = 400_000
ROUNDS = 12
RING_BYTES = 8 << 20
PEERS = 5_000
OTHERS_TARGET = 0.25
"""A packet of other pods, as a part of *count*."""
TRACED_TARGET = 2.0
"""A traced packet with its headers, as a multiple of *emit*."""

POD_A, POD_B, POD_C, POD_D = "10.244.1.5", "10.244.2.7", "10.244.1.9", "10.244.2.9"


def frame(source: str, destination: str, *, tcp: bool = False) -> bytes:
    """An ICMP echo request of 84 bytes, or a bare TCP segment, in Ethernet."""
    if tcp:
        segment = packets.tcp(40000, 80, 1, packets.ACK)
        return packets.ethernet(packets.ipv4(source, destination, packets.TCP, segment))
    return packets.ethernet(packets.ipv4(source, destination, packets.ICMP, packets.echo(7, 1)))


def on_underlay(inner: bytes) -> bytes:
    """The frame as an uplink sees it."""
    payload = packets.udp(50000, packets.PORT, packets.vxlan(inner))
    return packets.ethernet(packets.ipv4("192.0.2.11", "192.0.2.12", packets.UDP, payload))


def run_ns(program: int, data: bytes, repeat: int) -> int:
    """Average nanoseconds of one run."""
    buffer = ctypes.create_string_buffer(data, len(data))
    # prog_fd, retval, sizes in and out, data in and out, repeat, duration
    request = struct.pack("=IIIIQQII", program, 0, len(data), 0, address(buffer), 0, repeat, 0)
    _, answer = call(PROG_TEST_RUN, request)
    fields = struct.unpack_from("=IIIIQQII", answer)
    assert struct.pack("=I", fields[1]) == struct.pack("=i", -1), "a hook must let packets pass"
    return int(fields[7])


@contextmanager
def emptied(ring: int) -> Iterator[None]:
    """A reader on another core that takes everything as it comes."""
    consumer = memoryview(mmap.mmap(ring, mmap.PAGESIZE)).cast("Q")
    length = mmap.PAGESIZE + 2 * RING_BYTES
    shared = memoryview(mmap.mmap(ring, length, prot=mmap.PROT_READ, offset=mmap.PAGESIZE))
    producer = shared[:8].cast("Q")
    done = threading.Event()
    taken = bytearray(shared)  # also has every page mapped before it counts

    def read() -> None:
        while not done.is_set():
            begin, end = consumer[0], producer[0]
            start = mmap.PAGESIZE + begin % RING_BYTES
            taken[: end - begin] = shared[start : start + end - begin]
            consumer[0] = end

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        done.set()
        reader.join()


def floors() -> "BPF":
    """The compiled floor programs, with 5,000 peers in the maps."""
    text = (Path(__file__).parent / "floors.c").read_text()
    mask = int.from_bytes(b"\xff\xff\xff\0", sys.byteorder)
    pages = RING_BYTES // mmap.PAGESIZE
    module = bpf.compile_source(text, [f"-DRING_PAGES={pages}", f"-DMASK24={mask}u"])
    peers: Any = module[b"peers"]
    for number in range(PEERS):
        subnet = (0x0AEC0000 + (number << 8)).to_bytes(4, "big")  # 10.236.0.0/24 upwards
        key = int.from_bytes(subnet, sys.byteorder)
        peers[ctypes.c_uint32(key)] = ctypes.c_uint32(number)
    return module


def tracer() -> "BPF":
    """flantrace's own programs, as for a trace of pod-a and pod-b."""
    wanted = Filter(
        pair=(POD_A, POD_B),
        vxlan_ports=(8472,),
        neighbours=("10.244.2.0", "192.0.2.12"),
        datagram_port=50999,
        netns=(1,),
    )
    text = bpf.source("trace.c")
    pages = RING_BYTES // mmap.PAGESIZE
    return bpf.compile_source(text, [f"-DRING_PAGES={pages}", *flags(wanted)])


def measure(repeat: int) -> tuple[dict[str, float], int]:
    """Nanoseconds by case, the best of interleaved rounds; and how many rounds do not count."""
    floor, ours = floors(), tracer()
    names = ("empty", "count", "emit")
    empty, count, emit = (bpf.load(floor, name, "SCHED_CLS") for name in names)
    trace = bpf.load(ours, "flantrace_in", "SCHED_CLS")
    plain, traced = frame(POD_C, POD_D), frame(POD_A, POD_B)
    segment = frame(POD_C, POD_D, tcp=True)
    cases = {
        "empty": (empty, plain, None),
        "count": (count, plain, None),
        "emit": (emit, traced, floor),
        "others, ICMP": (trace, plain, None),
        "others, TCP": (trace, segment, None),
        "others, VXLAN": (trace, on_underlay(plain), None),
        "others, VXLAN TCP": (trace, on_underlay(segment), None),
        "traced": (trace, traced, ours),
        "traced, VXLAN": (trace, on_underlay(traced), ours),
    }
    results: dict[str, list[int]] = {name: [] for name in cases}
    spoilt = 0
    for _ in range(ROUNDS):
        for name, (program, data, module) in cases.items():
            if module is None:
                results[name].append(run_ns(program, data, repeat))
                continue
            before = lost(module)
            with emptied(module[b"ring"].map_fd):
                nanoseconds = run_ns(program, data, repeat)
            # a record that finds no room costs less than one that does
            if lost(module) == before:
                results[name].append(nanoseconds)
            else:
                spoilt += 1
    return {name: min(values, default=math.nan) for name, values in results.items()}, spoilt


def lost(module: "BPF") -> int:
    """Records that found no room, so far."""
    return sum(per_cpu_counts(module[b"lost"].map_fd))


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=REPEAT)
    costs, spoilt = measure(parser.parse_args().repeat)
    over = {name: ns - costs["empty"] for name, ns in costs.items()}
    print(f"Linux {os.uname().release}, {os.cpu_count()} CPUs, best of {ROUNDS} interleaved rounds")
    print(f"{'program':20} {'ns a run':>9} {'over empty':>11} {'ratio':>7}  target")
    missed = False
    for name, ns in costs.items():
        line = f"{name:20} {ns:9.0f} {over[name]:11.0f}"
        if name.startswith(("others", "traced")):
            floor, target = ("count", OTHERS_TARGET) if name[0] == "o" else ("emit", TRACED_TARGET)
            ratio = over[name] / over[floor]
            missed = missed or not ratio <= target  # nan: every round was spoilt
            line += f" {ratio:7.2f}  at most {target} of {floor}"
        print(line)
    print(f"rounds left out because the reader was too slow: {spoilt}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
