"""When a node's tables are read anew."""

from itertools import pairwise

import pytest

from tracer.watching.looks import POD_SETTLES_S, PODS_AT_ONCE, PODS_EACH_S, SELDOM_S, Looks


def had(looks: Looks) -> float:
    """The next look is had when it is due."""
    at = looks.due()
    looks.had(at, 0.01)
    return at


def test_a_few_pods_that_change_are_each_looked_at_soon() -> None:
    looks = Looks()
    looks.had(100.0, 0.01)
    for now in (101.0, 102.0, 103.0)[:PODS_AT_ONCE]:
        looks.want_for_pods(now)
        assert had(looks) == pytest.approx(now + POD_SETTLES_S)


def test_pods_that_change_all_the_time_do_not_call_for_looks_all_the_time() -> None:
    looks = Looks()
    now, looked = 100.0, [100.0]
    looks.had(now, 0.01)
    while now < 200:
        now += 0.1
        looks.want_for_pods(now)
        if looks.due() <= now:
            looked.append(had(looks))
    assert len(looked) <= PODS_AT_ONCE + 100 / PODS_EACH_S + 2
    assert max(after - before for before, after in pairwise(looked)) < 6


def test_while_a_device_is_made_anew_there_is_no_look() -> None:
    looks = Looks()
    looks.had(100.0, 0.01)
    looks.want_not_before(101.5)
    looks.want(101.0)
    assert had(looks) == 101.5
    looks.want(103.0)
    assert had(looks) == 103.0


def test_without_news_the_next_look_is_half_a_minute_away() -> None:
    looks = Looks()
    looks.had(100.0, 0.01)
    assert looks.due() == 100.0 + SELDOM_S
