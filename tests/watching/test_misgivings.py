"""What a watch cannot see is said once, and so is its end."""

import time

import pytest

from tests.watching.statuses import status
from tracer.errors import CollectFailed
from tracer.model.bundle import Trouble
from tracer.watching import misgivings
from tracer.watching.misgivings import Misgivings

S = 1_000_000_000
AWAY = CollectFailed("the API server does not answer: X", where="https://k", hint="is it up?")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def of(said: list[str]) -> Misgivings:
    return Misgivings(lambda trouble: said.append(trouble.what))


def test_an_api_server_that_is_away_is_said_once_with_the_age_of_the_leases(
    of: Misgivings, said: list[str]
) -> None:
    heard = time.monotonic_ns() - 60 * S
    wanted = "the API server does not answer: X; the leases are those of 1 min ago"
    assert of.api(heard, AWAY, ()) == (Trouble(node=None, what=wanted, hint="is it up?"),)
    of.api(heard - 10 * S, AWAY, ())
    assert said == [wanted]
    assert of.api(time.monotonic_ns(), None, ()) == ()
    of.api(time.monotonic_ns(), None, ())
    assert said[1:] == ["the API server answers again, after 1 min"]


def test_the_end_of_one_watch_and_the_begin_of_the_next_is_not_said(
    of: Misgivings, said: list[str]
) -> None:
    assert of.api(time.monotonic_ns() - S, AWAY, ()) == ()
    assert of.api(time.monotonic_ns(), None, ()) == ()
    assert said == []


def test_what_the_api_refuses_for_long_is_said(
    of: Misgivings, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = CollectFailed("you may not list pods", where="https://k", hint="")
    assert of.api(time.monotonic_ns(), None, (refused,)) == ()
    monkeypatch.setattr(misgivings, "AWAY_S", 0.0)
    for _ in range(2):
        (kept,) = of.api(time.monotonic_ns(), None, (refused,))
        assert kept.what == "you may not list pods"
    assert said == ["you may not list pods"]


def test_the_same_words_are_said_again_when_they_are_old(
    of: Misgivings, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Trouble(node="node-a", what="the agent on node-a ended", hint="")
    of.tell(ended)
    of.tell(ended)
    assert len(said) == 1
    monkeypatch.setattr(misgivings, "AGAIN_S", 0.0)
    of.tell(ended)
    assert len(said) == 2


def test_lost_records_are_said_with_their_number(of: Misgivings, said: list[str]) -> None:
    for lost in (0, 41, 50):
        of.lost([status(lost=lost)])
    assert said == ["node-a: 41 records of packets found no room; counters are exact"]
