"""flantrace by another clock: `other_clock.py FILE WORDS...`. The seconds in FILE are added to it.

Read at each look, so that the clock can be set while it runs. CLOCK_MONOTONIC stays what it is, as
it does when a machine's clock is set; the kernel's own times of files are not moved.
"""

import datetime
import sys
import time
from pathlib import Path
from typing import Any

REAL_TIME, REAL_TIME_NS = time.time, time.time_ns


def _added() -> float:
    return float(Path(sys.argv[1]).read_text() or 0)


class Moved(datetime.datetime):
    """What `from datetime import datetime` gives from now on."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return super().now(tz) + datetime.timedelta(seconds=_added())


def main() -> None:
    """Before anything of flantrace is imported."""
    time.time = lambda: REAL_TIME() + _added()
    time.time_ns = lambda: REAL_TIME_NS() + int(_added() * 1e9)
    datetime.datetime = Moved  # type: ignore[misc]
    from tracer.cli.main import main as flantrace

    flantrace(sys.argv[2:])


if __name__ == "__main__":
    main()
