"""What the operator's side keeps of what agents say, and where it stops."""

import time

import pytest

from tests.bundle.test_archive import observation
from tracer.collect.command import CommandWay
from tracer.collect.transport import Sink
from tracer.model.bundle import AgentEnd, Trouble
from tracer.model.message import PROTOCOL, Bye, Start, ToAgent
from tracer.recording import session as sessions
from tracer.recording.session import Session

START = Start(protocol=PROTOCOL, version="0", node="node-a", pair=None)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a test reaches."""
    monkeypatch.setattr(sessions, "ENOUGH", 5)
    monkeypatch.setattr(sessions, "MOST_OBSERVATIONS", 8)


def told(count: int) -> Session:
    """A session whose agent on node-b said so many observations, and bye."""
    session = Session(CommandWay("true", None))
    session._channels["node-b"] = None  # type: ignore[assignment]
    for _ in range(count):
        session._sink("node-b", observation())
    session._dismissed.add("node-b")
    session._sink("node-b", Bye(lost=1))
    session.listen(lambda: "node-b" in session.byes, time.monotonic() + 5)
    return session


def test_a_recording_is_full_when_more_would_explain_nothing_more() -> None:
    assert not told(4).full
    assert told(5).full


def test_what_still_comes_is_kept_and_beyond_the_most_it_counts_as_lost() -> None:
    session = told(10)
    assert len(session.observations) == 8
    assert session.reports()["node-b"].lost == 1 + 2


def test_an_agent_that_never_said_bye_does_not_know_what_it_lost() -> None:
    session = Session(CommandWay("true", None))
    session._channels["node-b"] = None  # type: ignore[assignment]
    report = session.reports()["node-b"]
    assert (report.end, report.lost) == (AgentEnd.SILENT, None)


def test_an_agent_that_leaves_before_it_is_told_to_has_not_seen_everything() -> None:
    session = Session(Nowhere())
    session.start({"node-a": START})
    session._sink("node-a", Bye(lost=0))
    session.listen(lambda: "node-a" in session.gone, time.monotonic() + 5)
    report = session.reports()["node-a"]
    assert (report.end, report.lost) == (AgentEnd.SILENT, None)
    assert [one.what for one in session.troubles] == [
        "the agent on node-a left before it was told to"
    ]


class Silent:
    """A channel whose agent never says a word."""

    def __init__(self, done: list[str]) -> None:
        self._done = done

    def send(self, message: ToAgent) -> None:
        self._done.append(type(message).__name__)

    def close(self, patience_s: float = 2.0) -> None:
        del patience_s
        self._done.append("channel closed")


class Nowhere:
    """A way to such agents, which leaves something behind."""

    where, patience_s = "nowhere", 0.0

    def __init__(self) -> None:
        self.done: list[str] = []

    def open(self, node: str, sink: Sink) -> Silent:
        del node, sink
        return Silent(self.done)

    def close(self) -> tuple[Trouble, ...]:
        self.done.append("way closed")
        return (Trouble(node=None, what="pod x could not be removed", hint="kubectl"),)


def test_an_agent_that_has_not_begun_is_not_waited_for_and_everything_is_closed() -> None:
    way = Nowhere()
    session = Session(way)
    session.start({"node-a": START})
    begun = time.monotonic()
    session.stop(3.0)
    assert time.monotonic() - begun < 1
    assert way.done == ["Start", "Stop", "channel closed", "way closed"]
    assert [one.what for one in session.troubles] == [
        "the agent on node-a had not begun yet",
        "pod x could not be removed",
    ]


def test_who_interrupts_the_end_gets_everything_closed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    way = Nowhere()
    session = Session(way)
    monkeypatch.setattr(session, "listen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        session.stop(3.0)
    assert way.done == ["way closed"]
