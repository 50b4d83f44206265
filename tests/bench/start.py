"""How long a healthy trace of five probes takes, against what cannot be avoided.

The yardstick, measured in the same run: a process that imports the libraries, and compiles and
loads one BPF program. Runs alternate; medians are compared.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

FLANTRACE = str(Path(sys.executable).parent / "flantrace")
RUNS = 9

FLOOR = """
import bcc, click, kubernetes, msgspec, pyroute2, tabulate
from tracer.collect.bpf import compile_source, load
module = compile_source({definitions!r})
load(module, "flantrace_in", "SCHED_CLS")
"""


def seconds(*words: str) -> float:
    """Wall time of one process that has to succeed."""
    began = time.monotonic()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def floor_program() -> str:
    """The yardstick's source: our own TC program, compiled with a pair's flags."""
    from tracer.collect.bpf import RING_BYTES
    from tracer.collect.pairing import Filter, flags

    filter_flags = flags(Filter(pair=("10.244.1.2", "10.244.2.2"), vxlan_ports=(8472,)))
    return FLOOR.format(definitions=(filter_flags, RING_BYTES))


def main() -> None:
    """Print medians, spread and ratio."""
    subprocess.run([FLANTRACE, "lab", "up"], check=True, stdout=subprocess.DEVNULL)
    try:
        trace = (FLANTRACE, "--lab", "pod-a", "pod-b", "--count", "5")
        floor = (sys.executable, "-c", floor_program())
        seconds(*trace)
        seconds(*floor)
        pairs = [(seconds(*trace), seconds(*floor)) for _ in range(RUNS)]
    finally:
        subprocess.run([FLANTRACE, "lab", "down"], check=True, stdout=subprocess.DEVNULL)
    for name, column in (("trace", 0), ("imports, one compile, one load", 1)):
        times = sorted(pair[column] for pair in pairs)
        middle = statistics.median(times)
        print(f"{name:32} {middle:6.2f} s   ({times[0]:.2f} - {times[-1]:.2f})")
    ratio = statistics.median(trace / floor for trace, floor in pairs)
    print(f"{'ratio (at most 3)':32} {ratio:6.2f}")


if __name__ == "__main__":
    main()
