"""Findings that open and close, told to others: to a command, and by a webhook.

A watch never waits for either: each has a thread of its own, and what finds no room in front of it
is counted and said.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, Full, Queue
from typing import Protocol

from tracer.model.watch import Turn, Turned
from tracer.watching.on_finding import OnFinding
from tracer.watching.webhook import Webhook

WAITING = 100
"""Announcements that wait for one that is under way."""


class Way(Protocol):
    """How one announcement is made. Called by one thread."""

    name: str

    def send(self, turned: Turned) -> None:
        """Returns in bounded time, however it went."""

    def give_up(self) -> None:
        """By another thread: what is under way, and what comes, returns soon."""


class Announcer:
    """Those ways that were asked for."""

    def __init__(
        self, command: str | None, webhook: str | None, trouble: Callable[[str], None]
    ) -> None:
        """UsageError for a command or a URL that cannot be meant.

        `trouble` is told what went wrong, in a sentence, by other threads.
        """
        ways: list[Way] = []
        if command is not None:
            ways.append(OnFinding(command, trouble))
        if webhook is not None:
            ways.append(Webhook(webhook, trouble))
        self._lanes = [Lane(way, trouble) for way in ways]

    def tell(self, turned: Turned) -> None:
        """Announce a finding that was opened or closed; others are nobody's news. Never waits."""
        if turned.turn in (Turn.OPENED, Turn.CLOSED):
            for lane in self._lanes:
                lane.put(turned)

    def close(self, patience_s: float) -> None:
        """Wait so long for what is under way and waits; what is left then is given up and said."""
        end = time.monotonic() + patience_s
        for lane in self._lanes:
            lane.end()
        for lane in self._lanes:
            lane.join(max(0.0, end - time.monotonic()))


class Lane:
    """One way, its thread, and what waits for it."""

    def __init__(self, way: Way, trouble: Callable[[str], None], waiting: int = WAITING) -> None:
        self._way = way
        self._trouble = trouble
        self._waiting: Queue[Turned] = Queue(waiting)
        self._ending = threading.Event()
        self._given_up = threading.Event()
        self._news = threading.Semaphore(0)
        self._counting = threading.Lock()
        self._missed = 0
        # A watch that ends in any other way than by `close` must not wait for this.
        self._thread = threading.Thread(target=self._run, name=way.name, daemon=True)
        self._thread.start()

    def put(self, turned: Turned) -> None:
        """Never waits."""
        try:
            self._waiting.put_nowait(turned)
        except Full:
            with self._counting:
                self._missed += 1
        else:
            self._news.release()

    def waits(self) -> int:
        """How many do, beside the one under way."""
        return self._waiting.qsize()

    def end(self) -> None:
        """Nothing more will come."""
        self._ending.set()
        self._news.release()

    def join(self, patience_s: float) -> None:
        """After `end`: wait, then give up what is left."""
        self._thread.join(patience_s)
        self._given_up.set()
        self._way.give_up()
        self._thread.join(1.0)
        with self._counting:
            self._missed += self.waits() + self._thread.is_alive()
        self._say_missed("given up at the end")

    def _run(self) -> None:
        while not self._given_up.is_set():
            self._news.acquire()
            try:
                turned = self._waiting.get_nowait()
            except Empty:
                if self._ending.is_set():
                    return
                continue
            self._way.send(turned)
            self._say_missed("found no room, since it takes too long")

    def _say_missed(self, why: str) -> None:
        with self._counting:
            missed, self._missed = self._missed, 0
        if missed:
            many = f"{missed} announcement{'' if missed == 1 else 's'}"
            self._trouble(f"{self._way.name}: {many} {why}")
