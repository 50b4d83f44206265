"""What a watch had noticed: dated by one clock, in order, in words, whatever a recording holds."""

import re

import pytest
from msgspec.structs import replace

from tests.builders import bundle
from tracer.core.noticed import noticed
from tracer.model.bundle import Bundle
from tracer.model.observation import Direction
from tracer.model.watch import Deviating, Dropping, Gap, Happening, Kind, Watched

NOW = 500_000_000_000
S = 1_000_000_000
DEVIATING = Deviating(
    node="node-a",
    peer="node-b",
    subnet="10.244.2.0/24",
    kind=Kind.PEER_MAC,
    direction=Direction.OUT,
    ifname="flannel.1",
    packets=1412,
    first_ns=NOW - 2 * S,
    last_ns=NOW,
    seen=None,
)
DROPPING = Dropping(
    node="node-b",
    peer=None,
    subnet=None,
    reason="OTHERHOST",
    caller="ip_rcv_core+0x22c",
    packets=1,
    first_ns=NOW - S,
    last_ns=NOW - S,
    seen=None,
)
GAP = Gap(
    sender="node-a",
    receiver="node-b",
    peer="node-b",
    after="uplink_out",
    before="uplink_in",
    sent=2000,
    missing=7,
    first_ns=NOW - 3 * S,
    last_ns=NOW - S // 2,
)
REPLACED = Happening(node="node-a", time_ns=NOW - 5 * S, what="it was replaced", about=())


def watched(**evidence: tuple[object, ...]) -> Bundle:
    made = replace(Watched(time_ns=NOW), **evidence)
    return replace(bundle(), created_at="2026-11-30T06:15:02.500Z", watched=made)


def said(**evidence: tuple[object, ...]) -> list[str]:
    return [one.what for one in noticed(watched(**evidence))]


def test_of_a_check_there_is_nothing() -> None:
    assert noticed(bundle()) == ()


def test_everything_is_dated_by_the_recordings_own_moment_and_in_order() -> None:
    found = noticed(
        watched(deviating=(DEVIATING,), dropping=(DROPPING,), gaps=(GAP,), happened=(REPLACED,))
    )
    assert [(one.at[17:], one.until and one.until[17:], one.node) for one in found] == [
        ("57.500Z", None, "node-a"),
        ("59.500Z", "02.000Z", "node-b"),
        ("00.500Z", "02.500Z", "node-a"),
        ("01.500Z", None, "node-b"),
    ]


def test_a_change_in_the_api_is_on_no_node() -> None:
    (one,) = noticed(watched(happened=(replace(REPLACED, node=""),)))
    assert one.node is None


def test_misaddressed_packets_in_words() -> None:
    assert said(deviating=(DEVIATING,)) == [
        "1,412 packets to node-b (10.244.2.0/24) with an inner destination MAC that is not its"
        " VtepMAC, at flannel.1"
    ]


def test_the_same_outer_address_is_anothers_on_the_way_in() -> None:
    for kind in (Kind.OUTER_DST, Kind.OUTER_SRC):
        leaving = said(deviating=(replace(DEVIATING, kind=kind),))
        coming = said(deviating=(replace(DEVIATING, kind=kind, direction=Direction.IN),))
        own, peers = (leaving, coming) if kind is Kind.OUTER_SRC else (coming, leaving)
        assert "that is not node-a's" in own[0]
        assert "that is not its public-ip" in peers[0]


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("direction", [Direction.IN, Direction.OUT])
def test_every_kind_has_its_own_words(kind: Kind, direction: Direction) -> None:
    others = {
        other: said(deviating=(replace(DEVIATING, kind=other, direction=direction),))[0]
        for other in Kind
    }
    assert "{" not in others[kind]
    assert [other for other, words in others.items() if words == others[kind]] == [kind]


def test_dropped_packets_in_words() -> None:
    assert said(dropping=(DROPPING, replace(DROPPING, reason=None, caller=None))) == [
        "1 packet of nobody freed by the kernel: OTHERHOST in ip_rcv_core+0x22c",
        "1 packet of nobody freed by the kernel: no reason told",
    ]


def test_lost_packets_in_words() -> None:
    assert said(gaps=(GAP, replace(GAP, after="elsewhere"))) == [
        "7 of 2,000 packets for node-b lost: counted as they left by the uplink of node-a, and not"
        " as they came in by the uplink of node-b",
        "7 of 2,000 packets for node-b lost: counted at elsewhere of node-a, and not as they came"
        " in by the uplink of node-b",
    ]


@pytest.mark.parametrize("time_ns", [-(1 << 63), (1 << 63) - 1, 0])
def test_a_time_beyond_any_date_is_left_out_and_breaks_nothing(time_ns: int) -> None:
    for one in noticed(watched(happened=(replace(REPLACED, time_ns=time_ns), REPLACED))):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one.at)


def test_a_recording_without_a_date_has_no_timeline() -> None:
    assert noticed(replace(watched(happened=(REPLACED,)), created_at="then")) == ()
