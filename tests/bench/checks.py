"""How long a check of a recording takes for 100, 300 and 1,000 nodes, and whether it is linear.

The yardstick, measured in the same run: gzip, tarfile and json of the standard library over that
file. Each runs in a process of its own, pinned to one processor.
"""

import statistics
import tempfile
from pathlib import Path

from msgspec.structs import replace

from tests.bench.bundles import FLOOR, spent
from tests.thousand import large
from tracer.bundle.archive import write
from tracer.model.request import CheckRequest

RUNS = 3
SIZES = (100, 300, 1000)

OURS = """
import sys
from pathlib import Path
from tracer.bundle.archive import read
from tracer.core.examine import examine
found = examine(read(Path(sys.argv[1])))
assert (len(found.read), found.exit_code) == (int(sys.argv[2]), 0), found.sentence
"""


def main() -> None:
    """Print medians, time per entry, and ratio for each size."""
    with tempfile.TemporaryDirectory() as folder:
        for count in SIZES:
            path = Path(folder, f"{count}.tgz")
            write(replace(large(count), request=None, check=CheckRequest(), agents={}), path)
            pairs = [(spent(OURS, path, count), spent(FLOOR, path, count)) for _ in range(RUNS)]
            times = sorted(ours[0] for ours, _ in pairs)
            peak = max(ours[1] for ours, _ in pairs)
            entries = 3 * count * (count - 1)
            middle = statistics.median(times)
            ratio = statistics.median(ours[0] / floor[0] for ours, floor in pairs)
            print(
                f"check of {count:5,} nodes, {entries:9,} entries: {middle:5.2f} s"
                f"   ({times[0]:.2f} - {times[-1]:.2f}), {peak} MB,"
                f" {middle / entries * 1e6:.2f} us each, ratio to json {ratio:.2f}"
            )


if __name__ == "__main__":
    main()
