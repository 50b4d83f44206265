"""When a recording may end."""

import pytest
from msgspec.structs import replace

from tests.builders import POD, agent, bundle, request
from tests.packets import ARP as ETHERTYPE_ARP
from tests.packets import (
    BRIDGE_IN,
    UDP,
    UPLINK_IN,
    UPLINK_OUT,
    VTEP_IN,
    VTEP_OUT,
    arp,
    freed,
    ipv4,
    journey,
    ping,
    pong,
    udp,
)
from tracer.core.settle import Waiting, lost_on_underlay, waiting
from tracer.model.bundle import AgentEnd, Bundle
from tracer.model.message import Sent
from tracer.model.observation import Device, Observation
from tracer.model.request import ProbeKind, ProbePlan


def sent(seq: int = 1, reply: str | None = None, src_port: int | None = None) -> Sent:
    return Sent(seq=seq, size=84, sent_ns=0, reply=reply, src_port=src_port)


def so_far(*observations: Observation, probes: tuple[Sent, ...] = (sent(),)) -> Bundle:
    """A recording whose agents still run: none has said bye, none knows its losses."""
    running = {name: agent(name, end=AgentEnd.UNKNOWN, lost=None) for name in ("node-a", "node-b")}
    return bundle(observations=observations, sent=probes, agents=running)


def test_an_answered_probe_is_not_waited_for() -> None:
    assert waiting(so_far(probes=(sent(reply="echo reply"),))) is Waiting.NOTHING
    done = so_far(*journey(ping()), *journey(pong(), back=True, at=900))
    assert waiting(done) is Waiting.NOTHING


def test_nothing_sent_is_nothing_to_wait_for() -> None:
    assert waiting(so_far(probes=())) is Waiting.NOTHING


def test_a_dropped_request_has_ended_and_no_answer_is_due() -> None:
    drop = freed("node-b", Device.VTEP, "OTHERHOST", ping(), at=5_000_060, skb=0x1100)
    assert waiting(so_far(*journey(ping(), last=VTEP_IN), drop)) is Waiting.NOTHING


def test_a_packet_that_left_the_node_is_waited_for_as_long_as_the_underlay_takes() -> None:
    assert waiting(so_far(*journey(ping(), last=UPLINK_OUT))) is Waiting.UNDERLAY


@pytest.mark.parametrize("last", [BRIDGE_IN, VTEP_OUT, UPLINK_IN, VTEP_IN])
def test_a_packet_inside_a_node_may_wait_for_a_neighbour(last: int) -> None:
    assert waiting(so_far(*journey(ping(), last=last))) is Waiting.NEIGHBOUR


def test_a_probe_that_no_point_has_seen_yet_is_waited_for_longest() -> None:
    assert waiting(so_far()) is Waiting.NEIGHBOUR


def test_a_request_that_arrived_waits_for_its_reply() -> None:
    assert waiting(so_far(*journey(ping()))) is Waiting.NEIGHBOUR
    on_its_way = so_far(*journey(ping()), *journey(pong(), back=True, at=900, last=UPLINK_OUT))
    assert waiting(on_its_way) is Waiting.UNDERLAY


def test_one_packet_inside_a_node_outweighs_others_on_the_underlay() -> None:
    first = journey(ping(1), last=UPLINK_OUT)
    second = journey(ping(2), last=BRIDGE_IN, at=900, skb=0x2000)
    assert waiting(so_far(*first, *second, probes=(sent(1), sent(2)))) is Waiting.NEIGHBOUR


def test_a_freed_arp_request_is_not_yet_the_end_of_the_packet_that_waits_for_it() -> None:
    question = arp("10.244.2.0", "10.244.1.0")
    asked = freed(
        "node-a", Device.VTEP, "NO_TX_TARGET", question, at=500, skb=0x9, ethertype=ETHERTYPE_ARP
    )
    waits = journey(ping(), last=BRIDGE_IN)
    assert waiting(so_far(*waits, asked)) is Waiting.NEIGHBOUR
    gone = freed("node-a", Device.VTEP, "NEIGH_FAILED", ping(), at=3_000_000)
    assert waiting(so_far(*waits, asked, gone)) is Waiting.NOTHING


def test_a_udp_probe_that_arrived_is_owed_nothing() -> None:
    datagram = ipv4(POD["node-a"], POD["node-b"], UDP, udp(40000, 9, b"probe"))
    plan = ProbePlan(kind=ProbeKind.UDP, port=9, count=1)
    recording = so_far(*journey(datagram), probes=(sent(src_port=40000),))
    asked = replace(recording, request=replace(request(), plan=plan))
    assert waiting(asked) is Waiting.NOTHING


def test_what_vanished_between_the_uplinks_is_found_while_agents_still_run() -> None:
    vanished = journey(ping(1), last=UPLINK_OUT)
    arrived = journey(ping(2), last=UPLINK_IN, at=900, skb=0x2000)
    recording = so_far(*vanished, *arrived, probes=(sent(1), sent(2)))
    assert [path.seq for path in lost_on_underlay(recording)] == [1]


def test_a_lost_reply_is_lost_on_the_underlay_too() -> None:
    reply = journey(pong(), back=True, at=900, last=UPLINK_OUT)
    (path,) = lost_on_underlay(so_far(*journey(ping()), *reply))
    assert (path.way.value, path.seq) == ("reply", 1)


def test_an_answered_probe_is_not_lost_on_the_underlay() -> None:
    answered = so_far(*journey(ping(), last=UPLINK_OUT), probes=(sent(reply="echo reply"),))
    assert lost_on_underlay(answered) == ()


def test_a_reply_that_is_due_outweighs_a_request_on_the_underlay() -> None:
    arrived = journey(ping(1))
    vanished = journey(ping(2), last=UPLINK_OUT, at=900, skb=0x2000)
    assert waiting(so_far(*arrived, *vanished, probes=(sent(1), sent(2)))) is Waiting.NEIGHBOUR


def test_where_the_other_uplink_is_not_watched_nothing_is_called_lost_between_them() -> None:
    recording = so_far(*journey(ping(), last=UPLINK_OUT))
    alone = replace(recording, agents={"node-a": recording.agents["node-a"]})
    assert lost_on_underlay(alone) == ()
