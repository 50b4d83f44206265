"""What is announced in tests, and who hears it."""

import threading
import time
from collections.abc import Callable

from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.watch import SCHEMA, Turn, Turned


def turned(
    turn: Turn = Turn.OPENED, *, number: int = 1, sentence: str = "node-b has no MAC."
) -> Turned:
    finding = Finding(
        rule="vtepmac-annotation-stale",
        severity=Severity.ERROR,
        node=f"node-{number}",
        device="flannel.1",
        sentence=sentence,
        evidence=(
            Evidence(label="wire", value="c6:47:97:42:06:eb", source="node-b", differs=True),
        ),
        hits="every node that sends to 10.244.2.0/24",
        fix=("restart flanneld on node-b",),
    )
    return Turned(
        schema=SCHEMA,
        at="2026-11-30T06:15:02.123Z",
        turn=turn,
        since="2026-11-30T06:15:02.123Z",
        times=1,
        finding=finding,
        before=("flanneld on node-b started 3.4 s before",),
    )


class Said:
    """Troubles as they are told, by whatever thread."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._news = threading.Condition()

    def __call__(self, words: str) -> None:
        with self._news:
            self.all.append(words)
            self._news.notify_all()

    def wait(self, seconds: float = 10.0) -> str:
        """The first one."""
        with self._news:
            assert self._news.wait_for(lambda: self.all, seconds), "nothing was said"
            return self.all[0]


def until(done: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that another thread or process does."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
