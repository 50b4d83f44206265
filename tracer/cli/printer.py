"""Lines to a reader who may be slow, or have no room: they wait here, and the watch does not."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import threading
from collections.abc import Callable
from typing import Final

MOST: Final = 10_000
"""Lines that wait for a reader; a watch says as many in weeks."""

LAST_S = 2.0
"""How long the reader may take for the last ones."""


class Printer:
    """Onto one file, whole lines in their order, by a thread of its own."""

    def __init__(self, file: int, trouble: Callable[[str], None], most: int = MOST) -> None:
        """`file`: a descriptor, which stays open. `trouble` is told once what is not printed."""
        self._file = file
        self._trouble = trouble
        self._lines: queue.Queue[bytes | None] = queue.Queue(most)
        self._missed = 0
        self._torn = self._said = False
        self.gone = False
        """Nobody reads any more."""
        # A reader who never reads on must not keep the process.
        self._thread = threading.Thread(target=self._run, name="printer", daemon=True)
        self._thread.start()

    def put(self, text: str) -> None:
        """Print it in its turn. Never waits: what finds no room is counted."""
        try:
            self._lines.put_nowait(text.encode(errors="backslashreplace"))
        except queue.Full:
            self._missed += 1

    def close(self) -> None:
        """What waits is printed, if that can be done in a short time."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(LAST_S)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None and not self.gone:
            try:
                self._write(b"\n" + line if self._torn else line)
                self._torn = self._said = False
            except (BrokenPipeError, ConnectionResetError):
                self.gone = True
            except OSError as error:
                self._tell(f"lines are not printed: {error.strerror}")
            if self._missed:
                missed, self._missed = self._missed, 0
                self._trouble(f"{missed:,} lines found no room, for want of a reader")

    def _write(self, data: bytes) -> None:
        """All of it. A line that breaks off is ended before the next one."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._file, view) :]
            except BlockingIOError:
                select.select([], [self._file], [])
            self._torn = len(view) > 0

    def _tell(self, what: str) -> None:
        if not self._said:
            self._said = True
            self._trouble(what)
