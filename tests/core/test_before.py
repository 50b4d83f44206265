"""What changed just before a finding was opened is named with it, and nothing that has no part."""

from tests.core.test_standing import STALE
from tracer.core.before import KEPT_NS, LATE_NS, MOST, SHOWN, SPAN_NS, Event, Events, told
from tracer.core.standing import S

NOW = 100 * S


def event(seconds_ago: float, what: str, *about: str) -> Event:
    return Event(NOW - int(seconds_ago * S), what, frozenset(about))


def before(*events: Event) -> list[str]:
    found = Events()
    found.add(events)
    return [one.what for one in found.before(STALE, NOW)]


def test_what_is_about_something_that_the_finding_quotes_is_named_the_last_one_first() -> None:
    assert before(
        event(9, "flanneld on node-b restarted", "node-b"),
        event(3.2, "FDB entry of node-b replaced", "node-b", "02:f1:00:00:00:02"),
        event(1, "the lease of node-x changed", "node-x"),
    ) == ["FDB entry of node-b replaced", "flanneld on node-b restarted"]


def test_a_device_counts_as_quoted() -> None:
    assert before(event(1, "flannel.1 went down", "flannel.1")) == ["flannel.1 went down"]


def test_what_came_later_or_long_before_is_no_cause() -> None:
    late, old = event(-1, "later", "node-b"), event(SPAN_NS / S + 1, "old", "node-b")
    assert before(late, old) == []


def test_what_the_kernel_says_a_moment_after_it_freed_packets_is_named() -> None:
    events = Events()
    events.add([event(-0.05, "flannel.1 went", "flannel.1"), event(-1, "flannel.1 came", "cni0")])
    assert [one.what for one in events.before(STALE, NOW, LATE_NS)] == ["flannel.1 went"]
    assert events.before(STALE, NOW) == ()


def test_few_are_shown_and_of_a_storm_the_last_are_remembered() -> None:
    assert len(before(*(event(n / 100, "route", "node-b") for n in range(50)))) == SHOWN
    storm = Events()
    storm.add(event(2, f"{n}", "node-b") for n in range(MOST + 5))
    assert storm.before(STALE, NOW)[0].what == "5"


def test_it_is_told_with_the_time_between() -> None:
    replaced = event(3.2, "FDB entry of node-b replaced")
    assert told(replaced, NOW) == "FDB entry of node-b replaced 3.2 s before"
    went = told(event(-0.06, "flannel.1 went"), NOW, " the first packet that shows it")
    assert went == "flannel.1 went 0.1 s after the first packet that shows it"


def test_what_can_be_no_cause_any_more_is_not_remembered() -> None:
    events = Events()
    events.add([event(KEPT_NS / S + 2, "old", "node-b"), event(1, "new", "node-b")])
    assert [one.what for one in events.before(STALE, NOW)] == ["new"]
    assert events.before(STALE, NOW - KEPT_NS) == ()
