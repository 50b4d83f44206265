"""Observations -> paths."""

from functools import partial
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests import packets as p
from tests.builders import FLANNEL, POD, agent, bundle, cluster, pod_end, request, state
from tests.packets import (
    BRIDGE_IN,
    BRIDGE_OUT,
    IPV6,
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
    pong,
    seen,
    tcp,
    udp,
)
from tracer.core.annotate import annotated
from tracer.core.correlate import correlate
from tracer.core.end import freed_for
from tracer.core.facts import Facts
from tracer.core.sightings import icmp_errors
from tracer.model.bundle import AgentEnd, Bundle
from tracer.model.cluster import NetConf
from tracer.model.message import Sent
from tracer.model.observation import AttachedPoint, Device, Direction, Observation
from tracer.model.path import Outcome, Path, Way
from tracer.model.request import EndKind, ProbeKind, ProbePlan, Request
from tracer.model.state import Route

A, B = POD["node-a"], POD["node-b"]
ICMP_PLAN = ProbePlan(kind=ProbeKind.ICMP, count=5)


def recorded(*observations: Observation, sent: tuple[Sent, ...] = (), **more: Any) -> Bundle:
    return bundle(observations=observations, sent=sent, **more)


def sent(seq: int = 1, reply: str | None = None, **more: Any) -> Sent:
    return Sent(seq=seq, size=84, sent_ns=0, reply=reply, **more)


def only(found: tuple[Path, ...], way: Way = Way.REQUEST) -> Path:
    (path,) = (path for path in found if path.way is way)
    return path


def trail(path: Path) -> list[str]:
    """The hops in short."""
    return [f"{h.node[-1]} {h.device.value} {h.direction.value}" for h in path.hops]


WHOLE = [
    "a pod in",
    "a bridge in",
    "a vtep out",
    "a uplink out",
    "b uplink in",
    "b vtep in",
    "b bridge out",
    "b pod out",
]


def test_a_request_is_followed_from_pod_to_pod() -> None:
    path = only(correlate(recorded(*journey(ping()))))
    assert trail(path) == WHOLE
    assert (path.outcome, path.seq, path.size) == (Outcome.DELIVERED, 1, 84)
    assert path.not_reached == ()
    assert path.end is not None
    assert (path.end.node, path.end.ifname) == ("node-b", "veth2")


def test_times_are_counted_from_each_nodes_first_sight_of_the_packet() -> None:
    path = only(correlate(recorded(*journey(ping()))))
    assert [hop.since_us for hop in path.hops] == [0, 10, 20, 30, 0, 10, 20, 30]


def test_the_order_in_which_records_arrive_does_not_matter() -> None:
    observations = (*journey(ping(1)), *journey(pong(1), back=True))
    there, back = correlate(recorded(*observations[::-1]))
    assert trail(there) == WHOLE
    assert (there.way, back.way) == (Way.REQUEST, Way.REPLY)


def test_a_clock_that_runs_behind_the_other_nodes_changes_nothing() -> None:
    early = tuple(
        replace(one, time_ns=one.time_ns - 5_000_000_000) if one.node == "node-b" else one
        for one in journey(ping())
    )
    assert trail(only(correlate(recorded(*early)))) == WHOLE


def test_same_address_reused_later_is_another_packet() -> None:
    first = journey(ping(1), skb=0x10)
    second = journey(ping(2), skb=0x10, at=900)
    found = correlate(recorded(*first, *second))
    assert [path.inner_id.token for path in found] == [
        "request id 7 seq 1",
        "request id 7 seq 2",
    ]
    assert [len(path.hops) for path in found] == [8, 8]


def test_one_address_on_both_nodes_joins_nothing() -> None:
    there = journey(ping(1), last=UPLINK_OUT, skb=0x10)
    other = journey(ping(2), first=UPLINK_IN, skb=0x10 - 0x100)
    found = correlate(recorded(*there, *other))
    assert [len(path.hops) for path in found] == [4, 4]


def test_requests_come_first_and_by_number() -> None:
    observations = [o for n in (3, 1, 2) for o in journey(ping(n), skb=n << 16)]
    observations += [o for n in (2, 1) for o in journey(pong(n), back=True, skb=n << 20)]
    found = correlate(recorded(*observations))
    assert [(path.way.value, path.seq) for path in found] == [
        ("request", 1),
        ("request", 2),
        ("request", 3),
        ("reply", 1),
        ("reply", 2),
    ]


def test_another_ping_between_the_pods_is_not_ours() -> None:
    ours = replace(request(), probe_id=7)
    found = correlate(recorded(*journey(ping()), *journey(ping(ident=8)), request=ours))
    assert [path.inner_id.token for path in found] == ["request id 7 seq 1"]


