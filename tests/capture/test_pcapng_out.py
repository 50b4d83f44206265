"""Every recorded case opens in Wireshark: comments, interfaces, VXLAN, and nothing malformed."""

import io
import re
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace
from pcapng import FileScanner
from pcapng.blocks import EnhancedPacket, InterfaceDescription

from tests.builders import agent, bundle, state
from tests.capture.tshark import fields, needed, run
from tests.cases import bundle_of, names
from tests.packets import ARP, arp, freed, journey, ping, seen
from tracer.bundle.archive import read
from tracer.capture.pcapng_out import pcapng
from tracer.core.diagnose import diagnose
from tracer.core.labels import labelled
from tracer.model.bundle import Bundle
from tracer.model.observation import Device, Direction

pytestmark = pytest.mark.filterwarnings("ignore:Field type:DeprecationWarning")
"""python-pcapng's word to itself about if_tsresol."""

AS_VXLAN = tuple(word for port in (8472, 4790) for word in ("-d", f"udp.port=={port},vxlan"))


def written(recorded: Bundle) -> bytes:
    return pcapng(recorded, diagnose(recorded))


@cache
def case(name: str) -> Bundle:
    return read(bundle_of(name))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pcapng")


def file_of(name: str, folder: Path) -> Path:
    path = folder / f"{name}.pcapng"
    if not path.exists():
        path.write_bytes(written(case(name)))
    return path


@needed("tshark", "capinfos")
@pytest.mark.parametrize("name", names())
def test_every_case_opens_in_wireshark(name: str, folder: Path) -> None:
    recorded, file = case(name), file_of(name, folder)
    rows = fields(
        file, "frame.comment", "frame.interface_name", "_ws.malformed", "frame.len",
        "frame.cap_len", also=AS_VXLAN,
    )  # fmt: skip
    assert len(rows) == len(recorded.observations)
    assert [row for row in rows if row[2]] == []
    assert all(row[0] for row in rows)
    by_wire = sorted(str(max(one.length, len(one.headers))) for one in recorded.observations
                     if one.ethertype != ARP or one.ethernet)  # fmt: skip
    assert sorted(row[3] for row in rows if not row[1].endswith(":freed-arp")) == by_wire
    assert {row[1].partition(":")[0] for row in rows} == {o.node for o in recorded.observations}
    said = run("capinfos", str(file))
    assert "Strict time order:   True" in said
    assert "Capture application: flantrace" in said
    for node, watched in recorded.agents.items():
        for point in watched.points:
            assert f"Name = {node}:{point.ifname}" in said


@needed("tshark")
@pytest.mark.parametrize("name", names())
def test_vxlan_is_decoded_down_to_the_inner_packet(name: str, folder: Path) -> None:
    recorded = case(name)
    seen = {
        str(one.packet.outer.vni)
        for one in labelled(recorded, ())
        if one.packet.outer is not None and one.packet.outer.vni is not None
    }
    rows = fields(file_of(name, folder), "vxlan.vni", "ip.addr", also=AS_VXLAN)
    inner = [row for row in rows if row[0]]
    assert {row[0] for row in inner} == seen
    assert all("10.244." in row[1] for row in inner if row[1].count(",") > 1)


@pytest.mark.parametrize("name", names())
def test_every_hop_of_every_path_is_named_by_some_packet(name: str) -> None:
    recorded = case(name)
    paths = diagnose(recorded).paths
    shown = {
        (one.label.path.inner_id, one.label.path.way, one.label.number)
        for one in labelled(recorded, paths)
        if one.label is not None and one.observation.drop is None
    }
    for path in paths:
        for number, hop in enumerate(path.hops, start=1):
            waits = hop.packet is not None and hop.packet.arp is not None
            if not waits and hop.drop is None:
                assert (path.inner_id, path.way, number) in shown


def comments(recorded: Bundle) -> list[str]:
    blocks = FileScanner(io.BytesIO(written(recorded)))
    return [block.options["opt_comment"] for block in blocks if isinstance(block, EnhancedPacket)]


def test_the_comment_holds_hop_entry_and_verdict() -> None:
    found = comments(case("vtepmac-annotation-stale"))
    assert (
        "request 1, hop 6 of 7: node-b flannel.1 in"
        " | vtep flannel.1 on node-b has 36:fa:77:28:4d:8b BAD, should be c6:47:97:42:06:eb, says"
        " the packet's inner destination MAC"
        " | DROPPED on node-b at flannel.1: OTHERHOST in ip_rcv_core+0x22c"
    ) in found
    assert (
        "request of 1450 B, hop 7 of 7: node-b flannel.1 freed"
        " | DROPPED on node-b at flannel.1: OTHERHOST in ip_rcv_core+0x22c"
    ) in found


def test_what_was_lost_says_after_which_hop() -> None:
    ends = [one.rpartition(" | ")[2] for one in comments(case("cloud-sg-8472"))]
    assert "LOST after node-a eth0 out: seen nowhere else, freed nowhere" in ends


def test_a_packet_of_no_path_says_so() -> None:
    found = comments(case("neigh-missing"))
    assert "on no path of this trace: arp who-has 10.244.2.0" in found
    errors = [one for one in found if "about icmp request id" in one]
    assert all(one.startswith("on no path of this trace: ") for one in errors)
    assert errors


