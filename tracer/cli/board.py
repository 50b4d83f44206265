"""What the watching side and the screen share: the last statuses, and whether to go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tracer.errors import FlantraceError

if TYPE_CHECKING:
    from tracer.model.watch import Status

Say: TypeAlias = "Callable[[str], None]"
"""Gets what is being done: `starting agents`."""

Source: TypeAlias = "Callable[[Say], Generator[Sequence[Status], None, None]]"
"""Begins to watch: a generator of all nodes' statuses, once a second. Closed, it dismisses agents.

It is run in the main thread, and may meet KeyboardInterrupt as any recording may.
"""


class Shown(NamedTuple):
    """What there is to show at the moment."""

    statuses: Sequence[Status]
    stage: str
    """What is being done while no status is there; empty: watching."""


class Board:
    """One side posts, the other looks."""

    def __init__(self) -> None:
        self._shown = Shown((), "")
        self.ended = threading.Event()
        """There will be nothing more to show."""
        self.left = threading.Event()
        """Whoever looked has pressed q."""
        self.failed: BaseException | None = None
        """What the screen met; raised by whoever waits for it."""

    def say(self, stage: str) -> None:
        """What is being done."""
        self._shown = Shown(self._shown.statuses, stage)

    def post(self, statuses: Sequence[Status]) -> None:
        """The newest statuses."""
        self._shown = Shown(statuses, "")

    def look(self) -> Shown:
        """The newest. One reference is read: no lock is needed."""
        return self._shown

    def check(self) -> None:
        """Raise what the screen met, if it met anything."""
        if isinstance(self.failed, FlantraceError | OSError):
            raise self.failed
        if self.failed is not None:
            raise RuntimeError(f"the screen: {self.failed!r}") from self.failed