def test_twenty_three_probes_give_twenty_three_paths_of_all_hops_both_ways() -> None:
    observations = [
        one
        for n in range(1, 24)
        for one in (
            *journey(ping(n), skb=n << 16, at=n * 1000),
            *journey(pong(n), back=True, skb=n << 24, at=n * 1000 + 500),
        )
    ]
    answers = tuple(sent(n, "echo reply") for n in range(1, 24))
    found = correlate(recorded(*observations, sent=answers))
    assert len(found) == 46
    assert {len(path.hops) for path in found} == {8}
    assert {path.outcome for path in found} == {Outcome.DELIVERED}


def test_lost_is_last_seen_where_everything_was_watched() -> None:
    path = only(correlate(recorded(*journey(ping(), last=UPLINK_OUT))))
    assert (path.outcome, path.drop, path.doubt) == (Outcome.LOST, None, None)
    assert path.end is not None
    assert (path.end.node, path.end.ifname, path.end.direction) == (
        "node-a",
        "eth0",
        Direction.OUT,
    )
    assert [place.ifname for place in path.not_reached] == ["eth0", "flannel.1", "cni0", "veth2"]


def test_a_loss_where_drops_were_not_watched_says_so() -> None:
    agents = {"node-a": agent("node-a"), "node-b": agent("node-b", drops=False)}
    path = only(correlate(recorded(*journey(ping(), last=VTEP_IN), agents=agents)))
    assert path.outcome is Outcome.LOST
    assert path.doubt == "the kernel's drops on node-b were not watched"


def test_a_capture_that_may_not_have_run_makes_no_loss() -> None:
    capture = agent("node-b", attach="capture", end=AgentEnd.UNKNOWN)
    agents = {"node-a": agent("node-a"), "node-b": capture}
    path = only(correlate(recorded(*journey(ping(), last=UPLINK_OUT), agents=agents)))
    assert path.outcome is Outcome.UNKNOWN
    assert path.doubt == "the capture of node-b may not have run then"


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        ({"end": AgentEnd.SILENT}, "the agent on node-b did not answer to the end"),
        ({"lost": 3}, "the agent on node-b lost 3 records"),
        ({"lost": None}, "the agent on node-b does not know whether it lost records"),
        ({"points": ()}, "uplink on node-b was not watched"),
    ],
)
def test_what_could_have_been_missed_is_unknown(change: dict[str, Any], doubt: str) -> None:
    agents = {"node-a": agent("node-a"), "node-b": agent("node-b", **change)}
    path = only(correlate(recorded(*journey(ping(), last=UPLINK_OUT), agents=agents)))
    assert (path.outcome, path.doubt) == (Outcome.UNKNOWN, doubt)
    assert path.not_reached == ()
    assert len(path.hops) == 4


def test_a_silent_receiver_hides_nothing_of_what_ended_on_the_sender() -> None:
    agents = {"node-a": agent("node-a")}
    path = only(correlate(recorded(*journey(ping(), last=BRIDGE_IN), agents=agents)))
    assert path.outcome is Outcome.LOST
    dropped = freed("node-a", Device.VTEP, "NO_TX_TARGET", ping(), at=25)
    path = only(correlate(recorded(*journey(ping(), last=VTEP_OUT), dropped, agents=agents)))
    assert path.outcome is Outcome.DROPPED


def test_a_silent_sender_leaves_half_a_path() -> None:
    agents = {"node-b": agent("node-b")}
    path = only(correlate(recorded(*journey(ping(), first=UPLINK_IN), agents=agents)))
    assert trail(path) == WHOLE[4:]
    assert path.outcome is Outcome.DELIVERED


def test_a_drop_says_where_and_why() -> None:
    dropped = freed(
        "node-b", Device.VTEP, "OTHERHOST", ping(), caller="ip_rcv_core", at=5_000_060, skb=0x1100
    )
    path = only(correlate(recorded(*journey(ping(), last=VTEP_IN), dropped)))
    assert path.outcome is Outcome.DROPPED
    assert trail(path)[-1] == "b vtep freed"
    assert path.drop is not None
    assert (path.drop.reason, path.drop.caller) == ("OTHERHOST", "ip_rcv_core+0x10")
    assert path.end is not None
    assert (path.end.node, path.end.ifname, path.end.direction) == (
        "node-b",
        "flannel.1",
        Direction.FREED,
    )
    assert [place.ifname for place in path.not_reached] == ["cni0", "veth2"]


def test_a_drop_with_its_headers_cut_off_is_known_by_its_skb() -> None:
    dropped = freed("node-b", Device.VTEP, "OTHERHOST", b"\x45", at=5_000_060, skb=0x1100)
    path = only(correlate(recorded(*journey(ping(), last=VTEP_IN), dropped)))
    assert path.outcome is Outcome.DROPPED


def test_an_skb_that_was_freed_in_between_is_not_known_by_its_address() -> None:
    first = freed("node-b", Device.VTEP, "OTHERHOST", ping(1), at=5_000_060, skb=0x1100)
    later = freed("node-b", Device.VTEP, "NO_SOCKET", b"", at=5_000_070, skb=0x1100)
    path = only(correlate(recorded(*journey(ping(1), last=VTEP_IN), first, later)))
    assert path.drop is not None
    assert path.drop.reason == "OTHERHOST"


