"""What took how long: told at the end of a run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Seconds by test and by what was done in it."""

    def __init__(self) -> None:
        self.test = ""
        self.spent: dict[str, dict[str, float]] = {}

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        """Time what stands below."""
        began = time.monotonic()
        try:
            yield
        finally:
            spent = self.spent.setdefault(self.test, {})
            spent[what] = spent.get(what, 0.0) + time.monotonic() - began

    def lines(self) -> Iterator[str]:
        """A line for each test."""
        for test, spent in self.spent.items():
            parts = ", ".join(f"{what} {seconds:.1f}" for what, seconds in spent.items())
            yield f"{sum(spent.values()):6.1f} s  {test}: {parts}"
