"""The soak's criteria: each is missed by what it is to find."""

from tests.soak.measure import Sample
from tests.soak.verdicts import Fault, Opened, Verdict, counted, fault, memory, pace, quiet

LOST = "flantrace_lost_records_total"


def sample(at_s: float, rss: float = 70.0, **more: float) -> Sample:
    scraped = {"flantrace_records_total": at_s} | {
        key: value for key, value in more.items() if key.startswith("flantrace")
    }
    return Sample(
        at_s=at_s, rss=rss, pss=rss, own=rss, children=0.0, fds=int(more.get("fds", 44)),
        threads=8, cpu_s=more.get("cpu_s", at_s / 10), children_cpu_s=0.0, scraped=scraped,
    )  # fmt: skip


def missed(verdicts: list[Verdict]) -> list[str]:
    return [one.what for one in verdicts if not one.met]


def over(minutes: int, gained_an_hour: float = 0.0) -> list[Sample]:
    return [sample(s, 70 + gained_an_hour * s / 3600) for s in range(0, 60 * minutes, 5)]


def test_memory_that_is_small_and_flat_is_well_for_ten_minutes_and_an_hour() -> None:
    assert missed(memory(over(10))) == missed(memory(over(60))) == []


def test_memory_that_grows_is_seen() -> None:
    assert missed(memory(over(60, 3))) == ["its growth over the second half, MB an hour"]
    assert missed(memory(over(10, 60))) == ["its growth over the second half, MB"]
    assert missed(memory(over(10, 30))) == [], "that may as well be chance"


def test_a_peak_and_descriptors_that_stay_are_seen() -> None:
    high = [*over(10), sample(600, 80.1)]
    assert missed(memory(high)) == ["resident memory, MB"]
    leaking = [*over(10), sample(600, fds=49)]
    assert missed(memory(leaking)) == ["file descriptors gained"]


def test_a_watch_that_does_not_keep_up_is_seen() -> None:
    assert missed(pace(over(10))) == []
    assert missed(pace([*over(10), sample(600, cpu_s=600)])) == ["part of one CPU"]
    late = sample(600, flantrace_status_age_seconds=3.1)
    assert missed(pace([*over(10), late])) == ["longest between counts, s"]
    alone = sample(600, flantrace_leases_age_seconds=3.1)
    assert missed(pace([*over(10), alone])) == ["longest without the API, s"]
    losing = sample(600, **{LOST: 1})
    assert missed(pace([*over(10), losing])) == ["records lost, drops untold"]


def test_a_packet_that_is_not_counted_is_seen() -> None:
    key = 'flantrace_packets_total{peer="node-c",hook="uplink_out"}'
    last = sample(600)._replace(scraped={key: 41})
    assert counted([last], "node-c", 41).met
    assert not counted([last], "node-c", 42).met


def test_what_opens_while_all_is_well_is_seen_and_what_does_not_open_at_the_fault() -> None:
    broken = Fault("fdb-missing", 600, 610)
    opened = Opened(600.7, "opened", "fdb-missing", "node-a", "")
    closed = Opened(612.4, "closed", "fdb-missing", "node-a", "")
    assert quiet([opened, closed], 600).met
    assert not quiet([opened._replace(at_s=30)], 600).met
    assert missed(fault([opened, closed], broken)) == []
    assert len(missed(fault([], broken))) == 2
    assert missed(fault([opened, closed._replace(at_s=621)], broken)) == [
        "and closes after its repair, s"
    ]
    assert len(missed(fault([opened._replace(rule="routes-lost"), closed], broken))) == 1
