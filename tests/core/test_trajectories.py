"""Sampled packets over the hooks of the nodes that are watched: complete, ended, or not known."""

import time
from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import POD, agent, bundle, state, vtep_ip
from tests.packets import (
    ACK,
    BRIDGE_IN,
    BRIDGE_OUT,
    ON_THE_WAY,
    SYN,
    TCP,
    UDP,
    UPLINK_IN,
    UPLINK_OUT,
    VTEP_IN,
    VTEP_OUT,
    ethernet,
    freed,
    ipv4,
    journey,
    ping,
    seen,
    tcp,
    udp,
)
from tracer.core.examine import examine
from tracer.core.facts import Facts
from tracer.core.trajectories import samples
from tracer.model.bundle import Bundle
from tracer.model.examination import Ended, Samples, Trajectories
from tracer.model.observation import Device, Direction, Observation
from tracer.model.request import CheckRequest
from tracer.model.sampled import Sampled
from tracer.model.watch import Watched

S = 1_000_000_000
MIDDLE_US = 10_000_000
"""A moment well within what is recorded, by either node's clock."""
A, B = POD["node-a"], POD["node-b"]
WATCHED = ("node-a", "node-b")


def span(node: str, **changes: Any) -> Sampled:
    """Half a minute. A watch looks at no pod's own device."""
    points = tuple(one for one in agent(node).points if one.device is not Device.POD)
    whole = Sampled(node=node, since_ns=0, until_ns=30 * S, one_in=1, lost=0, points=points)
    return replace(whole, **changes)


def segment(
    observations: Iterable[Observation], *spans: Sampled, aside: tuple[int, ...] = ()
) -> Bundle:
    """A watch of node-a and node-b, unless `spans` say another."""
    return bundle(
        request=None,
        check=CheckRequest(nodes=WATCHED),
        agents={},
        observations=tuple(observations),
        watched=Watched(
            time_ns=30 * S, sampled=spans or tuple(map(span, WATCHED)), aside=aside
        ),
    )  # fmt: skip


def said(of: Bundle) -> Samples:
    found = samples(Facts(of))
    assert found is not None
    return found


def way(of: Bundle) -> Trajectories:
    (only,) = said(of).ways
    return only


def on_its_way(packet: bytes, *, last: int = BRIDGE_OUT, **more: Any) -> tuple[Observation, ...]:
    """From the bridge to the hook `last`, in the middle of the recording."""
    return journey(packet, first=BRIDGE_IN, last=last, at=MIDDLE_US, **more)


def counts(one: Trajectories) -> tuple[int, int, int, int]:
    """(followed, complete, unknown, ended); nobody is in two of the last three."""
    ended = sum(end.packets for end in one.ended)
    assert one.followed == one.complete + one.unknown + ended
    return one.followed, one.complete, one.unknown, ended


def where(one: Ended) -> tuple[str, Device, Direction]:
    return one.node, one.device, one.direction


def datagram(number: int, ip_id: int = 0) -> bytes:
    return ipv4(A, B, UDP, udp(5000, 53, f"question {number:08}".encode()), ip_id=ip_id)


def data(seq: int) -> bytes:
    return ipv4(A, B, TCP, tcp(40000, 80, seq, ACK, bytes(100)), ip_id=seq & 0xFFFF)


def ack(ip_id: int) -> bytes:
    return ipv4(A, B, TCP, tcp(40000, 80, 1000, ACK), ip_id=ip_id)


def test_a_packet_seen_at_every_hook_of_both_nodes_is_complete() -> None:
    only = way(segment(on_its_way(ping())))
    assert (only.sender, only.receiver, only.family) == ("node-a", "node-b", 4)
    assert counts(only) == (1, 1, 0, 0)
    assert only.hooks == (
        "node-a cni0 in",
        "node-a flannel.1 out",
        "node-a eth0 out",
        "node-b eth0 in",
        "node-b flannel.1 in",
        "node-b cni0 out",
    )


@pytest.mark.parametrize("last", [VTEP_OUT, UPLINK_OUT, UPLINK_IN])
def test_a_packet_ends_where_it_was_seen_last(last: int) -> None:
    only = way(segment(on_its_way(ping(9), last=last)))
    assert counts(only) == (1, 0, 0, 1)
    (end,) = only.ended
    assert where(end)[1:] == ON_THE_WAY[last]
    assert (end.packets, end.reason, end.last.token) == (1, None, "request id 7 seq 9")


@pytest.mark.parametrize("last", [BRIDGE_IN, VTEP_IN])
def test_beside_the_bridge_other_things_than_loss_may_become_of_it(last: int) -> None:
    assert counts(way(segment(on_its_way(ping(), last=last)))) == (1, 0, 1, 0)


