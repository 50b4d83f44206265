"""Where `flantrace watch` puts what it says: lines on stdout, troubles on stderr, and elsewhere."""

from __future__ import annotations

import atexit
import functools
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tracer.cli.printer import Printer
from tracer.render.watch import status_line, turned_json, turned_line
from tracer.watching.announce import Announcer
from tracer.watching.metrics import Metrics
from tracer.watching.systemd import Systemd

if TYPE_CHECKING:
    from tracer.model.bundle import Bundle, Trouble
    from tracer.model.watch import Status, Turned

QUIET_S = 3600.0
"""After so long without a line it says that it is there."""


class Lines:
    """On stdout: one for each turn, and how it stands at the start and in each quiet hour."""

    def __init__(self, *, as_json: bool, color: bool) -> None:
        self._as_json = as_json
        self._color = color
        self._next = 0.0
        self._greeted = False
        self._out = Printer(sys.stdout.fileno(), say)

    def turn(self, turned: Turned, recording: Callable[[], Bundle]) -> None:  # noqa: ARG002
        """One line."""
        if self._as_json:
            self._out.put(turned_json(turned))
        else:
            self._out.put(turned_line(turned, color=self._color))
        if self._greeted:
            self._next = time.monotonic() + QUIET_S

    def show(self, statuses: Sequence[Status], recording: Callable[[], Bundle]) -> None:  # noqa: ARG002
        """To people only: a program asks the metrics. BrokenPipeError: nobody reads any more."""
        if self._out.gone:
            raise BrokenPipeError
        now = time.monotonic()
        if now >= self._next and any(status.counted for status in statuses):
            self._next, self._greeted = now + QUIET_S, True
            if not self._as_json:
                self._out.put(status_line(statuses, at=_now()))

    def close(self) -> None:
        """Nothing is kept back."""
        self._out.close()


class Measured:
    """For Prometheus."""

    def __init__(self, address: str, port: int) -> None:
        self.metrics = Metrics(address, port)

    def turn(self, turned: Turned, recording: Callable[[], Bundle]) -> None:
        """The next second shows it."""

    def show(self, statuses: Sequence[Status], recording: Callable[[], Bundle]) -> None:  # noqa: ARG002
        """Each second."""
        self.metrics.show(statuses)

    def close(self) -> None:
        """Listen no more."""
        self.metrics.close()


class Announced:
    """To a command, by a webhook."""

    def __init__(
        self, command: str | None, webhook: str | None, trouble: Callable[[str], None]
    ) -> None:
        self._announcer = Announcer(command, webhook, trouble)

    def turn(self, turned: Turned, recording: Callable[[], Bundle]) -> None:  # noqa: ARG002
        """Opened and closed ones."""
        self._announcer.tell(turned)

    def show(self, statuses: Sequence[Status], recording: Callable[[], Bundle]) -> None:
        """Nobody is told that nothing happened."""

    def close(self) -> None:
        """What is under way may end."""
        self._announcer.close(5.0)


class Unit:
    """The service manager."""

    def __init__(self) -> None:
        self.systemd = Systemd()
        self._ready = False
        self._said = ""

    def turn(self, turned: Turned, recording: Callable[[], Bundle]) -> None:
        """The status says it."""

    def show(self, statuses: Sequence[Status], recording: Callable[[], Bundle]) -> None:  # noqa: ARG002
        """That it lives, and how it stands."""
        said = status_line(statuses, at=_now()).partition("  ")[2].strip()
        if not self._ready and any(status.counted for status in statuses):
            self._ready = True
            self.systemd.ready(said)
        elif said != self._said:
            self.systemd.status(said)
        self._said = said
        self.systemd.alive()

    def close(self) -> None:
        """It is over."""
        self.systemd.stopping()
        self.systemd.close()


def say_trouble(trouble: Trouble) -> None:
    """What could not be observed, on stderr."""
    say(f"{trouble.what}{f' ({trouble.hint})' if trouble.hint else ''}")


def say(text: str) -> None:
    """One line on stderr, with its time."""
    _stderr().put(f"{_now()[11:19]}Z  {' '.join(text.split())}\n")


@functools.cache
def _stderr() -> Printer:
    made = Printer(sys.stderr.fileno(), lambda _: None)  # whom else to tell?
    atexit.register(made.close)
    return made


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")  # noqa: TID251
