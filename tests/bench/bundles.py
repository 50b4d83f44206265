"""How long a recording of 1,000 nodes takes to read, against unpacking and parsing it with Python.

The yardstick, measured in the same run: gzip, tarfile and json of the standard library over that
file. Each runs in a process of its own, pinned to one processor.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.thousand import large
from tracer.bundle.archive import write

RUNS = 3
NODES = 1000

OURS = """
import sys
from pathlib import Path
from tracer.bundle.archive import read
assert len(read(Path(sys.argv[1])).nodes) == int(sys.argv[2])
"""

FLOOR = """
import json, sys, tarfile
with tarfile.open(sys.argv[1], "r|gz") as archive:
    for member in archive:
        text = archive.extractfile(member).read()
        if member.name.endswith(".json"):
            json.loads(text)
"""


def spent(script: str, path: Path, count: int = NODES) -> tuple[float, int]:
    """(CPU seconds, peak megabytes) of one process on one processor."""
    words = [sys.executable, "-c", script, str(path), str(count)]
    child = subprocess.Popen(words, preexec_fn=lambda: os.sched_setaffinity(0, {0}))
    _, status, used = os.wait4(child.pid, 0)
    assert status == 0
    return used.ru_utime + used.ru_stime, used.ru_maxrss // 1024


def main() -> None:
    """Print size, medians and ratio."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.tgz")
        began = time.monotonic()
        write(large(NODES), path)
        passed, size = time.monotonic() - began, path.stat().st_size / 1e6
        print(
            f"{NODES} nodes, {3 * NODES * (NODES - 1):,} entries: {size:.1f} MB (at most 50),"
            f" made and written in {passed:.1f} s"
        )
        pairs = [(spent(OURS, path), spent(FLOOR, path)) for _ in range(RUNS)]
    for name, column in (("read (at most 5 s)", 0), ("standard library's json", 1)):
        times = sorted(pair[column][0] for pair in pairs)
        peak = max(pair[column][1] for pair in pairs)
        middle = statistics.median(times)
        print(f"{name:32} {middle:6.2f} s   ({times[0]:.2f} - {times[-1]:.2f}), {peak} MB")
    ratio = statistics.median(ours[0] / floor[0] for ours, floor in pairs)
    print(f"{'ratio':32} {ratio:6.2f}")


if __name__ == "__main__":
    main()
