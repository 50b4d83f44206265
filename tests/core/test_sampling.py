"""A sample is one at every hop, and of all packets as many are samples as were asked for."""

from collections.abc import Callable, Iterator

import pytest

from tests import packets as p
from tracer.core.sampling import hash_of, is_sample

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