@pytest.mark.parametrize(("last", "node"), [(BRIDGE_IN, "node-a"), (VTEP_IN, "node-b")])
def test_beside_the_bridge_it_ended_if_the_kernel_freed_it(last: int, node: str) -> None:
    drop = freed(node, Device.BRIDGE, "NETFILTER_DROP", ping(), at=MIDDLE_US + 99)
    (end,) = way(segment((*on_its_way(ping(), last=last), drop))).ended
    assert (end.node, end.reason) == (node, "NETFILTER_DROP")


def test_what_was_used_up_was_not_dropped() -> None:
    drop = freed("node-b", Device.BRIDGE, "NOT_DROPPED_YET", ping(), at=MIDDLE_US + 99)
    assert counts(way(segment((*on_its_way(ping(), last=VTEP_IN), drop)))) == (1, 0, 1, 0)


def test_where_records_were_lost_an_end_is_unknown() -> None:
    ended = on_its_way(ping(), last=UPLINK_OUT)
    lossy = segment(ended, span("node-a"), span("node-b", lost=1))
    assert counts(way(lossy)) == (1, 0, 1, 0)
    assert said(lossy).lost == 1
    elsewhere = segment(ended, span("node-a", lost=1), span("node-b"))
    assert counts(way(elsewhere)) == (1, 0, 0, 1), "it is missing where nothing was lost"


def test_a_hook_that_missed_a_packet_that_arrived_did_not_end_it() -> None:
    holed = [one for one in on_its_way(ping()) if one.device is not Device.VTEP]
    assert counts(way(segment(holed))) == (1, 0, 1, 0)


@pytest.mark.parametrize("moment", [300_000, 29_700_000])
def test_near_the_beginning_or_the_end_nothing_is_said(moment: int) -> None:
    half = [
        replace(one, time_ns=moment * 1000 + one.time_ns)
        for one in journey(ping(), first=BRIDGE_IN, last=UPLINK_OUT)
    ]
    found = said(segment(half))
    assert (found.ways, found.at_the_edges) == ((), 1)


def test_each_nodes_clock_is_held_against_its_own_span() -> None:
    year = 365 * 86_400 * S
    late = [
        replace(one, time_ns=one.time_ns + year) if one.node == "node-b" else one
        for one in on_its_way(ping())
    ]
    moved = span("node-b", since_ns=year, until_ns=year + 30 * S)
    assert counts(way(segment(late, span("node-a"), moved))) == (1, 1, 0, 0)


def test_one_watched_node_has_only_its_own_hooks() -> None:
    everything = on_its_way(ping())
    sender = way(segment(everything, span("node-a")))
    assert (counts(sender), len(sender.hooks)) == ((1, 1, 0, 0), 3)
    receiver = way(segment(everything, span("node-b")))
    assert (counts(receiver), len(receiver.hooks)) == ((1, 1, 0, 0), 3)


def test_a_device_that_is_not_watched_is_no_hook_on_the_way() -> None:
    points = tuple(one for one in span("node-b").points if one.device is not Device.VTEP)
    holed = [one for one in on_its_way(ping()) if (one.node, one.device) != ("node-b", Device.VTEP)]
    only = way(segment(holed, span("node-a"), span("node-b", points=points)))
    assert (counts(only), len(only.hooks)) == ((1, 1, 0, 0), 5)


def test_packets_of_the_nodes_themselves_pass_no_bridge() -> None:
    packet = ipv4(vtep_ip("node-a"), vtep_ip("node-b"), UDP, udp(5, 6, b"between nodes"))
    only = way(segment(journey(packet, first=VTEP_OUT, last=VTEP_IN, at=MIDDLE_US)))
    assert (counts(only), len(only.hooks)) == ((1, 1, 0, 0), 4)


def test_what_is_routed_directly_passes_no_vtep() -> None:
    plain = [
        replace(one, headers=ethernet(ping())) if one.device is Device.UPLINK else one
        for one in on_its_way(ping())
        if one.device is not Device.VTEP
    ]
    only = way(segment(plain))
    assert (counts(only), len(only.hooks)) == ((1, 1, 0, 0), 4)


def test_what_a_service_addressed_begins_at_the_vtep() -> None:
    """At the bridge it went to the Service's address, which is none of a pod."""
    assert counts(way(segment(on_its_way(datagram(1))[1:]))) == (1, 1, 0, 0)


