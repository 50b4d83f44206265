"""A sample is one at every hop, and of all packets as many are samples as were asked for."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import packets as p
from tracer.core.sampling import LEAST_OFTEN, MOST_OFTEN, adapted, hash_of, is_sample

A, B = "10.244.1.5", "10.244.2.7"
A6, B6 = "fd00:10:244:1::5", "fd00:10:244:2::7"
TRIED = 20_000


def echoes(count: int) -> Iterator[bytes]:
    for seq in range(count):
        yield p.ipv4(A, B, p.ICMP, p.echo(7, seq & 0xFFFF), ip_id=seq & 0xFFFF)


def segments(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield p.ipv4(A, B, p.TCP, p.tcp(40000, 80, 1448 * number, p.ACK), ip_id=number & 0xFFFF)


def segments6(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield p.ipv6(A6, B6, p.TCP, p.tcp(40000, 80, 1448 * number, p.ACK))


def datagrams(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield p.ipv4(A, B, p.UDP, p.udp(50000, 53, b"x" * 20), ip_id=number & 0xFFFF)


def flows(count: int) -> Iterator[bytes]:
    for number in range(count):
        source = f"10.244.1.{number % 250}"
        yield p.ipv4(source, B, p.UDP, p.udp(1024 + number // 250, 53, b""), ip_id=0)


@pytest.mark.parametrize("traffic", [echoes, segments, segments6, datagrams, flows])
@pytest.mark.parametrize("one_in", [8, 64, 256])
def test_as_many_are_samples_as_were_asked_for(
    traffic: Callable[[int], Iterator[bytes]], one_in: int
) -> None:
    wanted = TRIED / one_in
    found = sum(is_sample(packet, one_in) for packet in traffic(TRIED))
    assert 0.6 * wanted < found < 1.4 * wanted


@pytest.mark.parametrize("one_in", [1, 0])
def test_every_packet_or_none(one_in: int) -> None:
    assert {is_sample(packet, one_in) for packet in echoes(100)} == {bool(one_in)}


def test_one_in_few_are_also_among_one_in_fewer() -> None:
    """Nodes that sample at different rates still share the packets of the lower one."""
    for packet in segments(2_000):
        assert is_sample(packet, 16) or not is_sample(packet, 64)


def test_what_hops_change_makes_no_other_sample() -> None:
    payload = p.udp(50000, 53, b"x" * 20)
    summed = payload[:6] + b"\xbe\xef" + payload[8:]
    sent = p.ipv4(A, B, p.UDP, payload, ttl=64)
    assert hash_of(sent) == hash_of(p.ipv4(A, B, p.UDP, summed, ttl=62))


def test_a_later_fragment_is_hashed_by_its_own_header() -> None:
    one = p.ipv4(A, B, p.UDP, b"a" * 16, offset=1480, ip_id=9)
    other = p.ipv4(A, B, p.UDP, b"b" * 16, offset=1480, ip_id=9)
    assert hash_of(one) == hash_of(other)


def test_a_packet_that_is_cut_off_after_its_header_is_hashed_without_more() -> None:
    packet = p.ipv4(A, B, p.TCP, p.tcp(1, 2, 3, p.ACK))
    assert hash_of(packet[:20]) == hash_of(packet[:24]) != hash_of(packet)


MOST = 0.01


def settled(one_in: int, costs: Callable[[int], float], rounds: int = 60) -> list[int]:
    """What is chosen round by round, where sampling costs as `costs` tells."""
    chosen = []
    for _ in range(rounds):
        one_in = adapted(one_in, costs(one_in), MOST)
        chosen.append(one_in)
    return chosen


def costing(base: float, of_one: float) -> Callable[[int], float]:
    """`base`: of counting, whatever is sampled; `of_one`: more, if every packet were a sample."""
    return lambda one_in: base + (of_one / one_in if one_in else 0)


@given(base=st.floats(0, 0.0099), of_one=st.floats(0, 5000), begin=st.integers(0, 2 * LEAST_OFTEN))
def test_steady_traffic_settles_below_what_it_may_cost(
    base: float, of_one: float, begin: int
) -> None:
    costs = costing(base, of_one)
    *_, before, last = settled(begin, costs)
    assert before == last, "it does not swing"
    assert costs(last) <= MOST
    assert last == 0 or MOST_OFTEN <= last <= LEAST_OFTEN or last == begin


@given(of_one=st.floats(0.01, 5000), begin=st.sampled_from([16, 1024, LEAST_OFTEN]))
def test_as_many_are_samples_as_it_may_cost_but_for_a_factor_of_five(
    of_one: float, begin: int
) -> None:
    costs = costing(0, of_one)
    last = settled(begin, costs)[-1]
    assert last == MOST_OFTEN or costs(last) >= MOST * 0.2


def test_too_much_is_too_much_within_ten_rounds() -> None:
    costs = costing(0, 1000)
    chosen = settled(MOST_OFTEN, costs, rounds=10)
    assert costs(chosen[-1]) <= MOST


def test_one_moment_of_much_traffic_is_forgotten_after_two() -> None:
    calm = costing(0, 0.3)
    before = settled(1024, calm)[-1]
    after = adapted(before, 50 * MOST, MOST)
    assert after == 4 * before
    assert settled(after, calm, rounds=2)[-1] == before


def test_no_samples_where_counting_alone_costs_too_much_and_again_when_it_does_not() -> None:
    chosen = settled(64, costing(2 * MOST, 1))
    assert chosen[-1] == 0
    assert chosen.index(0) < 20
    assert settled(0, costing(0.6 * MOST, 0))[-1] == 0, "it is not known what the first would cost"
    assert settled(0, costing(0.001, 0))[-1] == MOST_OFTEN
