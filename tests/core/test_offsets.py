"""What a node's clock is behind or before ours, by what comes in."""

from tracer.core.offsets import SPAN_NS, SPANS, Offsets

MS = 1_000_000


def test_the_least_that_it_took_is_the_difference() -> None:
    offsets = Offsets()
    for second, late in enumerate((40, 3, 200, 7)):
        offsets.hear("node-a", second * 1000 * MS, second * 1000 * MS + 5000 * MS + late * MS)
    assert offsets.now == {"node-a": 5003 * MS}


def test_a_clock_that_jumped_is_believed_after_some_minutes() -> None:
    offsets = Offsets()
    offsets.hear("node-a", 0, 10 * MS)
    for minute in range(1, SPANS + 1):
        offsets.hear("node-a", minute * SPAN_NS - 800 * MS, minute * SPAN_NS)
    assert offsets.now == {"node-a": 800 * MS}


def test_a_node_that_begins_anew_has_none() -> None:
    offsets = Offsets()
    offsets.hear("node-a", 0, 10 * MS)
    offsets.forget("node-a")
    assert offsets.now == {}
