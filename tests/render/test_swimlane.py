"""The drawing says what happened: where it ended, how it was carried, and nothing that was not."""

from itertools import pairwise

import pytest

from tests.builders import pod_end, request
from tests.core.rules.asking import case
from tests.paths import (
    BRIDGE_IN,
    POD_OUT,
    UPLINK_IN,
    UPLINK_OUT,
    VTEP_IN,
    delivered,
    lost,
    places,
)
from tests.render import gallery
from tracer.core.diagnose import judge
from tracer.model.diagnosis import Diagnosis
from tracer.model.path import Entry, Mark, Way
from tracer.render.fitting import broken, cut, room
from tracer.render.stops import UNDERLAY, Line, Sign, Stop, crossing, journey, loops, told
from tracer.render.swimlane import EDGE, RIGHT, TEXT, WIDTH, Drawing, drawing

ADDRESSES = {"node-a": "192.0.2.11", "node-b": "192.0.2.12"}


def stops_of(diagnosis: Diagnosis, way: Way = Way.REQUEST) -> tuple[Stop, ...]:
    path = next(path for path in diagnosis.paths if path.way is way)
    return journey(path, diagnosis.request)


def drawn(diagnosis: Diagnosis) -> Drawing:
    path = diagnosis.paths[0]
    return drawing(journey(path, diagnosis.request), ADDRESSES, crossing(path))


def signs(stops: tuple[Stop, ...]) -> list[str]:
    return [f"{stop.sign.value} {stop.node} {stop.name}".replace("  ", " ") for stop in stops]


def lines(stops: tuple[Stop, ...]) -> list[Line]:
    return [stop.line for stop in stops]


HEALTHY = [
    "end node-a default/pod-a",
    "hop node-a veth1 in",
    "hop node-a cni0 in",
    "hop node-a flannel.1 out",
    "hop node-a eth0 out",
    "hop node-b eth0 in",
    "hop node-b flannel.1 in",
    "hop node-b cni0 out",
    "hop node-b veth2 out",
    "end node-b default/pod-b",
]


def test_a_delivered_packet_goes_from_pod_to_pod_and_is_wrapped_between_the_vteps() -> None:
    stops = stops_of(judge(case()))
    assert signs(stops) == HEALTHY
    bare, tunnel = Line.BARE, Line.TUNNEL
    assert lines(stops) == [Line.NONE, *[bare] * 3, *[tunnel] * 3, *[bare] * 3]


def test_a_reply_begins_where_the_request_ended() -> None:
    stops = stops_of(judge(case()), Way.REPLY)
    assert signs(stops)[0] == "end node-b default/pod-b"
    assert signs(stops)[-1] == "end node-a default/pod-a"


def test_a_drop_is_followed_by_what_was_not_reached() -> None:
    stops = stops_of(gallery.stale())
    assert signs(stops)[-4:] == [
        "drop node-b dropped at flannel.1",
        "missed node-b cni0 out",
        "missed node-b veth2 out",
        "awaited node-b default/pod-b",
    ]
    assert lines(stops)[-3:] == [Line.MISSED] * 3
    assert stops[-4].words == ("OTHERHOST in ip_rcv_core+0x22c",)


def test_what_is_lost_after_the_uplink_is_lost_between_the_nodes() -> None:
    stops = stops_of(judge(case(paths=[lost(UPLINK_OUT)])))
    (end,) = (stop for stop in stops if stop.sign is Sign.LOST)
    assert (end.node, end.line) == (UNDERLAY, Line.TUNNEL)


def test_what_is_lost_inside_of_a_node_is_lost_there() -> None:
    stops = stops_of(judge(case(paths=[lost(VTEP_IN)])))
    (end,) = (stop for stop in stops if stop.sign is Sign.LOST)
    assert (end.node, end.line) == ("node-b", Line.BARE)


def test_a_packet_that_was_never_seen_has_no_hop() -> None:
    stops = stops_of(gallery.never_seen())
    assert [stop.sign for stop in stops[:2]] == [Sign.END, Sign.LOST]
    assert stops[1].name == "never seen"
    assert {stop.sign for stop in stops[2:]} == {Sign.MISSED, Sign.AWAITED}


def test_doubt_is_a_sign_of_its_own_and_says_why() -> None:
    stops = stops_of(gallery.silent_receiver())
    (doubt,) = (stop for stop in stops if stop.sign is Sign.UNKNOWN)
    assert doubt.words == ("the agent on node-b did not answer to the end",)
    assert stops[-1].role == "not known whether reached"


def test_a_packet_that_leaves_as_it_is_is_drawn_without_the_tunnel() -> None:
    stops = stops_of(gallery.leak())
    assert Line.TUNNEL not in lines(stops)
    uplink = next(stop for stop in stops if stop.name == "eth0 out")
    assert uplink.words == ("not encapsulated",)


