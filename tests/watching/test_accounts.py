"""Sums that only grow, under a bounded number of names."""

from hypothesis import given
from hypothesis import strategies as st

from tests.watching.statuses import counts, drops, rows, samples, scraped, status
from tracer.model.watch import HOOKS, Kind
from tracer.watching.accounts import (
    DEVIATIONS,
    MOST_CAUSES,
    MOST_DROPS,
    MOST_PEERS,
    NOBODY,
    OTHER,
    Account,
)
from tracer.watching.metrics import Metrics

UPLINK_OUT = HOOKS.index("uplink_out")
BOUND = 3000
"""Series of one node, whatever happens in the cluster; docs/reference/metrics.md says so."""


def sent(account: Account, peer: str) -> int:
    return account.passed[peer][UPLINK_OUT][0]


def test_5_000_peers_in_every_kind_of_trouble_take_a_bounded_number_of_series() -> None:
    kinds = dict.fromkeys(Kind, 3)
    peers = [
        counts(f"node-{number}", number + 1, host=1, deviations=kinds) for number in range(5000)
    ]
    freed = [
        drops(f"node-{number}", 2, f"REASON_{number % 90}", f"function_{number % 7}+0x1")
        for number in range(5000)
    ]
    served = Metrics("127.0.0.1", 0)
    served.show([status(*peers, counts(None, 5, deviations=kinds), drops=tuple(freed))])
    text = scraped(served.port)
    served.close()
    series = sum(len(values) for name, values in samples(text).items() if "opened" not in name)
    assert series <= BOUND
    packets = rows(text, "flantrace_packets_total", "peer", "hook")
    assert len({peer for peer, _ in packets}) == MOST_PEERS + 2
    assert sum(packets.values()) == len(HOOKS) * (sum(range(1, 5001)) + 5)
    assert packets["node-4999", "uplink_in"] == 5000, "the busiest have names"
    assert rows(text, "flantrace_unnamed_peers", "node") == {("node-a",): 5000 - MOST_PEERS}
    deviating = rows(text, "flantrace_deviating_packets_total", "peer", "kind")
    assert sum(deviating.values()) == 5001 * 3 * len(DEVIATIONS)
    dropped = rows(text, "flantrace_dropped_packets_total", "peer", "reason", "caller")
    assert sum(dropped.values()) == 2 * 5000
    assert len(dropped) <= MOST_DROPS + MOST_CAUSES + 1


def test_a_peer_keeps_its_name_when_others_are_busier_later() -> None:
    account = Account()
    early = [counts(f"early-{number}", 1) for number in range(MOST_PEERS)]
    account.take(status(*early))
    account.take(status(*early, *(counts(f"late-{number}", 10**6) for number in range(50))))
    assert set(account.passed) == {*(f"early-{number}" for number in range(MOST_PEERS)), OTHER}
    assert account.unnamed == 50


def test_a_peer_in_trouble_has_a_name_though_a_hundred_busy_ones_came_first() -> None:
    account = Account()
    busy = [counts(f"busy-{number}", 10**6) for number in range(MOST_PEERS)]
    account.take(status(*busy))
    account.take(status(*busy, counts("late", 1, deviations={Kind.PEER_MAC: 1})))
    assert set(account.deviated) == {"late"}
    assert sent(account, OTHER) == 1


def test_the_sum_of_all_others_does_not_shrink_when_one_of_them_goes() -> None:
    account = Account()
    named = [counts(f"named-{number}", 5) for number in range(MOST_PEERS)]
    rest = [counts(f"x-{number}", 1) for number in range(3)]
    account.take(status(*named, *rest))
    account.take(status(*named, *rest[1:]))
    assert sent(account, OTHER) == 3
    account.take(status(*named, *rest))
    assert sent(account, OTHER) == 4, "what comes back begins anew"


def test_an_agent_that_was_started_anew_adds_to_what_was_there() -> None:
    account = Account()
    account.take(
        status(
            counts("node-b", 100, deviations={Kind.PEER_MAC: 4}),
            drops=(drops("node-b", 9, "A", "f"),),
        )
    )
    account.take(
        status(
            counts("node-b", 30, deviations={Kind.PEER_MAC: 1}),
            drops=(drops("node-b", 2, "A", "f"),),
        )
    )
    assert sent(account, "node-b") == 130
    assert account.deviated["node-b"][DEVIATIONS.index(Kind.PEER_MAC)] == 5
    assert account.dropped == {("node-b", "A", "f"): 11}


def test_addresses_of_nobody_are_told_apart_and_cost_no_name() -> None:
    account = Account()
    many = [counts(f"node-{number}", 5) for number in range(MOST_PEERS)]
    account.take(status(counts(None, 10**9, deviations={Kind.NO_LEASE: 1}), *many))
    assert len(account.passed) == MOST_PEERS + 1
    assert sent(account, NOBODY) == 10**9


def test_nodes_that_are_called_like_the_sums_are_part_of_them() -> None:
    account = Account()
    account.take(status(counts(NOBODY, 1), counts(None, 2), counts(OTHER, 4)))
    assert {peer: hooks[UPLINK_OUT][0] for peer, hooks in account.passed.items()} == {
        NOBODY: 3,
        OTHER: 4,
    }


PEERS = st.dictionaries(
    st.sampled_from([f"node-{number}" for number in range(130)]),
    st.integers(0, 1000),
    max_size=130,
)


@given(st.lists(PEERS, max_size=6))
def test_no_counter_ever_shrinks_and_a_quiet_moment_changes_none(
    moments: list[dict[str, int]],
) -> None:
    account = Account()
    before: dict[str, int] = {}
    for moment in moments:
        told = status(*(counts(peer, packets) for peer, packets in moment.items()))
        account.take(told)
        now = {peer: hooks[UPLINK_OUT][0] for peer, hooks in account.passed.items()}
        assert all(now[peer] >= packets for peer, packets in before.items())
        account.take(told)
        assert now == {peer: hooks[UPLINK_OUT][0] for peer, hooks in account.passed.items()}
        before = now
