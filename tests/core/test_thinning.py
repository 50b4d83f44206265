"""More samples than can be told: fewer are, by their hash, so that every hook tells of the same."""

from collections.abc import Iterator

from tests.packets import BRIDGE_IN, UPLINK_OUT, journey, ping
from tracer.core.sampling import is_sample
from tracer.core.thinning import Thinning
from tracer.model.observation import Observation

PORTS = frozenset({8472})
MOST = 100


def told(node: Thinning, records: Iterator[Observation], one_in: int = 1) -> list[Observation]:
    return [one for one in records if node.tells(one, one_in, PORTS)]


def sightings(packets: int) -> Iterator[Observation]:
    """Of the sender's three hooks."""
    for number in range(packets):
        yield from journey(ping(number), first=BRIDGE_IN, last=UPLINK_OUT)


def test_a_few_are_all_told() -> None:
    node = Thinning(MOST)
    assert len(told(node, sightings(33))) == 99
    assert (node.end_period(), node.untold) == (1, 0)


def test_of_many_all_hooks_tell_of_the_same_ones() -> None:
    node = Thinning(MOST)
    told(node, sightings(1000))
    times = node.end_period()
    assert (times > 1, node.untold) == (True, 0)
    told_now = told(node, sightings(200))
    expected = [n for n in range(200) if is_sample(ping(n), times)]
    assert len(told_now) == 3 * len(expected)
    assert node.end_period() == times, "it settles"


def test_what_is_told_before_it_is_too_many_is_more_than_the_period_is_said_to_be() -> None:
    """The period counts as one of the fewer: whoever reads leaves the rest aside."""
    node = Thinning(MOST)
    found = told(node, sightings(1000))
    times = node.end_period()
    whole = [n for n in range(1000) if is_sample(ping(n), times)]
    tokens = [one.headers[14:42] for one in found if one.device.value == "bridge"]
    assert {ping(n)[:28] for n in whole} <= set(tokens)


def test_it_comes_back_when_there_are_few() -> None:
    node = Thinning(MOST)
    told(node, sightings(1000))
    while node.end_period() > 1:
        told(node, sightings(2))
    assert node.times == 1


def test_what_must_be_told_and_has_no_room_is_counted() -> None:
    node = Thinning(MOST)
    assert sum(node.takes() for _ in range(1000)) == 2 * MOST
    assert node.untold == 800
    assert not node.takes()
    node.end_period()
    assert node.takes()