def test_what_comes_from_nowhere_is_not_followed() -> None:
    found = said(segment(journey(ping(), first=UPLINK_IN, last=BRIDGE_OUT, at=MIDDLE_US)))
    assert (found.ways, found.begun_elsewhere) == ((), 1)


def test_a_packet_that_came_to_another_node_ended_there() -> None:
    astray = seen(
        "node-c", Device.UPLINK, Direction.IN, ping(), peer="node-a", at=MIDDLE_US, skb=0x99
    )
    three = [span(node) for node in ("node-a", "node-b", "node-c")]
    (end,) = way(segment((*on_its_way(ping(), last=UPLINK_OUT), astray), *three)).ended
    assert where(end) == ("node-c", Device.UPLINK, Direction.IN)


def test_acknowledgements_that_differ_by_their_identification_alone_are_several() -> None:
    packets = [one for n in (1, 2, 3) for one in on_its_way(ack(n), skb=0x1000 + 0x200 * n)]
    lost = on_its_way(ack(4), last=UPLINK_OUT)
    assert counts(way(segment((*packets, *lost)))) == (4, 3, 0, 1)


def test_copies_that_nothing_tells_apart_are_counted() -> None:
    packets = [
        one
        for n, last in enumerate((BRIDGE_OUT, BRIDGE_OUT, UPLINK_OUT, UPLINK_IN))
        for one in journey(
            datagram(7), first=BRIDGE_IN, last=last, at=MIDDLE_US + 1000 * n, skb=0x1000 + n
        )
    ]
    only = way(segment(packets))
    assert counts(only) == (4, 2, 0, 2)
    assert {where(one)[1:] for one in only.ended} == {
        ON_THE_WAY[UPLINK_IN],
        ON_THE_WAY[UPLINK_OUT],
    }


def test_super_packets_and_later_fragments_are_not_followed() -> None:
    large = on_its_way(data(1000), gso_size=1398)
    piece = ipv4(A, B, UDP, bytes(80), ip_id=77, offset=1400)
    found = said(segment((*large, *on_its_way(piece, last=VTEP_OUT))))
    assert (found.ways, found.cut) == ((), 2)


def test_the_receiver_may_glue_data_but_no_handshake() -> None:
    glued = on_its_way(data(1000), last=UPLINK_OUT)
    assert counts(way(segment(glued))) == (1, 0, 1, 0)
    assert counts(way(segment(on_its_way(data(1000), last=VTEP_OUT)))) == (1, 0, 0, 1)
    syn = ipv4(A, B, TCP, tcp(40000, 80, 999, SYN))
    assert counts(way(segment(on_its_way(syn, last=UPLINK_OUT)))) == (1, 0, 0, 1)


def test_what_is_recorded_because_it_deviates_is_no_sample() -> None:
    deviant = journey(ping(), first=UPLINK_IN, last=UPLINK_IN, at=MIDDLE_US)
    found = said(segment((*deviant, *on_its_way(ping(2))), span("node-b"), aside=(0,)))
    assert counts(found.ways[0]) == (1, 1, 0, 0)


def test_the_last_that_ended_is_the_evidence() -> None:
    packets = [
        one
        for n in (1, 3, 2)
        for one in journey(
            ping(n), first=BRIDGE_IN, last=UPLINK_OUT, at=MIDDLE_US + 1000 * n, skb=0x1000 * n
        )
    ]
    (end,) = way(segment(packets)).ended
    assert (end.packets, end.last.token) == (3, "request id 7 seq 3")


def test_an_unread_nodes_own_addresses_are_those_of_its_lease() -> None:
    packet = ipv4(A, vtep_ip("node-b"), UDP, udp(5, 6, b"to the node"))
    recorded = segment(journey(packet, first=BRIDGE_IN, last=VTEP_IN, at=MIDDLE_US))
    unread = replace(recorded, nodes={"node-a": state("node-a")})
    assert counts(way(recorded)) == counts(way(unread)) == (1, 1, 0, 0)


def test_a_recording_without_samples_says_nothing_of_them() -> None:
    assert samples(Facts(bundle())) is None
    assert samples(Facts(bundle(watched=Watched(time_ns=1)))) is None


def test_a_full_segment_is_examined_in_three_seconds() -> None:
    packets = [
        one
        for n in range(3400)
        for one in journey(
            ping(n), first=BRIDGE_IN, last=BRIDGE_OUT, at=1_000_000 + 6000 * n, skb=0x1000 + n
        )
    ]
    full = segment(packets)
    assert len(full.observations) > 20_000
    began = time.process_time()
    examination = examine(full)
    assert time.process_time() - began < 3
    assert examination.samples is not None
    assert counts(examination.samples.ways[0]) == (3400, 3400, 0, 0)
