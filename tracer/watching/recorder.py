"""A watch's past in a ring of recordings: one every half minute, and one at each turn."""

import time
from collections.abc import Callable, Sequence

from tracer.bundle.segments import Segments
from tracer.model.bundle import Bundle, Trouble
from tracer.model.watch import Status, Turn, Turned

EVERY_S = 30.0

BEFORE = 1
"""Segments before an incident that are kept with it: half a minute, at most."""


class Recorder:
    """Into one ring. What cannot be written is said once, until it goes well again."""

    def __init__(self, ring: Segments, trouble: Callable[[Trouble], None]) -> None:
        self._ring = ring
        self._trouble = trouble
        self._due = time.monotonic() + EVERY_S
        self._open = False
        self._failed: str | None = None

    def turn(self, turned: Turned, recording: Callable[[], Bundle]) -> None:
        """An incident is kept from just before it until just after it."""
        if turned.turn is Turn.OPENED:
            self._ring.pin_last(BEFORE)
        self._write(recording(), pinned=True)

    def show(self, statuses: Sequence[Status], recording: Callable[[], Bundle]) -> None:
        """Each second."""
        after, self._open = self._open, any(status.standing for status in statuses)
        if time.monotonic() >= self._due:
            self._write(recording(), pinned=self._open or after)

    def close(self) -> None:
        """All that is kept is on the disk."""

    def _write(self, bundle: Bundle, *, pinned: bool) -> None:
        self._due = time.monotonic() + EVERY_S
        kept = self._ring.write(bundle, pinned=pinned)
        failed = kept.what if isinstance(kept, Trouble) else None
        if isinstance(kept, Trouble) and failed != self._failed:
            self._trouble(kept)
        self._failed = failed
        for noted in self._ring.noted():
            self._trouble(noted)
