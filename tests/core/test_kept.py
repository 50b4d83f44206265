"""A watch's packets between two segments: from when to when all samples of all nodes are there."""

from msgspec.structs import replace

from tests.builders import agent
from tests.packets import BRIDGE_IN, UPLINK_OUT, freed, journey, ping
from tracer.core.inner_bytes import inner_bytes
from tracer.core.kept import SETTLES_NS, SILENT_NS, Cut, Kept
from tracer.core.sampling import is_sample
from tracer.model.observation import Device, Observation
from tracer.model.sampled import Sampled
from tracer.model.watch import Counts

S = 1_000_000_000
PORTS = frozenset({8472})
OFFSETS = {"node-a": 100 * S, "node-b": -7 * S}
"""From their clocks to ours."""


def counts(node: str, second: float, one_in: int = 64, lost: int = 0, unsaid: int = 0) -> Counts:
    """At that second by our clock."""
    at = int(second * S) - OFFSETS[node]
    return Counts(
        node=node, time_ns=at, until_ns=at, peers=(), drops=(), lost=lost, untold=0,
        one_in=one_in, unsaid=unsaid,
    )  # fmt: skip


def kept(*heard: Counts, most: int = 100) -> Kept:
    both = Kept(most)
    for node in OFFSETS:
        both.points(node, agent(node).points)
    for one in heard:
        both.count(one)
    return both


def cut(of: Kept) -> Cut:
    return of.cut(OFFSETS, PORTS)


def spans(of: Kept) -> dict[str, tuple[float, float]]:
    """Node -> from when to when, in seconds by our clock."""
    return {
        one.node: (
            (one.since_ns + OFFSETS[one.node]) / S,
            (one.until_ns + OFFSETS[one.node]) / S,
        )
        for one in cut(of).sampled
    }


def only(of: Kept) -> Sampled:
    return cut(of).sampled[0]


A_SECOND_EACH = tuple(
    counts(node, second + late)
    for second in range(10)
    for node, late in (("node-a", 0.0), ("node-b", 0.4))
)


def test_a_span_begins_when_the_last_node_was_heard_and_ends_when_the_first_was_heard_last() -> (
    None
):
    assert spans(kept(*A_SECOND_EACH)) == {"node-a": (0.4, 9.0), "node-b": (0.4, 9.0)}


def test_after_a_cut_the_next_span_begins_with_the_next_counts() -> None:
    both = kept(*A_SECOND_EACH)
    cut(both)
    assert cut(both).sampled == ()
    for one in (counts("node-a", 10), counts("node-b", 10.4), counts("node-a", 11)):
        both.count(one)
    assert spans(both) == {}, "of node-b only a moment is known"


def test_devices_that_are_watched_anew_begin_a_new_span() -> None:
    both = kept(*A_SECOND_EACH)
    both.points("node-b", agent("node-b").points[:2])
    for second in (10, 11, 12):
        both.count(counts("node-a", second))
        both.count(counts("node-b", second))
    assert spans(both)["node-a"] == (10.0, 12.0)


def test_a_node_begins_with_its_devices_and_not_before() -> None:
    both = Kept(100)
    both.points("node-a", agent("node-a").points)
    for one in A_SECOND_EACH:
        both.count(one)
    assert spans(both) == {"node-a": (0.0, 9.0)}
    both.forget("node-a")
    both.count(counts("node-a", 11))
    both.count(counts("node-a", 12))
    assert spans(both) == {}


def test_a_node_that_fell_silent_is_not_among_them() -> None:
    silent = SILENT_NS / S
    late = [counts("node-a", 9 + second) for second in range(1, 3 + int(silent))]
    assert set(spans(kept(*A_SECOND_EACH, *late))) == {"node-a"}


def test_the_fewest_samples_that_any_node_took_are_those_of_all() -> None:
    both = kept(*A_SECOND_EACH, counts("node-b", 10, one_in=256), counts("node-b", 11))
    assert only(both).one_in == 256


def test_a_node_that_took_none_for_a_while_is_not_among_them() -> None:
    assert set(spans(kept(*A_SECOND_EACH, counts("node-b", 10, one_in=0)))) == {"node-a"}


def test_what_was_lost_before_the_span_is_not_lost_in_it() -> None:
    both = kept(*(counts("node-a", second, lost=5 + second, unsaid=second) for second in range(4)))
    assert only(both).lost == 6


def test_when_there_are_too_many_the_span_begins_where_the_last_of_them_is_kept() -> None:
    both = kept(most=4)
    for second in range(10):
        both.keep(replace(sighting(second), time_ns=(second + 1) * S - OFFSETS["node-a"]))
    for one in A_SECOND_EACH:
        both.count(one)
    found = cut(both)
    assert len(found.observations) == 4
    since = found.sampled[0].since_ns + OFFSETS[found.sampled[0].node]
    assert since == 6 * S + SETTLES_NS, "the one of the sixth second was the last to go"


def sighting(number: int) -> Observation:
    return journey(ping(number), first=BRIDGE_IN, last=BRIDGE_IN)[0]


def test_where_all_took_the_same_samples_none_is_aside() -> None:
    both = kept(*A_SECOND_EACH)
    for number in range(50):
        both.keep(sighting(number))
    assert cut(both).aside == ()


def test_what_deviates_is_aside_unless_it_is_a_sample() -> None:
    both = kept(*(replace(one, one_in=4) for one in A_SECOND_EACH))
    for number in range(50):
        both.keep(sighting(number), deviates=True)
    aside = cut(both).aside
    expected = [n for n in range(50) if not is_sample(ping(n), 4)]
    assert list(aside) == expected
    assert 0 < len(expected) < 50


def test_samples_of_a_node_that_takes_more_are_aside() -> None:
    both = kept(*(replace(one, one_in=8 if one.node == "node-b" else 1) for one in A_SECOND_EACH))
    for number in range(80):
        both.keep(sighting(number))
    found = cut(both)
    assert list(found.aside) == [n for n in range(80) if not is_sample(ping(n), 8)]
    assert found.sampled[0].one_in == 8


def test_a_freed_packet_is_never_a_sample() -> None:
    both = kept(*(replace(one, one_in=1) for one in A_SECOND_EACH))
    both.keep(freed("node-a", Device.VTEP, "NETFILTER_DROP", ping()), deviates=True)
    assert cut(both).aside == (0,)


def test_the_pods_packet_is_found_in_every_frame_of_its_way() -> None:
    for one in journey(ping(3), first=BRIDGE_IN, last=UPLINK_OUT):
        packet = inner_bytes(one, PORTS)
        assert packet is not None
        assert packet[:28] == ping(3)[:28]


def test_of_what_is_cut_off_there_is_none() -> None:
    for one in journey(ping(3), first=BRIDGE_IN, last=UPLINK_OUT):
        for length in range(len(one.headers)):
            short = inner_bytes(replace(one, headers=one.headers[:length]), PORTS)
            assert short is None or ping(3).startswith(short) or one.device is Device.UPLINK