def test_a_drop_whose_device_is_gone_is_where_the_packet_was_last() -> None:
    dropped = freed(
        "node-b", Device.UNKNOWN, "NETFILTER_DROP", ping(), at=5_000_090, skb=0x1100, ifname=""
    )
    path = only(correlate(recorded(*journey(ping(), last=VTEP_IN), dropped)))
    assert path.end is not None
    assert path.end.ifname == "flannel.1"


def test_what_the_pod_consumes_is_no_drop() -> None:
    own = freed("node-b", Device.UNKNOWN, "NO_SOCKET", ping(), at=5_000_090, netns=4026532102)
    path = only(correlate(recorded(*journey(ping()), own)))
    assert path.outcome is Outcome.DELIVERED
    assert trail(path) == WHOLE


@pytest.mark.parametrize("reason", ["NETFILTER_DROP", "OTHERHOST"])
def test_what_the_pods_own_kernel_refuses_is_a_drop(reason: str) -> None:
    own = freed("node-b", Device.UNKNOWN, reason, ping(), at=5_000_090, netns=4026532102)
    path = only(correlate(recorded(*journey(ping()), own)))
    assert path.outcome is Outcome.DROPPED
    assert path.end is not None
    assert (path.end.device, path.end.ifname) == (Device.POD, "veth2")


def flooded(dst: str) -> tuple[Observation, ...]:
    """A ping on the underlay to `dst` and for no MAC that is known: node-b sees and frees it."""
    outer = ipv4("192.0.2.11", dst, UDP, udp(40000, p.PORT, p.vxlan(ethernet(ping()))))
    frame = ethernet(outer, dst="02:00:00:00:fe:fe")
    at = seen("node-b", Device.UPLINK, Direction.IN, ping(), at=5_000_040, skb=0x1100)
    return (
        *journey(ping(), last=UPLINK_OUT),
        replace(at, headers=frame, length=len(frame)),
        freed("node-b", Device.UPLINK, "OTHERHOST", outer, at=5_000_050, skb=0x1100),
    )


def test_what_a_switch_floods_for_another_machine_has_not_reached_the_node() -> None:
    path = only(correlate(recorded(*flooded("203.0.113.5"))))
    assert (path.outcome, trail(path)[-1]) == (Outcome.LOST, "a uplink out")
    assert path.drop is None


def test_what_is_for_the_nodes_address_and_not_for_its_mac_ends_there() -> None:
    path = only(correlate(recorded(*flooded("192.0.2.12"))))
    assert path.outcome is Outcome.DROPPED
    assert path.drop is not None
    assert path.drop.reason == "OTHERHOST"


def test_another_pods_copy_of_a_flooded_frame_is_not_the_packet() -> None:
    copy = freed("node-b", Device.UNKNOWN, "OTHERHOST", ping(), at=5_000_090, netns=1)
    assert only(correlate(recorded(*journey(ping()), copy))).outcome is Outcome.DELIVERED


def test_a_copy_that_the_bridge_itself_frees_is_not_the_packet() -> None:
    copy = freed("node-b", Device.BRIDGE, "OTHERHOST", ping(), at=5_000_090, skb=0x9)
    assert only(correlate(recorded(*journey(ping()), copy))).outcome is Outcome.DELIVERED


def test_a_packet_that_the_pods_device_refuses_was_not_delivered() -> None:
    refused = freed("node-b", Device.POD, "NOT_SPECIFIED", ping(), at=5_000_090, skb=0x1100)
    path = only(correlate(recorded(*journey(ping()), refused)))
    assert path.outcome is Outcome.DROPPED


def test_an_echo_reply_is_freed_by_its_raw_socket_and_has_arrived() -> None:
    used = freed("node-a", Device.UNKNOWN, "NO_SOCKET", pong(), at=9_000_000, netns=4026532101)
    back = journey(pong(), back=True)
    there = journey(ping())
    found = correlate(recorded(*there, *back, used, sent=(sent(1, "echo reply"),)))
    assert only(found, Way.REPLY).outcome is Outcome.DELIVERED
    assert only(found, Way.REPLY).hops[-1].drop is None


def test_the_senders_own_namespace_frees_what_it_has_sent() -> None:
    used = freed("node-a", Device.UNKNOWN, "QUEUE_PURGE", ping(), at=900, netns=4026532101)
    assert only(correlate(recorded(*journey(ping()), used))).outcome is Outcome.DELIVERED
    refused = freed("node-a", Device.UNKNOWN, "NETFILTER_DROP", ping(), netns=4026532101)
    path = only(correlate(recorded(refused, sent=(sent(1),))))
    assert path.outcome is Outcome.DROPPED
    assert path.end is not None
    assert path.end.ifname == "veth1"


def test_an_answer_in_the_senders_hand_outweighs_what_was_not_seen() -> None:
    half = (*journey(ping(), last=UPLINK_OUT), *journey(pong(), back=True, first=VTEP_IN))
    found = correlate(recorded(*half, sent=(sent(1, "echo reply"),)))
    assert [path.outcome for path in found] == [Outcome.DELIVERED, Outcome.DELIVERED]
    assert trail(found[0]) == WHOLE[:4]


