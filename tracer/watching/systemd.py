"""What systemd is told of a watch: sd_notify(3), by the protocol and without its library.

A datagram of `NAME=VALUE` lines to the socket that NOTIFY_SOCKET names is all there is to it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator, MutableMapping

LONGEST = 500
"""Characters of a status; `systemctl status` shows one line."""

KEPT = ("READY=1", "STOPPING=1")
"""Said again with the next word where systemd had no room for them: it waits for these."""


class Systemd:
    """A service manager, or nobody: then nothing is said. No call blocks, none raises."""

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        """Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment: they are

        for this process, and not for those that it starts.
        """
        path = environ.pop("NOTIFY_SOCKET", "")
        period, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        self._socket: socket.socket | None = None
        if path[:1] in ("/", "@"):
            with contextlib.suppress(OSError):
                kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
                self._socket = socket.socket(socket.AF_UNIX, kind)
        self.every_s: float | None = None
        """How often `alive` is to be called at least: half of the unit's WatchdogSec; None: it has

        none, or another process is the watched one.
        """
        mine = pid in ("", str(os.getpid()))
        if self._socket is not None and mine and period.isascii() and period.isdigit():
            self.every_s = int(period) / 2_000_000 or None
        self._alive_at = -1e9
        self._unsaid: list[str] = []

    @property
    def asked(self) -> bool:
        """Somebody listens."""
        return self._socket is not None

    def ready(self, status: str) -> None:
        """The watch watches: units that come after it may start."""
        self._say("READY=1", _status(status))

    def status(self, text: str) -> None:
        """For `systemctl status`, on one line."""
        self._say(_status(text))

    def alive(self) -> None:
        """For the watchdog. Call it at every turn of a loop: it says it no more than is needed."""
        now = time.monotonic()
        if self.every_s is not None and now - self._alive_at >= self.every_s / 2:
            self._alive_at = now
            self._say("WATCHDOG=1")

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """Inside, everything is read again, as SIGHUP asks; whatever comes of it, we go on."""
        # Type=notify-reload compares the time with that of its signal.
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            self._say("READY=1")

    def stopping(self) -> None:
        """From now on it only tidies up."""
        self._say("STOPPING=1")

    def close(self) -> None:
        """Say nothing more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _say(self, *words: str) -> None:
        if self._socket is None:
            return
        words = (*self._unsaid, *words)
        try:
            self._socket.sendto("\n".join(words).encode(errors="replace"), self._address)
            self._unsaid = []
        except (OSError, ValueError):  # full, gone, or a path that is none
            self._unsaid = [word for word in dict.fromkeys(words) if word in KEPT]


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())[:LONGEST]}"
