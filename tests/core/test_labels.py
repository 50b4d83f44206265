"""From the diagnosis back to the packets: every observation finds the hop that it shows."""

import random

from msgspec.structs import replace

from tests.builders import POD, bundle, request
from tests.packets import (
    ACK,
    BRIDGE_IN,
    ON_THE_WAY,
    POD_IN,
    TCP,
    UPLINK_IN,
    UPLINK_OUT,
    VTEP_IN,
    VTEP_OUT,
    arp,
    ethernet,
    freed,
    ipv4,
    journey,
    observed,
    ping,
    pong,
    seen,
    tcp,
)
from tracer.core.diagnose import diagnose
from tracer.core.labels import Labelled, labelled
from tracer.model.bundle import Bundle
from tracer.model.observation import Device, Direction, Observation
from tracer.model.path import Way


def labels(recorded: Bundle) -> tuple[Labelled, ...]:
    return labelled(recorded, diagnose(recorded).paths)


def recorded(*observations: Observation) -> Bundle:
    return bundle(observations=observations)


def numbers(found: tuple[Labelled, ...]) -> list[tuple[Way, int | None, int | None] | None]:
    return [
        (one.label.path.way, one.label.path.seq, one.label.number) if one.label else None
        for one in found
    ]


def test_every_packet_of_a_healthy_trace_shows_its_own_hop() -> None:
    there, back = journey(ping(1)), journey(pong(1), back=True, at=500, skb=0x9000)
    found = labels(recorded(*there, *back))
    assert len(found) == 16
    for one in found:
        assert one.label is not None
        assert one.label.number is not None
        hop = one.label.path.hops[one.label.number - 1]
        assert hop.time_ns == one.observation.time_ns
        assert (hop.node, hop.ifname, hop.direction) == (
            one.observation.node, one.observation.ifname, one.observation.direction,
        )  # fmt: skip
    assert {one.label.path.way for one in found if one.label} == {Way.REQUEST, Way.REPLY}


def test_the_order_of_arrival_does_not_matter() -> None:
    packets = [*journey(ping(1)), *journey(ping(2), at=300, skb=0x3000)]
    straight = labels(recorded(*packets))
    random.Random(4).shuffle(packets)
    assert labels(recorded(*packets)) == straight


def test_a_drop_shows_the_last_hop() -> None:
    there = journey(ping(1), last=VTEP_IN)
    drop = freed("node-b", Device.VTEP, "OTHERHOST", ping(1), at=5_000_100, skb=0x1100)
    last = next(one for one in labels(recorded(*there, drop)) if one.observation.drop is not None)
    assert last.label is not None
    assert last.label.number == len(last.label.path.hops) == 7


def test_a_point_passed_twice_is_one_hop_for_both() -> None:
    there = journey(ping(1), last=UPLINK_OUT)
    again = seen("node-a", *ON_THE_WAY[UPLINK_OUT], ping(1), at=90)
    shown = [one for one in labels(recorded(*there, again)) if one.observation.ifname == "eth0"]
    assert numbers(tuple(shown)) == [(Way.REQUEST, 1, 4), (Way.REQUEST, 1, 4)]


def test_a_freed_copy_belongs_to_its_packet_and_is_no_hop() -> None:
    there = journey(ping(1))
    used = freed("node-b", Device.POD, "CONSUMED", ping(1), at=5_000_200, skb=0x1100)
    last = next(one for one in labels(recorded(*there, used)) if one.observation.drop is not None)
    assert last.label is not None
    assert (last.label.path.seq, last.label.number) == (1, None)


def test_what_is_no_packet_of_the_trace_has_no_label() -> None:
    other = ethernet(ipv4("10.244.1.9", POD["node-b"], TCP, tcp(1, 2, 3, ACK)))
    asks = observed(
        ethernet(arp("10.244.2.0", "10.244.1.0"), 0x0806), device=Device.VTEP, ifname="flannel.1"
    )
    stranger = observed(other, device=Device.BRIDGE, direction=Direction.IN, ifname="cni0")
    found = labels(recorded(asks, stranger))
    assert [one.label for one in found] == [None, None]
    assert found[0].packet.arp is not None


def test_an_arp_that_was_freed_is_a_hop_of_every_packet_that_waits_for_it() -> None:
    waiting = [
        one
        for seq in (1, 2)
        for one in journey(ping(seq), last=BRIDGE_IN, at=100 * seq, skb=0x1000 * seq)
    ]
    asks = [
        freed(
            "node-a", Device.VTEP, "NO_TX_TARGET", arp("10.244.2.0", "10.244.1.0"),
            ethertype=0x0806, at=500 + n, skb=0x8000,
        )
        for n in range(3)
    ]  # fmt: skip
    shown = [one for one in labels(recorded(*waiting, *asks)) if one.packet.arp is not None]
    assert len(shown) == 3
    for one in shown:
        assert one.label is not None
        assert (one.label.path.seq, one.label.number, one.label.more) == (1, 3, 1)


def segment(seq: int, size: int) -> bytes:
    return ipv4(POD["node-a"], POD["node-b"], TCP, tcp(40000, 80, seq, ACK, bytes(size)))


def at(index: int, packet: bytes, moment: int, skb: int) -> Observation:
    node = "node-a" if index <= UPLINK_OUT else "node-b"
    return seen(node, *ON_THE_WAY[index], packet, at=moment, skb=skb)


def test_a_merged_segment_shows_the_first_range_that_it_carries() -> None:
    first, second, both = segment(1000, 100), segment(1100, 100), segment(1000, 200)
    sent = [
        at(index, packet, 10 * index + n, 0x1000 + n)
        for n, packet in enumerate((first, second))
        for index in range(POD_IN, UPLINK_OUT + 1)
    ]
    arrived = [at(index, both, 1000 + 10 * index, 0x2000) for index in range(UPLINK_IN, 8)]
    passive = replace(recorded(*sent, *arrived), request=request(plan=None, passive_s=1.0))
    found = labels(passive)
    for one in found:
        assert one.label is not None
        assert one.label.number is not None
        glued = one.observation.node == "node-b"
        assert one.label.more == (1 if glued else 0)
        sequence = one.packet.inner.tcp_seq if one.packet.inner else None
        assert one.label.path.inner_id.token == f"40000>80 seq {sequence}"


def test_a_segment_that_was_cut_in_two_shows_the_one_range_in_both_halves() -> None:
    whole, halves = segment(1000, 200), (segment(1000, 100), segment(1100, 100))
    sent = [at(index, whole, 10 * index, 0x1000) for index in range(POD_IN, VTEP_OUT + 1)]
    cut = [at(UPLINK_OUT, half, 40 + n, 0x1000 + n) for n, half in enumerate(halves)]
    passive = replace(recorded(*sent, *cut), request=request(plan=None, passive_s=1.0))
    uplink = [one for one in labels(passive) if one.observation.device is Device.UPLINK]
    assert [one.label and (one.label.number, one.label.more) for one in uplink] == [(4, 0), (4, 0)]
