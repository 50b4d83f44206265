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
load(compile_source("int empty(struct __sk_buff *ctx) { return -1; }", []), "empty", "SCHED_CLS")
"""


def seconds(*words: str) -> float:
    """Wall time of one process that has to succeed."""
    began = time.monotonic()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def main() -> None:
    """Print medians, spread and ratio."""
    subprocess.run([FLANTRACE, "lab", "up"], check=True, stdout=subprocess.DEVNULL)
    try:
        trace = (FLANTRACE, "--lab", "pod-a", "pod-b", "--count", "5")
        floor = (sys.executable, "-c", FLOOR)
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
