"""A pair's trace out of a watch's segment: what is diagnosed is what was sampled."""

import pytest
from msgspec.structs import replace

from tests.builders import POD, pod_end, state, vtep_ip
from tests.core.test_trajectories import (
    MIDDLE_US,
    S,
    data,
    datagram,
    on_its_way,
    segment,
    span,
)
from tests.packets import BRIDGE_IN, BRIDGE_OUT, UPLINK_OUT, VTEP_OUT, freed, journey, ping, pong
from tracer.core.cutting import traced
from tracer.core.diagnose import diagnose
from tracer.model.bundle import Bundle
from tracer.model.diagnosis import Diagnosis
from tracer.model.observation import Device, Observation
from tracer.model.path import Outcome, Way
from tracer.model.request import End, EndKind
from tracer.model.watch import Watched

A, B = pod_end("node-a"), pod_end("node-b")


def diagnosed(recorded: Bundle, source: End = A, destination: End = B) -> Diagnosis:
    return diagnose(traced(recorded, source, destination))


def conversation(count: int = 5) -> list[Observation]:
    """Echo requests and their replies, from bridge to bridge."""
    return [
        one
        for n in range(count)
        for one in (
            *on_its_way(ping(n), skb=0x1000 + 0x400 * n),
            *_back(n),
        )
    ]


def _back(n: int) -> tuple[Observation, ...]:
    return journey(
        pong(n), first=BRIDGE_IN, last=BRIDGE_OUT, back=True, at=MIDDLE_US + 500, skb=0x9000 + n
    )


def test_a_healthy_pairs_samples_are_delivered_though_no_pods_device_was_watched() -> None:
    found = diagnosed(segment(conversation()))
    assert (found.verdict.outcome, found.verdict.exit_code) == (Outcome.DELIVERED, 0)
    assert {(one.way, one.sent, one.delivered) for one in found.tallies} == {
        (Way.REQUEST, 5, 5),
        (Way.REPLY, 5, 5),
    }
    assert found.request.passive_s == 30.0
    assert all(hop.device is not Device.POD for path in found.paths for hop in path.hops)


def test_what_ended_is_lost_where_it_ended_and_the_tables_say_why() -> None:
    recorded = segment(on_its_way(ping(), last=VTEP_OUT))
    without = state("node-a", fdb=())
    found = diagnosed(replace(recorded, nodes={**recorded.nodes, "node-a": without}))
    assert (found.verdict.outcome, found.verdict.rule) == (Outcome.LOST, "fdb-missing")
    assert (found.verdict.node, found.verdict.device) == ("node-a", "flannel.1")
    assert any("few of the kernel's drops" in note for note in found.notes)


def test_what_the_kernel_freed_is_dropped() -> None:
    drop = freed("node-a", Device.VTEP, "NO_TX_TARGET", ping(), at=MIDDLE_US + 99)
    found = diagnosed(segment((*on_its_way(ping(), last=VTEP_OUT), drop)))
    assert (found.verdict.outcome, found.verdict.reason) == (Outcome.DROPPED, "NO_TX_TARGET")


def test_others_packets_are_no_part_of_it() -> None:
    other = on_its_way(datagram(1).replace(b"\x0a\xf4\x01\x02", b"\x0a\xf4\x01\x03"), last=VTEP_OUT)
    assert diagnosed(segment((*conversation(), *other))).verdict.outcome is Outcome.DELIVERED


def test_half_recorded_packets_are_no_loss() -> None:
    late = [
        replace(one, time_ns=one.time_ns + 30 * S)
        for one in journey(ping(77), first=BRIDGE_IN, last=UPLINK_OUT)
    ]
    assert diagnosed(segment((*conversation(), *late))).verdict.outcome is Outcome.DELIVERED


def test_where_records_were_lost_the_verdict_is_unknown() -> None:
    lossy = segment(on_its_way(ping(), last=UPLINK_OUT), span("node-a"), span("node-b", lost=3))
    found = diagnosed(lossy)
    assert found.verdict.outcome is Outcome.UNKNOWN
    assert any("watch on node-b lost 3 records" in note for note in found.notes)


def test_a_node_that_was_not_watched_leaves_it_unknown() -> None:
    found = diagnosed(segment(on_its_way(ping()), span("node-a")))
    assert found.verdict.outcome is Outcome.UNKNOWN


def test_tcp_data_is_left_out_and_that_is_said() -> None:
    glued = on_its_way(data(1000), last=UPLINK_OUT)
    found = diagnosed(segment((*conversation(), *glued)))
    assert found.verdict.outcome is Outcome.DELIVERED
    assert any("left out: 1; TCP data" in note for note in found.notes)


def test_a_single_loss_among_many_is_a_loss_wherever_it_is_in_the_recording() -> None:
    found = diagnosed(segment((*conversation(), *on_its_way(ping(99), last=UPLINK_OUT))))
    assert found.verdict.outcome is Outcome.LOST


def test_a_nodes_own_address_is_an_end_too() -> None:
    node = End(kind=EndKind.NODE, name="node-b", node="node-b", ip=vtep_ip("node-b"))
    found = traced(segment(conversation()), A, node)
    assert found.observations == ()
    assert diagnose(found).verdict.exit_code == 3


def test_without_samples_there_is_nothing_to_cut() -> None:
    empty = replace(segment(conversation()), watched=Watched(time_ns=1))
    with pytest.raises(ValueError, match="no samples"):
        traced(empty, A, B)
    assert POD["node-a"] == A.ip
