"""Captures in every variety become the recording that agents would have made."""

from collections.abc import Callable, Sequence
from pathlib import Path
from struct import pack

import pytest
from msgspec.structs import replace

from tests.builders import FLANNEL, api_node, state, underlay, vtep_ip
from tests.builders import bundle as bundle_of_agents
from tests.capture.files import (
    AHEAD,
    SECOND,
    ambient,
    back,
    block,
    option,
    pcap,
    pcapng,
    run,
    split,
    written,
)
from tests.capture.saved_state import write_all, write_cluster
from tests.packets import (
    ACK,
    ARP,
    BRIDGE_IN,
    ICMP,
    TCP,
    UDP,
    UPLINK_OUT,
    VTEP_IN,
    VTEP_OUT,
    arp,
    ethernet,
    icmp_error,
    ipv4,
    journey,
    observed,
    ping,
    pong,
    seen,
    tcp,
    udp,
    vxlan,
)
from tracer.bundle.archive import packed
from tracer.capture.collecting import Capture
from tracer.capture.imported import imported
from tracer.capture.pcapng_out import pcapng as exported
from tracer.core.diagnose import diagnose
from tracer.errors import BadCapture, NotFound, UsageError
from tracer.model.bundle import AgentEnd, Bundle
from tracer.model.diagnosis import Diagnosis
from tracer.model.observation import Device, Direction, Observation
from tracer.model.path import Outcome, Way

STALE = "02:f1:00:00:00:99"
pytestmark = pytest.mark.filterwarnings("ignore:Field type:DeprecationWarning")
Writer = Callable[[Sequence[Observation]], bytes]


def captures(
    folder: Path, observations: Sequence[Observation], writer: Writer = pcap, **names: str
) -> list[Capture]:
    """Each node's observations as its file; `names`: where tcpdump listened, by node."""
    return [
        Capture(node, written(folder, f"{node}.pcap", writer(mine)), names.get(node[-1]))
        for node, mine in split(observations).items()
    ]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return write_all(folder)


def five_words(diagnosis: Diagnosis) -> tuple[str, str | None, str | None, str | None]:
    verdict = diagnosis.verdict
    return verdict.outcome.value, verdict.rule, verdict.node, verdict.device


def what(bundle: Bundle) -> list[str]:
    return [trouble.what for trouble in bundle.troubles]


def hops(bundle: Bundle) -> list[tuple[str, str, Direction]]:
    path = diagnose(bundle).paths[0]
    return [(hop.node, hop.ifname, hop.direction) for hop in path.hops]


EIGHT = [
    ("node-a", "veth1", Direction.IN),
    ("node-a", "cni0", Direction.IN),
    ("node-a", "flannel.1", Direction.OUT),
    ("node-a", "eth0", Direction.OUT),
    ("node-b", "eth0", Direction.IN),
    ("node-b", "flannel.1", Direction.IN),
    ("node-b", "cni0", Direction.OUT),
    ("node-b", "veth2", Direction.OUT),
]

VARIETIES: dict[str, Writer] = {
    "cooked v2, as tcpdump -i any writes today": pcap,
    "cooked v1, as it did": lambda mine: pcap(mine, 113),
    "nanoseconds": lambda mine: pcap(mine, nano=True),
    "big-endian": lambda mine: pcap(mine, order=">"),
    "Kuznetzov's longer header": lambda mine: pcap(mine, 1, modified=True),
    "pcapng": pcapng,
    "big-endian pcapng": lambda mine: pcapng(mine, order=">"),
    "out of order": lambda mine: pcap(mine[::-1]),
    "snap length 128": lambda mine: pcap(mine, snap=128),
}