def test_an_answer_seen_on_its_way_proves_that_the_request_arrived() -> None:
    back = journey(pong(), back=True, last=UPLINK_OUT)
    found = correlate(recorded(*journey(ping(), last=VTEP_IN), *back, sent=(sent(1),)))
    assert [path.outcome for path in found] == [Outcome.DELIVERED, Outcome.LOST]


def test_an_error_of_a_router_is_no_answer() -> None:
    refused = freed("node-a", Device.BRIDGE, "IP_INNOROUTES", ping(), at=15)
    answer = sent(1, "network unreachable from 10.244.1.1", reply_from="10.244.1.1")
    path = only(correlate(recorded(*journey(ping(), last=BRIDGE_IN), refused, sent=(answer,))))
    assert path.outcome is Outcome.DROPPED


def test_a_probe_that_no_point_saw_was_lost_before_the_first() -> None:
    path = only(correlate(recorded(sent=(sent(4),))))
    assert (path.outcome, path.hops, path.seq, path.size) == (Outcome.LOST, (), 4, 84)
    assert path.end is not None
    assert (path.end.node, path.end.device) == ("node-a", Device.POD)
    assert len(path.not_reached) == 8


def test_what_the_kernel_refused_to_send_says_so() -> None:
    path = only(correlate(recorded(sent=(sent(1, error="Network is unreachable"),))))
    assert (path.outcome, path.doubt) == (Outcome.LOST, "Network is unreachable")


def test_a_probe_that_an_unwatched_pod_sent_is_unknown() -> None:
    path = only(correlate(recorded(sent=(sent(1),), agents={})))
    assert path.outcome is Outcome.UNKNOWN
    blind = agent("node-a")
    points = tuple(one for one in blind.points if one.device is not Device.POD)
    agents = {"node-a": replace(blind, points=points), "node-b": agent("node-b")}
    path = only(correlate(recorded(sent=(sent(1),), agents=agents)))
    assert path.doubt == "the pod's device on node-a was not watched"


def test_an_answer_without_any_sighting_is_delivered_both_ways() -> None:
    found = correlate(recorded(sent=(sent(1, "echo reply"),), agents={}))
    assert [(path.way, path.outcome) for path in found] == [
        (Way.REQUEST, Outcome.DELIVERED),
        (Way.REPLY, Outcome.DELIVERED),
    ]


def test_a_pod_that_stays_silent_is_a_lost_reply() -> None:
    found = correlate(recorded(*journey(ping()), sent=(sent(1),)))
    assert only(found, Way.REPLY).outcome is Outcome.LOST
    assert only(found, Way.REPLY).hops == ()


def who_has(ip: str, node: str, device: Device, reason: str, at: int) -> Observation:
    question = p.arp(ip, "10.244.1.0")
    return freed(node, device, reason, question, at=at, skb=0x77, ethertype=p.ARP)


def test_arp_that_the_vtep_cannot_send_belongs_to_the_packet_that_waits_for_it() -> None:
    asked = [who_has("10.244.2.0", "node-a", Device.VTEP, "NO_TX_TARGET", at) for at in (20, 30)]
    failed = freed("node-a", Device.VTEP, "NEIGH_FAILED", ping(), at=3_000_000)
    path = only(correlate(recorded(*journey(ping(), last=BRIDGE_IN), *asked, failed)))
    assert trail(path) == [*WHOLE[:2], "a vtep freed", "a vtep freed"]
    arp, own = path.hops[2:]
    assert arp.packet is not None
    assert arp.packet.arp is not None
    assert (arp.times, arp.since_us) == (2, None)
    assert path.drop == own.drop
    assert path.drop is not None
    assert path.drop.reason == "NEIGH_FAILED"


def test_ipv6_asks_by_a_solicitation_and_names_no_reason_when_it_gives_up() -> None:
    """The kernel's ndisc_error_report frees what waited without a reason (Linux 6.18)."""
    pods, vtep = ("fd00:10:244:1::2", "fd00:10:244:2::2"), "fd00:10:244:2::"
    echo = p.ipv6(*pods, p.ICMPV6, p.echo(7, 1, v6=True))
    asks = bytes([135, 0, 0, 0, 0, 0, 0, 0]) + ip_address(vtep).packed + bytes([1, 1]) + bytes(6)
    question = p.ipv6("fe80::1", "ff02::1:ff00:0", p.ICMPV6, asks)
    route = Route(destination="fd00:10:244:2::/64", gateway=vtep, ifindex=FLANNEL, onlink=True)
    asked = replace(
        request(),
        source=pod_end("node-a", ip=pods[0]),
        destination=pod_end("node-b", ip=pods[1]),
    )
    came = replace(seen("node-a", Device.BRIDGE, Direction.IN, b""), headers=ethernet(echo, IPV6))
    freed6 = partial(freed, "node-a", Device.VTEP, ethertype=IPV6)
    observations = (
        came,
        freed6("NO_TX_TARGET", question, at=20, skb=0x77, caller="vxlan_xmit"),
        freed6("NOT_SPECIFIED", echo, at=3_000_000, caller="neigh_invalidate"),
    )
    facts = bundle(state("node-a", routes=(route,)), request=asked, observations=observations)
    path = only(correlate(facts))
    assert trail(path) == ["a bridge in", "a vtep freed", "a vtep freed"]
    question_hop, own = path.hops[1:]
    assert question_hop.packet is not None
    assert question_hop.packet.arp is not None
    assert question_hop.packet.arp.target_ip == vtep
    assert path.drop == own.drop
    assert freed_for(path.drop, "NEIGH_FAILED")


