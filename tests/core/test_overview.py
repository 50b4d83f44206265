"""The answer of a live view: a fault that is open, or all is well, or what keeps from saying so."""

from msgspec.structs import replace

from tests.render.statuses import faulty, healthy, rates, stale, status
from tracer.core.overview import Silence, Sort, answer, ordered, standing
from tracer.model.diagnosis import Severity

WARNING = replace(stale(), severity=Severity.WARNING, rule="wrong-interface")
DOUBT = replace(stale(), severity=Severity.UNKNOWN, sentence="It is not known.")


def test_a_fault_that_is_open_is_one_whoever_else_is_silent() -> None:
    said = "1 finding open, 3 nodes watched: neigh-stale-one-node on node-a"
    assert answer(faulty(), {}) == (1, said)
    assert answer(faulty(), {"node-b": 9.0}) == (1, said)


def test_where_nothing_is_open_nothing_is_wrong() -> None:
    assert answer(healthy(), {}) == (0, "nothing is wrong on 3 nodes")


def test_a_warning_does_not_change_the_code_and_is_told() -> None:
    code, sentence = answer((status("node-a", standing=(WARNING,)),), {})
    assert code == 0
    assert sentence == "nothing stops traffic on 1 node; 1 lesser finding open: wrong-interface"


def test_packets_dropped_this_second_are_not_called_nothing_wrong() -> None:
    code, sentence = answer((status("node-a", rates("node-a", "node-b", dropped_s=1.0)),), {})
    assert code == 0
    assert (
        sentence == "no finding is open on 1 node; packets of 1 peer dropped or misaddressed just"
        " now"
    )


def test_what_could_have_been_missed_makes_it_unknown_never_fine() -> None:
    for statuses, silent, said in (
        ((), {}, "no node has said anything yet"),
        (healthy(), {"node-b": 9.4, "node-c": 7.0}, "node-b and 1 other said nothing for 9 s"),
        ((status("node-a", leases_age_s=None),), {}, "no lease is known on node-a"),
        ((status("node-a", untold=3),), {}, "3 freed packets could not be told apart"),
        ((status("node-a", standing=(DOUBT,)),), {}, "It is not known."),
    ):
        code, sentence = answer(statuses, silent)
        assert code == 3
        assert sentence.startswith(said)


def test_a_finding_that_every_node_lists_is_one_and_errors_come_first() -> None:
    both = (
        status("node-a", standing=(WARNING, stale())),
        status("node-b", standing=(WARNING, stale())),
    )
    assert standing(both) == (stale(), WARNING)


def names(sort: Sort) -> list[tuple[str, str | None]]:
    rows = (
        rates("node-a", "node-b", packets_in_s=9e6),
        rates("node-a", "node-c", gap=5, bytes_out_s=7e9),
        rates("node-b", None, gap=None, deviating_s=1.0),
        rates("node-b", "node-a", dropped_s=2.0, packets_in_s=0.0),
    )
    return [(row.node, row.peer) for row in ordered((status("x", *rows),), sort)]


def test_what_is_wrong_stands_first_by_whatever_the_rest_is_sorted() -> None:
    a_b, a_c, nobody, b_a = (
        ("node-a", "node-b"), ("node-a", "node-c"), ("node-b", None), ("node-b", "node-a"),
    )  # fmt: skip
    assert names(Sort.PACKETS) == [nobody, b_a, a_c, a_b]
    assert names(Sort.DROPS) == [b_a, nobody, a_c, a_b]
    assert names(Sort.MISADDRESSED) == [nobody, b_a, a_c, a_b]
    assert names(Sort.NODE) == [nobody, b_a, a_c, a_b]
    assert names(Sort.PEER) == [nobody, b_a, a_c, a_b]


def test_each_sort_orders_what_is_alike_otherwise() -> None:
    rows = {
        "low": rates("node-b", "low", packets_out_s=1.0, bytes_in_s=9e9),
        "high": rates("node-a", "high", packets_out_s=2.0, bytes_in_s=1.0),
    }
    first = {
        sort: ordered((status("x", *rows.values()),), sort)[0].peer
        for sort in (Sort.PACKETS, Sort.BITS, Sort.NODE, Sort.PEER)
    }
    assert first == {
        Sort.PACKETS: "high", Sort.BITS: "low", Sort.NODE: "high", Sort.PEER: "high",
    }  # fmt: skip
    lost = (rates("node-a", "one", gap=1), rates("node-a", "two", gap=2))
    assert ordered((status("x", *lost),), Sort.GAP)[0].peer == "two"


def test_a_node_is_silent_when_its_figures_stand_still_or_never_came() -> None:
    silence = Silence(("node-a", "node-b"))
    assert silence.hear((status("node-a"),), 100.0) == {}
    assert silence.hear((status("node-a", time_ns=61),), 104.0) == {}
    assert silence.hear((status("node-a", time_ns=61),), 106.0) == {"node-b": 6.0}
    assert silence.hear((status("node-a", time_ns=61),), 110.0) == {"node-a": 6.0, "node-b": 10.0}
    assert silence.hear((status("node-a", time_ns=62), status("node-b")), 111.0) == {}
    assert silence.hear((status("node-b", time_ns=1),), 117.0) == {"node-a": 6.0}
