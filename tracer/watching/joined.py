"""A watch as a stream of how it stands: for `flantrace top`."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Sequence

from tracer.errors import FlantraceError
from tracer.model.bundle import Bundle, Trouble
from tracer.model.watch import Status, Turned
from tracer.recording.many import chosen
from tracer.recording.reach import REMOVING, Reach
from tracer.watching.intent import Options
from tracer.watching.watcher import Watcher

LAST_S = 10.0
"""How long agents may take to leave."""


class _Posting:
    """The newest statuses; whoever is slow gets the last ones."""

    def __init__(self) -> None:
        self.queue: queue.Queue[Sequence[Status] | None] = queue.Queue()

    def turn(self, turned: Turned, recording: Callable[[], Bundle]) -> None:
        """It is in the statuses as well."""

    def show(self, statuses: Sequence[Status], recording: Callable[[], Bundle]) -> None:  # noqa: ARG002
        """Each second."""
        if any(status.watched_s for status in statuses):
            with contextlib.suppress(queue.Empty):
                self.queue.get_nowait()
            self.queue.put(statuses)

    def close(self) -> None:
        """There will be nothing more."""
        self.queue.put(None)


def statuses(
    reach: Reach, nodes: Sequence[str], say: Callable[[str], None]
) -> Generator[Sequence[Status], None, None]:
    """Of the named nodes, or of all: each second, until it is closed.

    UsageError, NotFound, CollectFailed: before the first. `say`: what is being done.
    """
    say("reading nodes and leases")
    api = reach.api()
    names = chosen(api.nodes(), nodes)
    posting, troubles = _Posting(), list[Trouble]()
    watcher = Watcher(
        api, reach.way(api), names, Options(one_in=0), (posting,), troubles.append, rates=True
    )
    failed: list[FlantraceError] = []

    def run() -> None:
        try:
            watcher.run()
        except FlantraceError as error:
            failed.append(error)
        finally:
            posting.close()

    thread = threading.Thread(target=run, name="watch", daemon=True)
    say(f"starting agents on {len(names)} node{'' if len(names) == 1 else 's'}")
    thread.start()
    try:
        while (shown := posting.queue.get()) is not None:
            heard = [status for status in shown if status.node in watcher.vigil.states]
            if heard:
                yield heard
            elif troubles:
                say(troubles[-1].what)
        if failed:
            raise failed[0]
    finally:
        if reach.ephemeral:
            say(REMOVING)
        watcher.leave()
        thread.join(LAST_S)