def test_where_only_the_arp_was_freed_the_packet_ended_with_it() -> None:
    asked = who_has(B, "node-b", Device.BRIDGE, "QDISC_DROP", 5_000_080)
    path = only(correlate(recorded(*journey(ping(), last=VTEP_IN), asked)))
    assert path.outcome is Outcome.DROPPED
    assert path.drop is not None
    assert path.drop.reason == "QDISC_DROP"


def test_arp_for_another_or_for_what_is_long_past_is_noise() -> None:
    other = who_has("10.244.3.0", "node-a", Device.VTEP, "NO_TX_TARGET", 20)
    path = only(correlate(recorded(*journey(ping(), last=BRIDGE_IN), other)))
    assert path.outcome is Outcome.LOST
    passed = who_has("10.244.2.0", "node-a", Device.VTEP, "NO_TX_TARGET", 1)
    path = only(correlate(recorded(*journey(ping(), last=UPLINK_OUT), passed)))
    assert path.outcome is Outcome.LOST


def test_the_packets_own_end_stands_behind_an_arp_request_that_came_after_it() -> None:
    failed = freed("node-a", Device.VTEP, "NEIGH_FAILED", ping(), at=3_000_000)
    late = who_has("10.244.2.0", "node-a", Device.VTEP, "NO_TX_TARGET", 4_000_000)
    path = only(correlate(recorded(*journey(ping(), last=BRIDGE_IN), failed, late)))
    assert path.drop is not None
    assert path.drop.reason == "NEIGH_FAILED"


def test_what_was_seen_on_the_receiver_waits_for_nobody_on_the_sender() -> None:
    asked = who_has("10.244.2.0", "node-a", Device.VTEP, "NO_TX_TARGET", 20)
    astray = seen("node-b", Device.POD, Direction.IN, ping(), at=99)
    path = only(correlate(recorded(*journey(ping(), last=BRIDGE_IN), asked, astray)))
    assert path.outcome is Outcome.LOST


def test_a_loop_is_one_hop_with_its_count() -> None:
    passes = [
        one
        for n in range(63)
        for one in (
            seen("node-a", Device.VTEP, Direction.OUT, ping(ttl=63 - n), at=20 + 2 * n),
            seen("node-a", Device.VTEP, Direction.IN, ping(ttl=63 - n), at=21 + 2 * n),
        )
    ]
    end = freed("node-a", Device.VTEP, "IP_INHDR", ping(ttl=1), at=900)
    path = only(correlate(recorded(*journey(ping(), last=BRIDGE_IN), *passes, end)))
    assert trail(path) == [*WHOLE[:3], "a vtep in", "a vtep freed"]
    assert [hop.times for hop in path.hops] == [1, 1, 63, 63, 1]
    assert path.outcome is Outcome.DROPPED


def test_a_packet_that_leaves_bare_is_an_uplink_hop_without_outer() -> None:
    bare = p.observed(p.ethernet(ping(ttl=63)), node="node-a", time_ns=40_000, skb=0x1000)
    path = only(correlate(recorded(*journey(ping(), last=BRIDGE_IN), bare)))
    assert trail(path) == ["a pod in", "a bridge in", "a uplink out"]
    assert path.hops[-1].packet is not None
    assert path.hops[-1].packet.outer is None


SYN_SENT = ipv4(A, B, TCP, tcp(40001, 80, 100, SYN))
TCP_TRACE = replace(request(), plan=ProbePlan(kind=ProbeKind.TCP, port=80, count=1))


def answer_of(flags: int, seq: int = 900) -> bytes:
    return ipv4(B, A, TCP, tcp(80, 40001, seq, flags))


def test_a_tcp_probe_is_its_syn_and_what_answers_it() -> None:
    closing = ipv4(A, B, TCP, tcp(40001, 80, 101, p.RST))
    found = correlate(
        recorded(
            *journey(SYN_SENT),
            *journey(answer_of(SYN | p.ACK), back=True, at=100),
            *journey(closing, at=200),
            *journey(answer_of(p.RST, 901), back=True, at=300),
            sent=(sent(1, "SYN-ACK", src_port=40001),),
            request=TCP_TRACE,
        )
    )
    assert [(path.way.value, path.seq, path.inner_id.token) for path in found] == [
        ("request", 1, "40001>80 seq 100 SYN"),
        ("reply", 1, "80>40001 seq 900 SYN"),
    ]


