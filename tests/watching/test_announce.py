"""Announcements never hold a watch up, and none is lost without a word."""

import re
import threading
import time
from pathlib import Path

import pytest

from tests.watching.announced import Said, turned, until
from tests.watching.hook_server import dripping, hooks
from tracer.model.watch import Turn, Turned
from tracer.watching.announce import Announcer, Lane


@pytest.fixture
def said() -> Said:
    return Said()


def test_what_opens_and_what_closes_is_told_to_both_in_order(tmp_path: Path, said: Said) -> None:
    path = tmp_path / "out"
    command = f"sh -c 'echo \"$FLANTRACE_TURN $FLANTRACE_NODE\" >> {path}'"
    with hooks(204) as server:
        announcer = Announcer(command, f"http://{server.at}/", said)
        for number, turn in enumerate((Turn.OPENED, Turn.CHANGED, Turn.CLOSED)):
            announcer.tell(turned(turn, number=number))
        announcer.close(20)
    assert path.read_text() == "opened node-0\nclosed node-2\n"
    assert [one["turn"] for one in server.got] == ["opened", "closed"]
    assert said.all == []


def test_where_none_is_asked_for_nothing_is_done(said: Said) -> None:
    before = threading.active_count()
    announcer = Announcer(None, None, said)
    announcer.tell(turned())
    announcer.close(0)
    assert threading.active_count() == before


def test_telling_takes_no_time_whatever_the_other_side_does(said: Said) -> None:
    with dripping(b"", every_s=0) as at:
        announcer = Announcer("sleep 600", f"http://{at}/", said)
        began = time.monotonic()
        for _ in range(5000):
            announcer.tell(turned())
        assert time.monotonic() - began < 1
        announcer.close(0.2)
        assert time.monotonic() - began < 6
    counted: dict[str, int] = {}
    for way, number in re.findall(r"^(--[a-z-]+): (\d+) ", "\n".join(said.all), re.M):
        counted[way] = counted.get(way, 0) + int(number)
    assert counted == {"--on-finding": 4999, "--webhook": 4999}, "and the one under way"


class Slow:
    """A way that takes one at a time, when it is let."""

    name = "--slow"

    def __init__(self) -> None:
        self.sent: list[str] = []
        self._may = threading.Semaphore(0)
        self._given_up = False

    def let(self, count: int) -> None:
        self._may.release(count)

    def send(self, one: Turned) -> None:
        self._may.acquire()
        if not self._given_up:
            self.sent.append(one.finding.node)

    def give_up(self) -> None:
        self._given_up = True
        self.let(1000)


def test_what_finds_no_room_is_counted_and_said_and_the_rest_arrives(said: Said) -> None:
    way = Slow()
    lane = Lane(way, said, waiting=3)
    lane.put(turned(number=0))
    until(lambda: lane.waits() == 0)
    for number in range(1, 10):
        lane.put(turned(number=number))
    way.let(1)
    assert said.wait() == "--slow: 6 announcements found no room, since it takes too long"
    way.let(3)
    lane.end()
    lane.join(10)
    assert way.sent == ["node-0", "node-1", "node-2", "node-3"]
    assert len(said.all) == 1


def test_what_is_left_at_the_end_is_counted_and_said(said: Said) -> None:
    way = Slow()
    lane = Lane(way, said)
    for number in range(4):
        lane.put(turned(number=number))
    way.let(1)
    until(lambda: way.sent == ["node-0"])
    until(lambda: lane.waits() == 2)
    lane.end()
    began = time.monotonic()
    lane.join(0.2)
    assert time.monotonic() - began < 2
    assert said.all == ["--slow: 2 announcements given up at the end"]


def test_closing_waits_for_what_is_under_way_and_no_longer(tmp_path: Path, said: Said) -> None:
    announcer = Announcer(f"sh -c 'sleep 0.5; touch {tmp_path}/done'", None, said)
    announcer.tell(turned())
    began = time.monotonic()
    announcer.close(30)
    assert (tmp_path / "done").exists()
    assert time.monotonic() - began < 10
    assert said.all == []
