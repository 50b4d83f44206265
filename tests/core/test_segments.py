"""TCP data by sequence range."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import POD, bundle, request
from tests.packets import (
    ACK,
    BRIDGE_IN,
    ON_THE_WAY,
    POD_OUT,
    TCP,
    UPLINK_IN,
    UPLINK_OUT,
    freed,
    ipv4,
    journey,
    seen,
    tcp,
)
from tracer.core.correlate import correlate
from tracer.model.observation import Device, Observation
from tracer.model.path import Outcome, Path

A, B = POD["node-a"], POD["node-b"]
PASSIVE = replace(request(), plan=None, passive_s=10.0)
WRAP = 1 << 32


def data(seq: int, length: int, port: int = 80) -> bytes:
    """A segment as the 160 captured bytes show it: the header says the length."""
    head = tcp(40000, port, seq % WRAP, ACK)
    return ipv4(A, B, TCP, head + bytes(min(length, 40)), length=40 + length)


def at(index: int, seq: int, length: int, moment: int, **more: Any) -> Observation:
    node = "node-a" if index <= UPLINK_OUT else "node-b"
    skb = more.pop("skb", 0x5000 + moment)
    return seen(node, *ON_THE_WAY[index], data(seq, length), at=moment, skb=skb, **more)


def paths(*observations: Observation) -> tuple[Path, ...]:
    return correlate(bundle(observations=observations, request=PASSIVE))


def sender_side(seq: int, length: int, moment: int = 0) -> tuple[Observation, ...]:
    return tuple(
        at(index, seq, length, moment + index, gso_size=1398) for index in range(UPLINK_OUT + 1)
    )


def test_a_super_packet_is_one_path_though_it_arrives_in_pieces() -> None:
    pieces = [
        at(index, 1000 + n * 1398, 1398, 100 + 10 * n + index)
        for n in range(3)
        for index in range(UPLINK_IN, POD_OUT + 1)
    ]
    (path,) = paths(*sender_side(1000, 3 * 1398), *pieces)
    assert path.outcome is Outcome.DELIVERED
    assert len(path.hops) == 8
    assert {hop.part for hop in path.hops} == {None}
    assert {hop.times for hop in path.hops} == {1}
    assert path.inner_id.token == "40000>80 seq 1000"


def test_what_covers_a_part_says_which_part_and_does_not_deliver() -> None:
    piece = [at(index, 1000, 1398, 100 + index) for index in range(UPLINK_IN, POD_OUT + 1)]
    (path,) = paths(*sender_side(1000, 2796), *piece)
    assert path.outcome is Outcome.LOST
    assert [hop.part for hop in path.hops[4:]] == [(1398, 2796)] * 4
    assert [place.ifname for place in path.not_reached] == ["eth0", "flannel.1", "cni0", "veth2"]


def test_segments_that_the_receiver_merged_are_still_two_packets() -> None:
    first = sender_side(1000, 1000)
    second = sender_side(2000, 1000, moment=50)
    merged = [at(index, 1000, 2000, 100 + index) for index in range(UPLINK_IN, POD_OUT + 1)]
    found = paths(*first, *second, *merged)
    assert [path.inner_id.token for path in found] == ["40000>80 seq 1000", "40000>80 seq 2000"]
    assert {path.outcome for path in found} == {Outcome.DELIVERED}
    assert {hop.part for path in found for hop in path.hops} == {None}


def test_a_retransmission_of_a_part_belongs_to_its_range() -> None:
    whole = [at(index, 1000, 2796, 10 + index) for index in range(POD_OUT + 1)]
    again = [at(index, 2398, 1398, 500 + index) for index in range(POD_OUT + 1)]
    (path,) = paths(*whole, *again)
    assert path.outcome is Outcome.DELIVERED
    twice = [at(index, 1000, 2796, 900 + index) for index in range(POD_OUT + 1)]
    (path,) = paths(*whole, *twice)
    assert {hop.times for hop in path.hops} == {2}


def test_the_counter_wraps() -> None:
    start = WRAP - 1000
    pieces = [
        at(index, start + n * 1000, 1000, 100 + 10 * n + index)
        for n in range(2)
        for index in range(UPLINK_IN, POD_OUT + 1)
    ]
    (path,) = paths(*sender_side(start, 2000), *pieces)
    assert path.outcome is Outcome.DELIVERED
    assert {hop.part for hop in path.hops} == {None}


def test_a_flow_of_more_than_the_counter_holds_is_not_folded_onto_itself() -> None:
    step, rounds = 1 << 30, 9
    observations = [
        one
        for n in range(rounds)
        for one in (*sender_side(n * step, 1000, 100 * n), *whole_receiver(n * step, 100 * n))
    ]
    found = paths(*observations)
    # Every fourth one has the number, and so the identity, of the one a whole turn before.
    assert len(found) == 4
    assert all(path.outcome is Outcome.DELIVERED for path in found)


def whole_receiver(seq: int, moment: int) -> list[Observation]:
    return [at(index, seq, 1000, moment + 50 + index) for index in range(UPLINK_IN, POD_OUT + 1)]


def test_two_flows_with_the_same_numbers_do_not_mix() -> None:
    one = [at(index, 1000, 500, index) for index in range(POD_OUT + 1)]
    other = [
        seen("node-a", *ON_THE_WAY[index], data(1000, 500, port=81), at=50 + index, skb=0x99)
        for index in range(UPLINK_OUT + 1)
    ]
    found = paths(*one, *other)
    assert [len(path.hops) for path in found] == [8, 4]


def test_a_dropped_piece_drops_the_packet() -> None:
    drop = freed("node-a", Device.BRIDGE, "PKT_TOO_BIG", data(1000, 2796), at=30, skb=0x5001)
    (path,) = paths(*sender_side(1000, 2796)[: BRIDGE_IN + 1], drop)
    assert path.outcome is Outcome.DROPPED
    assert path.hops[-1].part is None


def test_a_drop_with_its_headers_cut_off_finds_its_range_by_the_skb() -> None:
    drop = freed("node-a", Device.BRIDGE, "NETFILTER_DROP", b"", at=30, skb=0x5001)
    (path,) = paths(*sender_side(1000, 2796)[: BRIDGE_IN + 1], drop)
    assert path.outcome is Outcome.DROPPED


@pytest.mark.parametrize("flags", [ACK, ACK | 1, 4])
def test_segments_without_payload_are_packets_by_identity(flags: int) -> None:
    empty = ipv4(A, B, TCP, tcp(40000, 80, 1000, flags))
    (first, second) = paths(*journey(empty), *[at(i, 1000, 500, 500 + i) for i in range(8)])
    assert first.inner_id != second.inner_id
    assert (len(first.hops), len(second.hops)) == (8, 8)


def test_half_a_recording_begins_where_it_begins() -> None:
    pieces = [at(index, 1000, 1398, 100 + index) for index in range(UPLINK_IN, POD_OUT + 1)]
    (path,) = paths(*pieces)
    assert [hop.node for hop in path.hops] == ["node-b"] * 4