def test_a_refusal_is_an_answer_unless_the_kernel_shows_that_a_firewall_gave_it() -> None:
    refusal = (sent(1, "RST", src_port=40001),)
    back = journey(answer_of(p.RST, 0), back=True, at=100)
    found = correlate(recorded(*journey(SYN_SENT), *back, sent=refusal, request=TCP_TRACE))
    assert [path.outcome for path in found] == [Outcome.DELIVERED, Outcome.DELIVERED]
    rejected = freed("node-b", Device.VTEP, "NETFILTER_DROP", SYN_SENT, at=5_000_060, skb=0x1100)
    half = journey(SYN_SENT, last=VTEP_IN)
    found = correlate(recorded(*half, rejected, *back, sent=refusal, request=TCP_TRACE))
    assert only(found).outcome is Outcome.DROPPED


def test_a_syn_sent_again_is_the_same_packet_and_shows_its_first_drop() -> None:
    first = journey(SYN_SENT, last=VTEP_OUT)
    dropped = freed("node-a", Device.VTEP, "NO_TX_TARGET", SYN_SENT, at=25)
    again = journey(SYN_SENT, at=1_000_000, skb=0x2000)
    found = correlate(
        recorded(*first, dropped, *again, sent=(sent(1, src_port=40001),), request=TCP_TRACE)
    )
    path = only(found)
    assert path.outcome is Outcome.DELIVERED
    assert [hop.times for hop in path.hops[:3]] == [2, 2, 2]
    assert [hop.drop.reason for hop in path.hops if hop.drop] == ["NO_TX_TARGET"]


def test_port_unreachable_from_the_pod_itself_answers_a_udp_probe() -> None:
    probe = ipv4(A, B, UDP, udp(40001, 9, b"flantrace 1"))
    refusal = ipv4(B, A, p.ICMP, p.icmp_error(3, 3, probe))
    udp_trace = replace(request(), plan=ProbePlan(kind=ProbeKind.UDP, port=9, count=1))
    reply = sent(1, f"port unreachable from {B}", reply_from=B, src_port=40001)
    found = correlate(
        recorded(
            *journey(probe),
            *journey(refusal, back=True, at=100),
            sent=(reply,),
            request=udp_trace,
        )
    )
    assert [(path.way.value, path.seq, path.outcome) for path in found] == [
        ("request", 1, Outcome.DELIVERED),
        ("reply", 1, Outcome.DELIVERED),
    ]


def test_errors_about_a_packet_of_the_trace_are_handed_on_once_for_each_node() -> None:
    error = ipv4("10.244.1.1", A, p.ICMP, p.icmp_error(3, 1, ping()))
    other = ipv4("10.244.1.1", A, p.ICMP, p.icmp_error(3, 1, ipv4(A, "10.9.9.9", 17, bytes(8))))
    observations = (
        seen("node-a", Device.BRIDGE, Direction.OUT, error, at=3),
        seen("node-a", Device.POD, Direction.OUT, error, at=4),
        seen("node-a", Device.POD, Direction.OUT, other, at=5),
    )
    record = recorded(*observations)
    (found,) = icmp_errors(record)
    assert found.observation.device is Device.BRIDGE
    assert correlate(record) == ()


def two_on_one(**more: Any) -> Bundle:
    """pod-a and pod-a2, both on node-a."""
    one = state("node-a")
    second = replace(one.pods[0], ip="10.244.1.3", netns=99, host_ifindex=6)
    link = replace(one.links[-1], ifindex=6, ifname="veth6")
    both = replace(one, pods=(*one.pods, second), links=(*one.links, link))
    point = AttachedPoint(device=Device.POD, ifindex=6, ifname="veth6")
    watching = agent("node-a")
    end = replace(pod_end("node-a"), name="default/pod-a2", ip="10.244.1.3")
    return bundle(
        both,
        request=replace(request(), destination=end),
        agents={"node-a": replace(watching, points=(*watching.points, point))},
        **more,
    )


NEAR = ipv4(A, "10.244.1.3", p.ICMP, p.echo(7, 1))


def test_pods_of_one_node_meet_at_their_veths() -> None:
    observations = (
        seen("node-a", Device.POD, Direction.IN, NEAR),
        seen("node-a", Device.POD, Direction.OUT, NEAR, at=5, ifindex=6, ifname="veth6"),
    )
    path = only(correlate(two_on_one(observations=observations)))
    assert [hop.ifname for hop in path.hops] == ["veth1", "veth6"]
    assert path.outcome is Outcome.DELIVERED


def test_a_frame_flooded_back_to_its_sender_is_not_delivered() -> None:
    observations = (
        seen("node-a", Device.POD, Direction.IN, NEAR),
        seen("node-a", Device.POD, Direction.OUT, NEAR, at=5),
    )
    path = only(correlate(two_on_one(observations=observations)))
    assert (path.outcome, len(path.hops)) == (Outcome.LOST, 1)
    assert [place.ifname for place in path.not_reached] == ["veth6"]


