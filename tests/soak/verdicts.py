"""What a soak must reach, and whether it did: from its samples alone."""

from collections.abc import Sequence
from statistics import mean
from typing import NamedTuple

from tests.soak.measure import Sample, labels

STARTED_S = 60.0
"""From then on memory is to be small and flat."""
MOST_MB, MOST_MB_AN_HOUR = 80.0, 2.0
MOST_MORE_MB, LONG_S = 2.0, 1800.0
"""Of less than that nobody can reckon an hour: a part of a megabyte comes and goes. There the last
third of the second half is held against its first."""
MOST_CPU = 0.15
BUSY = 2.0
"""A slow or busy machine may take so many times longer before that fails the run."""
MOST_LATE_S = 3.0
OPENS_S, CLOSES_S = 2.0, 5.0
MOST_MORE_FDS = 4


class Opened(NamedTuple):
    """One line of the watch."""

    at_s: float
    """Since the watch was started."""
    turn: str
    rule: str
    node: str
    sentence: str


class Fault(NamedTuple):
    """What was broken at the end, by the clock of the samples."""

    rule: str
    broken_s: float
    repaired_s: float


class Verdict(NamedTuple):
    """One criterion."""

    what: str
    found: str
    wanted: str
    met: bool


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least squares: what the second value gains for each one of the first."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def memory(samples: Sequence[Sample]) -> list[Verdict]:
    """Small, and flat."""
    after = [one for one in samples if one.at_s >= STARTED_S]
    most = max(one.rss for one in after)
    assert len(after) > 5, "too short a time to say anything of memory"
    half = after[len(after) // 2 :]
    return [
        Verdict("resident memory, MB", f"{most:.1f}", f"<= {MOST_MB:.0f}", most <= MOST_MB),
        _growth(half),
        Verdict(
            "file descriptors gained",
            f"{half[-1].fds - half[0].fds:+d} of {half[0].fds}",
            f"<= {MOST_MORE_FDS}",
            half[-1].fds - half[0].fds <= MOST_MORE_FDS,
        ),
    ]


def _growth(half: Sequence[Sample]) -> Verdict:
    hourly = 3600 * slope([(one.at_s, one.rss) for one in half])
    if half[-1].at_s > LONG_S:
        own = 3600 * slope([(one.at_s, one.own) for one in half])
        return Verdict(
            "its growth over the second half, MB an hour",
            f"{hourly:+.2f} (anonymous {own:+.2f})",
            f"< {MOST_MB_AN_HOUR:.0f}",
            hourly < MOST_MB_AN_HOUR,
        )
    third = len(half) // 3
    more = mean(one.rss for one in half[-third:]) - mean(one.rss for one in half[:third])
    return Verdict(
        "its growth over the second half, MB",
        f"{more:+.2f} (reckoned an hour: {hourly:+.1f})",
        f"< {MOST_MORE_MB:.0f}",
        more < MOST_MORE_MB,
    )


def pace(samples: Sequence[Sample]) -> list[Verdict]:
    """CPU time, and whether it kept up."""
    first, last = next(one for one in samples if one.at_s >= STARTED_S), samples[-1]
    took = (last.cpu_s - first.cpu_s) / (last.at_s - first.at_s)
    more = (last.children_cpu_s - first.children_cpu_s) / (last.at_s - first.at_s)
    after = [one for one in samples if one.at_s >= STARTED_S]
    late = max(one.value("flantrace_status_age_seconds") for one in after)
    age = max(one.value("flantrace_leases_age_seconds") for one in after)
    lost = last.value("flantrace_lost_records_total")
    untold = last.value("flantrace_untold_drops_total")
    return [
        Verdict(
            "part of one CPU",
            f"{took:.1%} (and {more:.1%} in iptables, nft and the like)",
            f"<= {MOST_CPU:.0%}, fails from {BUSY * MOST_CPU:.0%}",
            took <= BUSY * MOST_CPU,
        ),
        Verdict(
            "longest between counts, s", f"{late:.2f}", f"<= {MOST_LATE_S:.0f}", late <= MOST_LATE_S
        ),
        Verdict(
            "longest without the API, s", f"{age:.2f}", f"<= {MOST_LATE_S:.0f}", age <= MOST_LATE_S
        ),
        Verdict(
            "records lost, drops untold",
            f"{lost:.0f}, {untold:.0f} (of {last.value('flantrace_records_total'):.0f} records)",
            "0, 0",
            lost == untold == 0,
        ),
    ]


def counted(samples: Sequence[Sample], peer: str, sent: int) -> Verdict:
    """The packets to one node: the counters against who sent them. `samples`: the last is later."""
    keys = [
        key
        for key in samples[-1].scraped
        if key.startswith("flantrace_packets_total{")
        and (labels(key)["peer"], labels(key)["hook"]) == (peer, "uplink_out")
    ]
    found = sum(samples[-1].scraped[key] for key in keys)
    return Verdict(f"packets to {peer} counted", f"{found:.0f}", f"{sent}", found == sent)


def quiet(turns: Sequence[Opened], until_s: float) -> Verdict:
    """No finding while all was well."""
    opened = [one for one in turns if one.turn == "opened" and one.at_s < until_s]
    rules = sorted({one.rule for one in opened})
    found = f"{len(opened)}{': ' + ', '.join(rules) if rules else ''}"
    return Verdict("findings opened while all was well", found, "0", not opened)


def fault(turns: Sequence[Opened], one: Fault) -> list[Verdict]:
    """That a real fault still opens and closes."""
    opened, closed = (
        next((each.at_s for each in turns if _is(each, turn, one) and each.at_s >= since), None)
        for turn, since in (("opened", one.broken_s), ("closed", one.repaired_s))
    )
    return [
        _within(f"{one.rule} opens after, s", opened, one.broken_s, OPENS_S),
        _within("and closes after its repair, s", closed, one.repaired_s, CLOSES_S),
    ]


def _is(each: Opened, turn: str, one: Fault) -> bool:
    return each.turn == turn and each.rule == one.rule


def _within(what: str, at_s: float | None, since_s: float, most_s: float) -> Verdict:
    if at_s is None:
        return Verdict(what, "never", f"<= {most_s:.0f}", False)
    took = at_s - since_s
    wanted = f"<= {most_s:.0f}, fails from {BUSY * most_s:.0f}"
    return Verdict(what, f"{took:.2f}", wanted, took <= BUSY * most_s)
