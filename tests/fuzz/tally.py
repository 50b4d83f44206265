"""What came of a fuzzer's inputs, printed when it ends; an input beyond a limit ends it."""

import atexit
from collections import Counter

from tests.fuzz.measured import LIMIT_MB, LIMIT_S, Measured

ORDERLY = (0, 1, 2, 3, 4)
"""Exit codes of docs/reference/exit-codes.md but for "this is a bug" and "interrupted"."""


class Tally:
    """Exit codes, the slowest and the largest input."""

    def __init__(self, what: str, fresh_mb: int) -> None:
        self.runs = 0
        self._what = what
        self._fresh_mb = fresh_mb
        self._codes: Counter[int] = Counter()
        self._slowest = (0.0, 0)
        self._largest = (0, 0)
        atexit.register(self._say)

    def put(self, one: Measured, size: int) -> None:
        """One input's result, its own size in bytes. AssertionError: libFuzzer keeps the input."""
        mb = one.mb + self._fresh_mb
        self.runs += 1
        self._codes[one.code] += 1
        self._slowest = max(self._slowest, (one.seconds, size))
        self._largest = max(self._largest, (mb, size))
        assert one.code in ORDERLY, f"exit code {one.code}"
        assert one.seconds < LIMIT_S, f"{one.seconds:.1f} s"
        assert mb < LIMIT_MB, f"{mb} MB"

    def _say(self) -> None:
        codes = ", ".join(f"{count} ended in {code}" for code, count in sorted(self._codes.items()))
        print(
            f"{self.runs} hostile {self._what}: {codes}; the slowest took {self._slowest[0]:.2f} s"
            f" (of {self._slowest[1]} bytes), the largest {self._largest[0]} MB"
            f" (of {self._largest[1]} bytes)",
            flush=True,
        )