def node_end(node: str) -> Any:
    number = {"node-a": 1, "node-b": 2}[node]
    return replace(pod_end(node), kind=EndKind.NODE, name=node, ip=f"10.244.{number}.0")


NODES = replace(request(), source=node_end("node-a"), destination=node_end("node-b"))
BETWEEN = ipv4("10.244.1.0", "10.244.2.0", p.ICMP, p.echo(7, 1))


def test_between_nodes_there_is_neither_veth_nor_bridge() -> None:
    path = only(correlate(recorded(*journey(BETWEEN, first=VTEP_OUT, last=VTEP_IN), request=NODES)))
    assert trail(path) == WHOLE[2:6]
    assert path.outcome is Outcome.DELIVERED


def test_a_node_has_a_packet_only_if_its_kernel_was_watched() -> None:
    blind = {"node-a": agent("node-a"), "node-b": agent("node-b", drops=False)}
    whole = journey(BETWEEN, first=VTEP_OUT, last=VTEP_IN)
    path = only(correlate(recorded(*whole, request=NODES, agents=blind)))
    assert (path.outcome, path.doubt) == (
        Outcome.UNKNOWN,
        "on node-b the kernel's drops were not watched",
    )
    silent = {"node-a": agent("node-a"), "node-b": agent("node-b", lost=1)}
    path = only(correlate(recorded(*whole, request=NODES, agents=silent)))
    assert path.doubt == "the agent on node-b lost 1 records"


@pytest.mark.parametrize(
    ("reason", "caller", "outcome"),
    [
        ("NO_SOCKET", "ping_rcv", Outcome.DELIVERED),
        ("QUEUE_PURGE", "inet_sock_destruct", Outcome.DELIVERED),
        ("TCP_RESET", "tcp_v4_rcv", Outcome.DELIVERED),
        (None, "ping_rcv", Outcome.DELIVERED),
        (None, "nf_hook_slow", Outcome.DROPPED),
        ("CONSUMED", "icmp_rcv", Outcome.DELIVERED),
        ("NETFILTER_DROP", "nft_do_chain", Outcome.DROPPED),
        ("OTHERHOST", "ip_rcv_core", Outcome.DROPPED),
    ],
)
def test_what_a_nodes_own_socket_took_has_arrived(
    reason: str | None, caller: str, outcome: Outcome
) -> None:
    end = freed("node-b", Device.VTEP, reason, BETWEEN, caller=caller, at=5_000_060, skb=0x1100)
    whole = journey(BETWEEN, first=VTEP_OUT, last=VTEP_IN)
    assert only(correlate(recorded(*whole, end, request=NODES))).outcome is outcome


def test_no_socket_for_the_outer_packet_is_a_drop() -> None:
    outside = p.wrapped(BETWEEN, "node-a", "node-b")[14:]
    end = freed("node-b", Device.UPLINK, "NO_SOCKET", outside, at=5_000_060, skb=0x1100)
    path = only(
        correlate(recorded(*journey(BETWEEN, first=VTEP_OUT, last=UPLINK_IN), end, request=NODES))
    )
    assert path.outcome is Outcome.DROPPED


def test_a_pod_and_its_own_node_meet_at_the_bridge() -> None:
    own = replace(request(), destination=node_end("node-a"))
    packet = ipv4(A, "10.244.1.0", p.ICMP, p.echo(7, 1))
    found = correlate(recorded(*journey(packet, last=BRIDGE_IN), request=own))
    assert only(found).outcome is Outcome.DELIVERED
    back = replace(request(), source=node_end("node-b"))
    packet = ipv4("10.244.2.0", B, p.ICMP, p.echo(7, 1))
    found = correlate(recorded(*journey(packet, first=BRIDGE_OUT), request=back))
    assert only(found).outcome is Outcome.DELIVERED


def test_a_node_that_talks_to_itself_passes_no_device() -> None:
    alone = replace(request(), source=node_end("node-a"), destination=node_end("node-a"))
    found = correlate(recorded(sent=(sent(1), sent(2, "echo reply")), request=alone))
    assert [path.outcome for path in found][:2] == [Outcome.UNKNOWN, Outcome.DELIVERED]
    assert found[0].doubt == "no watched device lies between node-a and node-a"


def test_a_host_network_pod_is_reached_by_the_underlay() -> None:
    host = replace(pod_end("node-b"), host_network=True, ip="192.0.2.12")
    packet = ipv4(A, "192.0.2.12", p.ICMP, p.echo(7, 1))
    bare = p.observed(p.ethernet(packet), time_ns=40_000)
    there = replace(request(), destination=host)
    path = only(correlate(recorded(*journey(packet, last=BRIDGE_IN), bare, request=there)))
    assert path.outcome is Outcome.LOST
    assert [place.ifname for place in path.not_reached] == ["eth0"]