@pytest.mark.parametrize("variety", VARIETIES)
def test_a_healthy_ping_is_delivered_by_eight_hops(
    variety: str, tmp_path: Path, saved: Path
) -> None:
    bundle = imported(captures(tmp_path, run(), VARIETIES[variety]), saved)
    diagnosis = diagnose(bundle)
    assert five_words(diagnosis) == ("delivered", None, None, None)
    assert diagnosis.verdict.sentence.startswith("5 of 5 requests, 5 of 5 replies.")
    assert hops(bundle) == EIGHT
    assert [sent.reply for sent in bundle.sent] == ["echo reply"] * 5
    assert (bundle.traced.source.name, bundle.traced.source.node) == ("default/pod-a", "node-a")


@pytest.mark.parametrize("link_type", [113, 276])
def test_without_any_state_the_packets_tell_devices_and_ends(
    link_type: int, tmp_path: Path
) -> None:
    files = captures(tmp_path, run(), lambda mine: pcap(mine, link_type))
    bundle = imported(files)
    assert five_words(diagnose(bundle))[0] == "delivered"
    roles = ["pod", "bridge", "vtep", "uplink"]
    assert [name for _, name, _ in hops(bundle)] == [*roles, *roles[::-1]]
    assert [(end.ip, end.node) for end in (bundle.traced.source, bundle.traced.destination)] == [
        ("10.244.1.2", "node-a"),
        ("10.244.2.2", "node-b"),
    ]
    assert what(bundle)[0].startswith("no state was saved")


def test_a_recording_that_was_written_as_pcapng_can_be_imported(
    tmp_path: Path, saved: Path
) -> None:
    live = bundle_of_agents(observations=tuple(run(3)))
    file = written(tmp_path, "live.pcapng", exported(live, diagnose(live)))
    bundle = imported([Capture("node-a", file), Capture("node-b", file)], saved)
    assert hops(bundle) == EIGHT
    assert diagnose(bundle).verdict.sentence.startswith("3 of 3 requests, 3 of 3 replies.")


def test_the_same_files_give_the_same_bundle(tmp_path: Path, saved: Path) -> None:
    files = captures(tmp_path, run())
    assert packed(imported(files, saved)) == packed(imported(files, saved))


