"""Where what a watch says goes: lines, metrics, a ring of recordings, whoever is to be told."""

from collections.abc import Callable, Sequence
from typing import Protocol

from tracer.model.bundle import Bundle
from tracer.model.watch import Status, Turned


class Outlet(Protocol):
    """One of them. Never blocks for long, and never raises."""

    def turn(self, turned: Turned, recording: Callable[[], Bundle]) -> None:
        """A finding opened, changed or closed. `recording`: of this moment, where it is wanted."""

    def show(self, statuses: Sequence[Status], recording: Callable[[], Bundle]) -> None:
        """Each second: how it stands."""

    def close(self) -> None:
        """The watch is over."""