def test_direct_routing_passes_no_vtep() -> None:
    direct = tuple(
        Route(destination=r.destination, gateway="192.0.2.12", ifindex=2)
        if r.destination == "10.244.2.0/24"
        else r
        for r in state("node-a").routes
    )
    conf = NetConf(text='{"Backend":{"Type":"vxlan","DirectRouting":true}}', source="x")
    bare = p.observed(p.ethernet(ping(ttl=63)), time_ns=40_000)
    path = only(
        correlate(
            bundle(
                state("node-a", routes=direct),
                cluster=cluster(net_conf=conf),
                observations=(*journey(ping(), last=BRIDGE_IN), bare),
            )
        )
    )
    assert path.outcome is Outcome.LOST
    assert [(place.node, place.ifname) for place in path.not_reached] == [
        ("node-b", "eth0"),
        ("node-b", "cni0"),
        ("node-b", "veth2"),
    ]


PASSIVE = replace(request(), plan=None, passive_s=10.0)


def test_passive_follows_every_packet_between_the_pods() -> None:
    payload = ipv4(A, B, UDP, udp(5000, 6000, b"one"))
    answer = ipv4(B, A, UDP, udp(6000, 5000, b"two"))
    found = correlate(
        recorded(
            *journey(payload),
            *journey(ping(ident=99), at=100),
            *journey(answer, back=True, at=200),
            request=PASSIVE,
        )
    )
    assert [(path.way.value, path.inner_id.protocol, path.seq) for path in found] == [
        ("request", "udp", None),
        ("request", "icmp", None),
        ("reply", "udp", None),
    ]


def test_at_the_edges_of_a_recording_of_live_traffic_loss_is_not_certain() -> None:
    second = 1_000_000
    observations = [
        *journey(ping(1), last=UPLINK_OUT, at=0, skb=0x1),
        *journey(ping(2), at=3 * second, skb=0x2),
        *journey(ping(3), last=UPLINK_OUT, at=5 * second, skb=0x3),
        *journey(ping(4), at=7 * second, skb=0x4),
        *journey(ping(5), last=UPLINK_OUT, at=10 * second, skb=0x5),
    ]
    found = correlate(recorded(*observations, request=PASSIVE))
    assert [path.outcome.value for path in found] == [
        "unknown",
        "delivered",
        "lost",
        "delivered",
        "unknown",
    ]
    nothing = [*journey(ping(1), last=UPLINK_OUT, skb=0x1), *journey(ping(2), last=UPLINK_OUT)]
    assert {path.outcome for path in correlate(recorded(*nothing, request=PASSIVE))} == {
        Outcome.LOST
    }


def test_nothing_recorded_gives_no_path() -> None:
    assert correlate(recorded()) == ()
    assert correlate(bundle(nodes={}, agents={}, request=replace(request(), plan=ICMP_PLAN))) == ()


FRAMES = (
    ping(1),
    pong(1),
    SYN_SENT,
    ipv4(A, B, TCP, tcp(40001, 80, 101, p.ACK, b"data")),
    ipv4(A, B, TCP, tcp(40001, 80, 103, p.ACK, b"tada")),
    ipv4("10.244.1.1", A, p.ICMP, p.icmp_error(3, 1, ping())),
    b"\x45",
)


@st.composite
def any_observation(draw: st.DrawFn) -> Observation:
    """Anything that an agent could say, sensible or not."""
    node = draw(st.sampled_from(["node-a", "node-b", "node-c"]))
    device = draw(st.sampled_from([d for d in Device if d is not Device.UNKNOWN]))
    frame = draw(st.sampled_from(FRAMES))
    more: dict[str, Any] = {"skb": draw(st.integers(1, 3)), "at": draw(st.integers(0, 50))}
    direction = draw(st.sampled_from([Direction.IN, Direction.OUT, Direction.FREED]))
    if direction is not Direction.FREED:
        return seen(node, device, direction, frame, **more)
    reason = draw(st.sampled_from([None, "NEIGH_FAILED", "NO_SOCKET", "NETFILTER_DROP"]))
    netns = draw(st.sampled_from([4026532001, 4026532102, 5]))
    if draw(st.booleans()):
        frame, more["ethertype"] = p.arp("10.244.2.0", "10.244.1.0"), p.ARP
    return freed(node, device, reason, frame, netns=netns, **more)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(any_observation(), max_size=12),
    st.sampled_from([request(), PASSIVE, TCP_TRACE, NODES]),
    st.booleans(),
    st.booleans(),
)
def test_whatever_was_recorded_gives_honest_paths(
    observations: list[Observation], asked: Request, whole: bool, answered: bool
) -> None:
    record = recorded(
        *observations,
        request=asked,
        agents={"node-a": agent("node-a"), "node-b": agent("node-b")} if whole else {},
        sent=(sent(1, "echo reply" if answered else None, src_port=40001),),
    )
    for path in annotated(correlate(record), Facts(record)):
        assert (path.outcome is Outcome.DROPPED) == (path.drop is not None)
        assert (path.outcome is Outcome.UNKNOWN) <= (path.doubt is not None)
        assert whole or not path.not_reached
        assert whole or path.outcome is not Outcome.LOST
        if path.outcome is Outcome.DELIVERED:
            assert path.not_reached == ()