def test_the_section_says_verdict_rule_sentence_and_how_it_was_recorded() -> None:
    section = next(iter(FileScanner(io.BytesIO(written(case("vtepmac-annotation-stale"))))))
    words = section.options["opt_comment"]
    assert words.splitlines()[:2] == [
        "DROPPED  on node-b, at flannel.1: 5 of 5 requests.  [vtepmac-annotation-stale]",
        "node-b's lease advertises a MAC that flannel.1 on node-b does not have.",
    ]
    assert "node-a: seen by tcx, and the kernel's drops; 0 records lost." in words
    assert "clocks differ" in words
    assert "VXLAN on udp 8472: Decode As, or tshark -d udp.port==8472,vxlan" in words


def test_the_same_bundle_gives_the_same_bytes() -> None:
    recorded = case("neigh-missing")
    shuffled = replace(recorded, observations=recorded.observations[::-1])
    assert written(recorded) == written(recorded) == written(shuffled)


def test_every_interface_is_there_even_where_nothing_passed() -> None:
    blocks = FileScanner(io.BytesIO(written(bundle(observations=journey(ping(), last=2)))))
    interfaces = [one for one in blocks if isinstance(one, InterfaceDescription)]
    described = {one.options["if_name"]: one.options["if_description"] for one in interfaces}
    assert described["node-b:flannel.1"] == "VTEP of node-b, MAC 02:f1:00:00:00:02"
    assert described["node-a:veth1"] == "a pod's veth of node-a"
    assert len(described) == 8


@needed("tshark")
def test_times_are_the_node_s_wall_clock_to_the_nanosecond(tmp_path: Path) -> None:
    file = tmp_path / "t.pcapng"
    one = seen("node-a", Device.POD, Direction.IN, ping(), time_ns=1_000_000_123)
    file.write_bytes(written(bundle(observations=(one,))))
    ((time, direction),) = fields(file, "frame.time_epoch", "frame.packet_flags_direction")
    assert time == "1795403527.000000123"
    assert direction == "0x00000001"


def test_without_a_state_the_recording_s_beginning_is_the_clock_and_that_is_said() -> None:
    recorded = bundle(nodes={"node-b": state("node-b")}, observations=journey(ping(), last=3))
    blocks = list(FileScanner(io.BytesIO(written(recorded))))
    first = next(block for block in blocks if isinstance(block, EnhancedPacket))
    assert (first.timestamp_high << 32) + first.timestamp_low == 1_795_403_527_000_000_000
    assert "node-a's wall clock is not known" in blocks[0].options["opt_comment"]


@needed("tshark")
def test_freed_packets_stand_apart_with_nothing_put_before_ip(tmp_path: Path) -> None:
    question = arp("10.244.2.0", "10.244.1.0")
    file = tmp_path / "f.pcapng"
    gone = freed("node-b", Device.VTEP, "OTHERHOST", ping(), at=9)
    asks = freed("node-a", Device.VTEP, "NO_TX_TARGET", question, ethertype=ARP, at=8)
    file.write_bytes(written(bundle(observations=(gone, asks))))
    rows = fields(file, "frame.interface_name", "frame.protocols", "frame.len", "_ws.malformed")
    assert sorted(rows) == [
        ("node-a:freed-arp", "sll:ethertype:arp", str(len(question) + 16), ""),
        ("node-b:freed", "raw:ip:icmp:data", str(len(ping())), ""),
    ]


@needed("tshark")
def test_a_frame_that_was_cut_is_cut_and_not_malformed(tmp_path: Path) -> None:
    file = tmp_path / "c.pcapng"
    large = journey(ping(size=1400))
    cut = tuple(replace(one, length=one.length + 1400 - 56) for one in journey(ping(2)))
    short = tuple(replace(one, headers=one.headers[:60]) for one in journey(ping(3)))
    file.write_bytes(written(bundle(observations=large + cut + short)))
    rows = fields(file, "_ws.malformed", "frame.len", "frame.cap_len", also=AS_VXLAN)
    assert {row[0] for row in rows} == {""}
    assert {int(row[1]) > int(row[2]) for row in rows[:8]} == {True}


def test_a_record_without_bytes_is_left_out_and_counted() -> None:
    one = seen("node-a", Device.POD, Direction.IN, ping())
    blocks = list(
        FileScanner(
            io.BytesIO(written(bundle(observations=(one, replace(one, headers=b"", time_ns=9)))))
        )
    )
    assert len([block for block in blocks if isinstance(block, EnhancedPacket)]) == 1
    assert (
        "1 records hold no byte of their packet and are left out."
        in (blocks[0].options["opt_comment"])
    )


@needed("capinfos")
def test_hostile_names_and_numbers_stay_on_their_line(tmp_path: Path) -> None:
    point = agent("node-a").points[0]
    evil = replace(point, ifname="ve\nth\x1b[31m\ud800" + "x" * 100_000)
    odd = seen("node-a", Device.POD, Direction.IN, ping(), time_ns=-(1 << 62), length=1 << 60)
    late = replace(odd, time_ns=1 << 70, ifname=evil.ifname)
    recorded = bundle(
        agents={"node-a": replace(agent("node-a"), points=(evil,))}, observations=(odd, late)
    )
    file = tmp_path / "h.pcapng"
    file.write_bytes(written(replace(recorded, created_at="never", nodes={})))
    said = run("capinfos", str(file))
    assert re.search(r"Name = node-a:ve\\nth\\x1b\[31m\\ud800x+\.\.\.", said)
