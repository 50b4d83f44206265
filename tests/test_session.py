"""What the operator's side keeps of what agents say, and where it stops."""

import time

import pytest

from tests.bundle.test_archive import observation
from tracer.collect.command import CommandWay
from tracer.model.bundle import AgentEnd
from tracer.model.message import Bye
from tracer.recording import session as sessions
from tracer.recording.session import Session


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