def test_a_loop_leads_back_to_where_it_began_across_nodes_too() -> None:
    stops = stops_of(gallery.loop_between_nodes())
    (loop,) = loops(stops)
    assert (stops[loop.first].name, stops[loop.last].name) == ("flannel.1 out", "flannel.1 in")
    assert (stops[loop.first].node, stops[loop.last].node) == ("node-a", "node-b")
    assert loop.times == 31
    assert len(drawn(gallery.loop_between_nodes()).arcs) == 1


def test_a_retransmission_is_no_loop() -> None:
    stops = stops_of(gallery.retransmitted())
    assert loops(stops) == []
    assert stops[1].words == ("passed here 3 times",)


def test_a_third_node_has_its_lane_between_the_two() -> None:
    lanes = [box for box in drawn(gallery.third_node()).boxes if box.style == "lane"]
    names = [text.text for text in drawn(gallery.third_node()).texts if text.style == "node"]
    assert names == ["node-a", "node-c", "node-b"]
    assert all(upper.y + upper.height < lower.y for upper, lower in pairwise(lanes))


def test_where_nothing_was_watched_the_line_says_so() -> None:
    far = pod_end("node-b", host_network=True, ip="192.0.2.12")
    unwatched = delivered(last=BRIDGE_IN, end=places()[UPLINK_IN])
    stops = journey(unwatched, request(destination=far))
    assert stops[-1].line is Line.UNSEEN
    texts = [text.text for text in drawing(stops, ADDRESSES, "").texts]
    assert "not watched" in texts


def test_an_arp_request_that_was_freed_is_not_the_packets_end() -> None:
    stops = stops_of(gallery.asked_by_arp())
    assert [stop.sign for stop in stops if stop.sign in (Sign.FREED, Sign.DROP)] == [
        Sign.FREED,
        Sign.DROP,
    ]


def test_a_wrong_entry_changes_the_form_of_its_stop_and_gets_a_frame() -> None:
    bad = Entry(table="fdb", text="no entry", mark=Mark.BAD, expected="192.0.2.12", because="lease")
    stops = (
        Stop(Sign.END, Line.NONE, "node-a", "a", words=("10.0.0.1",)),
        Stop(Sign.HOP, Line.BARE, "node-a", "flannel.1 out", number=1, entries=(bad,)),
    )
    shown = drawing(stops, {}, "")
    assert [glyph.style for glyph in shown.glyphs] == ["end", "hop wrong", "bad"]
    assert [box.style for box in shown.boxes] == ["lane", "frame bad"]
    texts = [text.text for text in shown.texts]
    assert texts[-4:] == ["BAD", "fdb", "no entry", "should be 192.0.2.12, says lease"]


def test_the_journey_is_told_in_words_too() -> None:
    words = told(stops_of(gallery.stale()))
    assert words.startswith("default/pod-a on node-a: 10.244.1.2. veth1 in on node-a")
    assert "vtep BAD" in words or "dropped at flannel.1 on node-b" in words
    assert words.endswith("default/pod-b on node-b (not reached): 10.244.2.2.")


@pytest.mark.parametrize("name", gallery.GALLERY)
def test_nothing_is_drawn_beyond_the_edges(name: str) -> None:
    diagnosis = gallery.GALLERY[name]()
    for path in diagnosis.paths[:20]:
        stops = journey(path, diagnosis.request)
        shown = drawing(stops, ADDRESSES, crossing(path))
        assert all(box.x > 0 and box.x + box.width <= WIDTH for box in shown.boxes)
        for text in shown.texts:
            size = 11.5 if text.style.split()[0] in ("node", "name", "word") else 10.5
            wide = len(text.text) * size * (0.62 if text.style != "role" else 0.6)
            left = text.x - wide if text.anchor == "end" else text.x
            assert left >= TEXT
            assert left + wide <= EDGE, text
            assert text.y < shown.height
        assert RIGHT < EDGE < WIDTH


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("short", 5, "short"),
        ("web-7d9c4b5f6-x2x9z", 11, "web-7\u2026x2x9z"),
        ("abcdef", 1, "\u2026"),
        ("abcdef", 2, "a\u2026"),
    ],
)
def test_a_name_keeps_its_beginning_and_its_end(text: str, most: int, shown: str) -> None:
    assert cut(text, most) == shown


def test_words_are_broken_between_them_and_what_does_not_fit_is_marked() -> None:
    assert broken("one two three", 7, 3) == ["one two", "three"]
    assert broken("one two three four", 7, 2) == ["one two", "three\u2026"]
    assert broken("x" * 20, 7, 2) == ["x" * 7, "x" * 6 + "\u2026"]
    assert broken("  ", 7, 2) == []
    assert room(62, 10) == 10


def test_the_last_point_is_where_the_pod_takes_it() -> None:
    assert stops_of(judge(case()))[POD_OUT + 1].role == "to the pod"