def test_a_stale_annotation_is_named_without_ebpf(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    data = f'{{"VNI":1,"VtepMAC":"{STALE}"}}'
    wrong = state("node-a")
    wrong = replace(
        wrong,
        neighbours=tuple(
            replace(one, mac=STALE) if one.ip == vtep_ip("node-b") else one
            for one in wrong.neighbours
        ),
        fdb=tuple(
            replace(one, mac=STALE) if one.dst == underlay("node-b") else one for one in wrong.fdb
        ),
    )
    write_all(folder, wrong, nodes={"node-b": api_node("node-b", backend_data=data)})
    files = captures(tmp_path, run(last=VTEP_IN, dst_mac=STALE))
    diagnosis = diagnose(imported(files, folder))
    assert five_words(diagnosis) == ("lost", "vtepmac-annotation-stale", "node-b", "flannel.1")
    assert diagnosis.findings[0].explains
    path = diagnosis.paths[0]
    assert path.doubt == "the kernel's drops on node-b were not watched"


def test_packets_that_vanish_between_the_nodes_are_lost_at_the_uplink(
    tmp_path: Path, saved: Path
) -> None:
    diagnosis = diagnose(imported(captures(tmp_path, run(last=UPLINK_OUT)), saved))
    assert five_words(diagnosis) == ("lost", "cloud-sg-8472", "node-a", "eth0")
    assert diagnosis.findings[0].also == ("nsx-intercepts-8472",)


def test_on_the_uplinks_alone_the_requests_arrive_and_the_rest_is_not_known(
    tmp_path: Path, saved: Path
) -> None:
    wires = [one for one in run() if one.device is Device.UPLINK]
    files = captures(tmp_path, wires, lambda mine: pcap(mine, 1), a="eth0", b="eth0")
    bundle = imported(files, saved)
    diagnosis = diagnose(bundle)
    assert five_words(diagnosis) == ("unknown", None, None, None)
    assert "vtep on node-a was not watched" in diagnosis.verdict.sentence
    assert {p.device for agent in bundle.agents.values() for p in agent.points} == {Device.UPLINK}
    assert len(diagnosis.paths) == 10


def test_an_ethernet_file_without_a_device_s_name_is_taken_for_what_it_holds(
    tmp_path: Path, saved: Path
) -> None:
    wires = [one for one in run() if one.device is Device.UPLINK]
    files = captures(tmp_path, wires, lambda mine: pcap(mine, 1), a="eth0", b="eth0")
    named = imported(files, saved)
    guessed = imported(captures(tmp_path, wires, lambda mine: pcap(mine, 1)), saved)
    assert guessed == named


def test_several_files_of_one_node_count_together(tmp_path: Path, saved: Path) -> None:
    files = []
    for node, mine in split(run()).items():
        for ifname in sorted({one.ifname for one in mine}):
            data = pcap([one for one in mine if one.ifname == ifname], 1)
            files.append(Capture(node, written(tmp_path, f"{node}-{ifname}", data), ifname))
    bundle = imported(files, saved)
    assert hops(bundle) == EIGHT
    assert five_words(diagnose(bundle))[0] == "delivered"


def on_port(port: int, observations: Sequence[Observation]) -> list[Observation]:
    old, new = (8472).to_bytes(2, "big"), port.to_bytes(2, "big")
    return [
        replace(one, headers=one.headers[:36] + one.headers[36:38].replace(old, new)
                + one.headers[38:])
        if one.device is Device.UPLINK else one
        for one in observations
    ]  # fmt: skip


@pytest.mark.parametrize("port", [4789, 4790, 51820])
def test_any_udp_port_that_carries_vxlan_is_found(port: int, tmp_path: Path) -> None:
    bundle = imported(captures(tmp_path, on_port(port, run())))
    diagnosis = diagnose(bundle)
    assert five_words(diagnosis)[0] == "delivered"
    assert len(diagnosis.paths[0].hops) == 8
    if port != 4789:
        assert diagnosis.overlay.port == port
        assert f"udp {port} carries VXLAN, and nothing that was saved says so" in what(bundle)


def test_a_truncated_file_keeps_what_was_whole(tmp_path: Path, saved: Path) -> None:
    files = captures(tmp_path, run())
    data = files[1].path.read_bytes()
    files[1].path.write_bytes(data[: len(data) // 2 - 3])
    bundle = imported(files, saved)
    (said,) = [words for words in what(bundle) if "node-b.pcap is damaged" in words]
    assert "it ends in the middle of a packet" in said
    assert "frames before it are used" in said
    outcomes = {path.outcome for path in diagnose(bundle).paths}
    assert outcomes == {Outcome.DELIVERED}


def test_a_snap_length_of_60_is_too_little_and_that_is_said(tmp_path: Path, saved: Path) -> None:
    files = captures(tmp_path, run(), lambda mine: pcap(mine, snap=60))
    bundle = imported(files, saved, "pod-a", "pod-b")
    assert any(
        "not decodable: cut off before the inner addresses (10)" in words for words in what(bundle)
    )
    assert "tcpdump -s 160" in next(t.hint for t in bundle.troubles if "decodable" in t.what)
    assert diagnose(bundle).verdict.outcome in (Outcome.UNKNOWN, Outcome.DELIVERED)


def segment(seq: int, size: int) -> bytes:
    return ipv4("10.244.1.2", "10.244.2.2", TCP, tcp(40000, 80, seq, ACK, bytes(size)))


def test_gro_super_frames_are_no_word_on_the_mtu(tmp_path: Path, saved: Path) -> None:
    large = journey(segment(1000, 40_000), at=SECOND, last=UPLINK_OUT)
    small = journey(segment(90_000, 100), at=2 * SECOND)
    files = captures(tmp_path, [*ambient(0), *large, *small, *ambient(3 * SECOND)])
    bundle = imported(files, saved)
    assert bundle.traced.plan is None
    super_frames = [one for one in bundle.observations if one.length > 9000]
    assert len(super_frames) == 4
    assert all(one.gso_size > 1000 for one in super_frames)
    assert "underlay-mtu-blackhole" not in {f.rule for f in diagnose(bundle).findings}


def test_a_link_that_swallows_large_packets_is_found(tmp_path: Path, saved: Path) -> None:
    small = [one for n in (1, 5) for one in journey(segment(1000 * n, 90), at=n * SECOND)]
    large = journey(segment(3000, 1390), at=3 * SECOND, last=UPLINK_OUT)
    files = captures(tmp_path, [*ambient(0), *small, *large, *ambient(6 * SECOND)])
    assert five_words(diagnose(imported(files, saved)))[:2] == ("lost", "underlay-mtu-blackhole")


def test_nested_vxlan_is_followed_one_level_deep(tmp_path: Path, saved: Path) -> None:
    inside = vxlan(ethernet(ping(1)))
    carried = ipv4("10.244.1.2", "10.244.2.2", UDP, udp(5000, 8472, inside))
    files = captures(tmp_path, [*ambient(0), *journey(carried, at=SECOND), *ambient(2 * SECOND)])
    diagnosis = diagnose(imported(files, saved))
    assert five_words(diagnosis)[0] == "delivered"
    assert [path.inner_id.protocol for path in diagnosis.paths] == ["udp"]


def test_malformed_vxlan_is_counted_and_harms_nothing(tmp_path: Path, saved: Path) -> None:
    flagless = ipv4(underlay("node-a"), underlay("node-b"), UDP, udp(1, 8472, bytes(30)))
    broken = [
        observed(ethernet(flagless), direction=Direction.OUT, time_ns=(SECOND + n) * 1000)
        for n in range(3)
    ]
    bundle = imported(captures(tmp_path, [*run(), *broken]), saved)
    assert (
        "3 of 47 frames of node-a.pcap are not decodable: no VXLAN header: its VNI flag is not set"
        " (3)"
    ) in what(bundle)
    assert five_words(diagnose(bundle))[0] == "delivered"


def test_vlan_tags_and_strange_link_types_are_read_or_named(tmp_path: Path, saved: Path) -> None:
    files = captures(tmp_path, run())
    strange = written(tmp_path, "usb.pcap", pcap([], 189) + pcap(run()[:4], 276)[24:])
    bundle = imported([*files, Capture("node-a", strange, "usb0")], saved)
    assert (
        "4 of 4 frames of usb.pcap are not decodable: link type 189, which flantrace does not read"
        " (4)"
    ) in what(bundle)
    assert five_words(diagnose(bundle))[0] == "delivered"


def test_captures_of_two_times_say_nothing_of_each_other(tmp_path: Path, saved: Path) -> None:
    late = [
        replace(one, time_ns=one.time_ns + 3600 * SECOND * 1000) if one.node == "node-b" else one
        for one in run(last=UPLINK_OUT)
    ]
    bundle = imported(captures(tmp_path, late), saved)
    diagnosis = diagnose(bundle)
    assert five_words(diagnosis)[0] == "unknown"
    assert bundle.agents["node-b"].end is AgentEnd.UNKNOWN
    assert "the capture of node-b may not have run then" in diagnosis.verdict.sentence
    assert any("does not cover the time of these packets" in words for words in what(bundle))


def test_clocks_that_differ_are_no_gap_where_both_saw_a_packet(tmp_path: Path, saved: Path) -> None:
    hour = 3600 * SECOND * 1000
    skewed = [
        replace(one, time_ns=one.time_ns + hour) if one.node == "node-b" else one
        for one in [*run(4), *journey(ping(5), at=5 * SECOND - 500_000, last=UPLINK_OUT)]
    ]
    diagnosis = diagnose(imported(captures(tmp_path, skewed), saved))
    assert [path.outcome for path in diagnosis.paths if path.way is Way.REQUEST][:4] == [
        Outcome.DELIVERED
    ] * 4
    assert len([path for path in diagnosis.paths if path.way is Way.REQUEST]) == 5


def test_what_was_sent_before_the_other_capture_began_is_left_out(
    tmp_path: Path, saved: Path
) -> None:
    began = 3 * SECOND * 1000
    sent = [one for one in run(last=UPLINK_OUT) if one.node == "node-a"]
    other = [
        replace(one, time_ns=moment)
        for moment in (began, 9 * SECOND * 1000)
        for one in ambient(0)
        if one.node == "node-b"
    ]
    bundle = imported(captures(tmp_path, sent + other), saved)
    assert [one.seq for one in bundle.sent] == [3, 4, 5]
    assert (
        "2 packets left one node when the other's capture may not have run; they are left out"
    ) in what(bundle)
    assert five_words(diagnose(bundle))[0] == "lost"


def test_an_answer_proves_what_the_other_capture_did_not_see(tmp_path: Path, saved: Path) -> None:
    began = (3 * SECOND + AHEAD) * 1000
    late = [one for one in run() if one.node == "node-a" or one.time_ns >= began]
    bundle = imported(captures(tmp_path, late), saved)
    assert [sent.seq for sent in bundle.sent] == [1, 2, 3, 4, 5]
    assert five_words(diagnose(bundle))[0] == "delivered"


def test_a_few_lost_among_equals_may_be_tcpdump_s_own_loss(tmp_path: Path, saved: Path) -> None:
    begin, end = 2 * SECOND * 1000, 3 * SECOND * 1000
    gone = [
        one
        for one in run()
        if not (one.node == "node-b" and begin < one.time_ns - AHEAD * 1000 < end)
        and not (one.node == "node-a" and begin + 200_000 < one.time_ns < end)
    ]
    diagnosis = diagnose(imported(captures(tmp_path, gone), saved))
    assert five_words(diagnosis)[0] == "unknown"
    assert "1 of 5 requests" in diagnosis.verdict.sentence
    assert "does not know whether it lost records" in diagnosis.verdict.sentence


def test_a_filter_on_vxlan_s_port_hides_the_pods_side(tmp_path: Path, saved: Path) -> None:
    wires = [one for one in run(last=VTEP_IN) if one.device is Device.UPLINK]
    only = [one for one in wires if b"\x21\x18" in one.headers[34:40]]
    bundle = imported(captures(tmp_path, only), saved)
    assert five_words(diagnose(bundle))[0] == "unknown"
    assert "node-b.pcap shows no pod's packet by itself, and looks as if it had a filter" in (
        what(bundle)
    )


def test_a_filter_on_icmp_hides_the_uplink(tmp_path: Path, saved: Path) -> None:
    inner = [one for one in run(last=VTEP_OUT) if one.device is not Device.UPLINK]
    bundle = imported(captures(tmp_path, inner), saved)
    diagnosis = diagnose(bundle)
    assert five_words(diagnosis)[0] == "unknown"
    assert "uplink on node-a was not watched" in diagnosis.verdict.sentence


def test_an_empty_capture_does_not_show_that_it_ran(tmp_path: Path, saved: Path) -> None:
    files = captures(tmp_path, run(last=UPLINK_OUT))
    files[1].path.write_bytes(pcap([]))
    bundle = imported(files, saved)
    assert five_words(diagnose(bundle))[0] == "unknown"
    assert "the capture of node-b holds no frame: nothing shows that it ran" in what(bundle)


def test_losses_that_a_pcapng_file_counts_are_known(tmp_path: Path, saved: Path) -> None:

    drops = block(5, pack("<III", 0, 0, 0) + option(5, pack("<Q", 7)) + option(5, pack("<Q", 9)))
    files = captures(tmp_path, run(last=UPLINK_OUT), lambda mine: pcapng(mine) + drops)
    bundle = imported(files, saved)
    assert bundle.agents["node-a"].lost == 7
    assert five_words(diagnose(bundle))[0] == "unknown"
    assert not any("do not say how many packets" in words for words in what(bundle))


def test_a_pair_is_chosen_by_who_asks_most(tmp_path: Path, saved: Path) -> None:
    other = [
        one
        for seq in (1, 2)
        for one in journey(ipv4("10.244.2.9", "10.244.1.9", ICMP, ping(seq)[20:]), at=seq * 99)
    ]
    bundle = imported(captures(tmp_path, [*run(), *other]), saved)
    assert (bundle.traced.source.ip, bundle.traced.destination.ip) == ("10.244.1.2", "10.244.2.2")
    named = imported(captures(tmp_path, [*run(), *other]), saved, "10.244.2.9")
    assert (named.traced.source.ip, named.traced.destination.ip) == ("10.244.2.9", "10.244.1.9")
    swapped = imported(captures(tmp_path, run()), saved, "pod-b", "pod-a")
    assert swapped.traced.plan is None
    assert swapped.traced.source.name == "default/pod-b"


def test_two_pings_at_once_are_one_trace_and_the_other_is_counted(
    tmp_path: Path, saved: Path
) -> None:
    other = [one for seq in (1, 2) for one in journey(ping(seq, ident=9), at=seq * SECOND + 99)]
    bundle = imported(captures(tmp_path, [*run(), *other]), saved)
    assert bundle.traced.probe_id == 7
    assert "2 echo requests of other pings between the two are not counted" in what(bundle)


def test_passive_follows_everything_between_the_two(tmp_path: Path, saved: Path) -> None:
    bundle = imported(captures(tmp_path, run()), saved, passive=True)
    assert (bundle.traced.plan, bundle.sent) == (None, ())
    assert five_words(diagnose(bundle))[0] == "delivered"


def test_icmp_errors_and_arp_for_the_peer_are_kept(tmp_path: Path, saved: Path) -> None:
    error = ipv4("10.244.1.1", "10.244.1.2", ICMP, icmp_error(3, 1, ping(1)[:28]))
    asks = observed(
        ethernet(arp(vtep_ip("node-b"), vtep_ip("node-a")), ARP),
        device=Device.VTEP, ifindex=FLANNEL, ifname="flannel.1", time_ns=2 * SECOND * 1000,
    )  # fmt: skip
    stranger = observed(ethernet(arp("192.0.2.77", "192.0.2.11"), ARP), time_ns=2 * SECOND * 1000)
    told = seen("node-a", Device.BRIDGE, Direction.OUT, error, at=3 * SECOND)
    files = captures(tmp_path, [*run(last=BRIDGE_IN), asks, stranger, told])
    bundle = imported(files, saved)
    kept = [(one.device, one.direction) for one in bundle.observations]
    assert (Device.VTEP, Direction.OUT) in kept
    assert (Device.BRIDGE, Direction.OUT) in kept
    assert (Device.UPLINK, Direction.OUT) not in kept


def test_a_capture_of_one_node_alone_is_half_a_result(tmp_path: Path, saved: Path) -> None:
    files = captures(tmp_path, run(last=UPLINK_OUT))[:1]
    assert five_words(diagnose(imported(files, saved)))[0] == "unknown"
    inside = captures(tmp_path, run(last=BRIDGE_IN))[:1]
    assert five_words(diagnose(imported(inside, saved)))[0] in ("lost", "unknown")


def test_what_kubectl_printed_leaves_no_secret_behind(tmp_path: Path, saved: Path) -> None:
    bundle = imported(captures(tmp_path, run()), saved)
    text = repr(bundle.cluster)
    assert "PASSWORD" not in text
    assert "secret" not in text
    assert [pod.name for pod in bundle.cluster.pods] == ["pod-a", "pod-b"]
    assert len(bundle.cluster.flannel_pods) == 3


@pytest.mark.parametrize("missing", ["link.json", "neigh.json", "route4.json", "fdb.json", "about"])
def test_a_missing_file_of_the_state_is_not_read_and_the_rest_is(
    missing: str, tmp_path: Path, saved: Path
) -> None:
    (saved / "node-a" / missing).unlink()
    bundle = imported(captures(tmp_path, run()), saved)
    assert [gap.why for gap in bundle.nodes["node-a"].not_read if missing in gap.why] or (
        missing == "about"
    )
    assert five_words(diagnose(bundle))[0] == "delivered"


def test_a_missing_folder_of_a_node_is_a_trouble(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    write_cluster(folder)
    bundle = imported(captures(tmp_path, run()), folder)
    assert {"no state of node-a was saved", "no state of node-b was saved"} <= set(what(bundle))
    assert five_words(diagnose(bundle))[0] == "delivered"


def test_what_cannot_be_meant_is_said(tmp_path: Path, saved: Path) -> None:
    files = captures(tmp_path, run())
    with pytest.raises(NotFound, match="no address of no-such-pod is known"):
        imported(files, saved, "no-such-pod")
    with pytest.raises(UsageError, match="two address families"):
        imported(files, saved, "10.244.1.2", "fd00::1")
    with pytest.raises(BadCapture, match="no such folder"):
        imported(files, tmp_path / "nowhere")
    with pytest.raises(BadCapture, match="cannot read"):
        imported([Capture("node-a", tmp_path / "none.pcap")], saved)
    with pytest.raises(UsageError, match="no packet between two pods"):
        imported(captures(tmp_path, ambient(0)), saved)


@pytest.mark.parametrize("link_type", [113, 276])
def test_two_pods_of_one_node_meet_at_their_veths(
    link_type: int, tmp_path: Path, saved: Path
) -> None:
    packet = ipv4("10.244.1.2", "10.244.1.3", ICMP, ping(1)[20:])
    answer = ipv4("10.244.1.3", "10.244.1.2", ICMP, pong(1)[20:])
    frames = [
        seen("node-a", Device.POD, direction, one, at=at * SECOND)
        for one, direction, at in (
            (packet, Direction.IN, 1),
            (packet, Direction.OUT, 2),
            (answer, Direction.IN, 3),
            (answer, Direction.OUT, 4),
        )
    ]
    here = [one for one in [*ambient(0), *frames, *ambient(5 * SECOND)] if one.node == "node-a"]
    file = written(tmp_path, "a.pcap", pcap(here, link_type))
    bundle = imported([Capture("node-a", file)], saved, "10.244.1.2", "10.244.1.3")
    assert (bundle.traced.source.node, bundle.traced.destination.node) == ("node-a", "node-a")
    assert {one.device for one in bundle.observations} == {Device.POD}
    assert five_words(diagnose(bundle))[0] == "delivered"


def test_two_nodes_own_flannel_addresses_are_ends_too(tmp_path: Path, saved: Path) -> None:
    there = ipv4(vtep_ip("node-a"), vtep_ip("node-b"), ICMP, ping(1)[20:])
    answer = ipv4(vtep_ip("node-b"), vtep_ip("node-a"), ICMP, pong(1)[20:])
    observations = [
        *ambient(0),
        *journey(there, at=SECOND, first=VTEP_OUT, last=VTEP_IN),
        *back(journey(answer, at=SECOND + 300, first=VTEP_OUT, last=VTEP_IN, back=True)),
        *ambient(3 * SECOND),
    ]
    files = captures(tmp_path, observations)
    bundle = imported(files, saved, "node/node-a", "node/node-b")
    assert five_words(diagnose(bundle))[0] == "delivered"
    assert [sent.reply for sent in bundle.sent] == ["echo reply"]
