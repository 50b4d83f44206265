"""Two nodes' counters of the same packets: what is lost is missing soon, and nothing else ever."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from tracer.core.missing import CLOCKS_NS, TRANSIT_NS, Missing

MS = 1_000_000
PERIOD, EVERY = 1000, 100
"""Milliseconds between counts, and between glimpses."""


class Readings:
    """Both nodes' counters at any moment, read as agents do, and heard of in some order."""

    def __init__(self, sent: Sequence[int], arrived: Iterable[int], wrong: int = 0) -> None:
        """Milliseconds at which packets left and came in. `wrong`: of the sender's clock."""
        self.missing = Missing(None, glimpsed=True)
        self._sent, self._arrived, self._wrong = sorted(sent), sorted(arrived), wrong

    def sender(self, at: int) -> None:
        """Its counter is heard of, as it was then."""
        self.missing.send(bisect_right(self._sent, at), (at + self._wrong) * MS)

    def receiver(self, at: int, *, end: bool) -> None:
        """The same; `end`: of its period."""
        look = self.missing.end if end else self.missing.look
        look(bisect_right(self._arrived, at), at * MS)

    def until(self, end: int, phase: int = 30) -> int | None:
        """Read on; when something was first missing, in milliseconds."""
        for at in range(EVERY, end, EVERY):
            self.sender(at)
            self.receiver(at + phase, end=at % PERIOD == 0)
            if self.missing.missing:
                return at
        return None


def test_a_fifth_of_twenty_packets_a_second_is_missing_within_three_seconds() -> None:
    sent = range(0, 30_000, 50)
    arrived = [one + 1 for one in sent if one < 10_000 or one // 50 % 5]
    found = Readings(sent, arrived).until(30_000)
    assert found is not None
    assert 10_000 <= found <= 13_000


def test_all_of_it_is_missing_within_a_second() -> None:
    sent = range(0, 30_000, 50)
    found = Readings(sent, [one + 1 for one in sent if one < 10_000]).until(30_000)
    assert found is not None
    assert found <= 11_000


def test_a_part_that_is_lost_stays_missing_while_it_goes_on_and_is_over_soon() -> None:
    sent = range(0, 40_000, 50)
    lost = range(10_000, 20_000)
    readings = Readings(sent, [one + 1 for one in sent if one not in lost or one // 50 % 5])
    found = readings.until(30_000)
    assert found is not None
    stood = {}
    for at in range(found + EVERY, 42_000, EVERY):
        readings.sender(at)
        readings.receiver(at + 30, end=at % PERIOD == 0)
        stood[at] = bool(readings.missing.missing)
    assert all(stood[at] for at in stood if at < 20_000)
    assert not any(stood[at] for at in stood if at > 23_000)
    # less what was under way when both were first heard of
    assert 36 <= readings.missing.total <= 40


hears = st.lists(st.integers(0, 900), min_size=60, max_size=60)
"""By how many milliseconds each message is late; those of one node stay in their order."""


def _heard(delays: list[int], phase: int) -> list[tuple[int, int]]:
    """(when heard, when read) of one node."""
    last, found = 0, []
    for number, delay in enumerate(delays):
        read = EVERY * number + phase
        last = max(last, read + delay)
        found.append((last, read))
    return found


@given(
    gaps=st.lists(st.integers(0, 400), min_size=10, max_size=200),
    transits=st.lists(st.integers(0, TRANSIT_NS // MS - CLOCKS_NS // MS), min_size=1),
    wrong=st.integers(-CLOCKS_NS // MS, CLOCKS_NS // MS),
    late=st.tuples(hears, hears),
    phases=st.tuples(st.integers(0, 99), st.integers(0, 99)),
)
def test_what_is_under_way_is_never_missing_however_late_it_is_heard_of(
    gaps: list[int],
    transits: list[int],
    wrong: int,
    late: tuple[list[int], list[int]],
    phases: tuple[int, int],
) -> None:
    sent = [sum(gaps[:number]) for number in range(len(gaps))]
    arrived = [one + transits[number % len(transits)] for number, one in enumerate(sent)]
    readings = Readings(sent, arrived, wrong)
    heard = sorted(
        [(when, 0, read) for when, read in _heard(late[0], phases[0])]
        + [(when, 1, read) for when, read in _heard(late[1], phases[1])]
    )
    for _, who, read in heard:
        if who == 0:
            readings.sender(read)
        else:
            readings.receiver(read, end=read // EVERY % 10 == 0)
        assert readings.missing.missing == 0
    assert readings.missing.total == 0


def test_readings_of_hours_are_not_kept() -> None:
    readings = Readings(range(0, 100_000, 10), range(1, 100_000, 10))
    readings.until(100_000)
    kept = [len(readings.missing.sent), len(readings.missing._arrivals)]
    readings.until(100_000)
    assert kept == [len(readings.missing.sent), len(readings.missing._arrivals)]
