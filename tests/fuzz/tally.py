"""What came of a fuzzer's inputs; an input beyond a limit ends its run."""

import os
import sys
from collections import Counter
from pathlib import Path

from tests.fuzz.measured import LIMIT_MB, LIMIT_S, Measured

ORDERLY = (0, 1, 2, 3, 4)
"""Exit codes of docs/reference/exit-codes.md but for "this is a bug" and "interrupted"."""

TALLY_FILE = "FLANTRACE_FUZZ_TALLY"
"""Environment: where the tally is written. libFuzzer leaves without running Python's last words."""


class Tally:
    """Exit codes, the slowest and the largest input."""

    def __init__(self, what: str) -> None:
        self.runs = 0
        self._what = what
        self._codes: Counter[int] = Counter()
        self._slowest = (0.0, 0)
        self._largest = (0, 0)
        self._file = Path(os.environ.get(TALLY_FILE, os.devnull))

    def put(self, one: Measured, size: int) -> None:
        """One input's result, its own size in bytes. AssertionError: libFuzzer keeps the input."""
        self.runs += 1
        self._codes[one.code] += 1
        self._slowest = max(self._slowest, (one.seconds, size))
        self._largest = max(self._largest, (one.mb, size))
        self._file.write_text(self._words())
        assert one.code in ORDERLY, f"exit code {one.code}"
        assert one.seconds < LIMIT_S, f"{one.seconds:.1f} s"
        assert one.mb < LIMIT_MB, f"{one.mb} MB"

    def _words(self) -> str:
        codes = ", ".join(f"{count} ended in {code}" for code, count in sorted(self._codes.items()))
        return (
            f"{self.runs} hostile {self._what}: {codes}; the slowest took {self._slowest[0]:.2f} s"
            f" (of {self._slowest[1]} bytes), the largest {self._largest[0]} MB"
            f" (of {self._largest[1]} bytes)\n"
        )


def quietly() -> None:
    """What flantrace says of each input is not wanted; a bug is raised, not put into words."""
    os.environ["FLANTRACE_DEBUG"] = "1"
    sys.stderr = sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - to the process's end
