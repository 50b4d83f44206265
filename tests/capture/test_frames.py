"""The readers: every variety of file, and files that mean harm."""

import atexit
import shutil
import tempfile
import tracemalloc
from functools import cache
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.capture.files import (
    EPOCH,
    block,
    enhanced,
    interface,
    option,
    pcap,
    pcapng,
    run,
    section,
    written,
)
from tests.capture.saved_state import write_all
from tests.packets import ethernet, ipv6, observed, ping, udp
from tracer.bundle import archive
from tracer.bundle.archive import packed
from tracer.capture.collecting import Capture
from tracer.capture.frame import FileReport, Frame
from tracer.capture.frames import frames
from tracer.capture.imported import imported
from tracer.capture.link import Bare, bare
from tracer.capture.stream import LARGEST
from tracer.core.diagnose import diagnose
from tracer.errors import BadCapture
from tracer.model.bundle import Bundle
from tracer.model.observation import Direction

ONE = observed(ethernet(ping()), time_ns=1_234_567_890)
DATA = ethernet(ping())


def read(path: Path) -> tuple[list[Frame], FileReport]:
    report = FileReport()
    return list(frames(path, report)), report


def whole(folder: Path, data: bytes) -> list[Frame]:
    found, report = read(written(folder, "x", data))
    assert (report.damage, report.unreadable) == (None, 0)
    return found


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("nano", "time_ns"), [(True, 1_234_567_890), (False, 1_234_567_000)])
def test_pcap_of_either_byte_order_and_clock(
    order: str, nano: bool, time_ns: int, tmp_path: Path
) -> None:
    (frame,) = whole(tmp_path, pcap([ONE], 1, nano=nano, order=order))
    assert frame == Frame(EPOCH + time_ns, DATA, len(DATA), 1)


def test_a_cut_packet_keeps_its_length(tmp_path: Path) -> None:
    (frame,) = whole(tmp_path, pcap([ONE], 1, snap=60))
    assert (len(frame.data), frame.length) == (60, len(DATA))


@pytest.mark.parametrize("order", ["<", ">"])
def test_kuznetzov_s_header_tells_device_and_direction(order: str, tmp_path: Path) -> None:
    (frame,) = whole(tmp_path, pcap([ONE], 1, modified=True, order=order))
    assert (frame.ifindex, frame.direction) == (ONE.ifindex, Direction.OUT)


def test_a_frame_check_sequence_is_no_part_of_the_link_type(tmp_path: Path) -> None:
    data = bytearray(pcap([ONE], 1))
    data[23] = 0x44
    assert whole(tmp_path, bytes(data))[0].link_type == 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_each_interface_of_pcapng_has_its_own_clock_link_type_and_name(
    order: str, tmp_path: Path
) -> None:
    offset = option(14, pack(f"{order}q", 3600), order)
    data = (
        section(order)
        + interface(1, "eth0", digits=9, order=order)
        + interface(101, "tun0", digits=3, order=order, also=offset)
        + interface(113, None, digits=0x80 | 10, order=order)
        + enhanced(1, DATA[14:], 7_000, order=order, way=1)
        + enhanced(0, DATA, 42, order=order, way=2)
        + enhanced(2, DATA, 3 << 9, order=order)
    )
    first, second, third = whole(tmp_path, data)
    assert (first.time_ns, first.link_type, first.ifname) == (3607 * 10**9, 101, "tun0")
    assert first.direction is Direction.IN
    assert (second.time_ns, second.link_type, second.ifname) == (42, 1, "eth0")
    assert second.direction is Direction.OUT
    assert (third.time_ns, third.link_type, third.ifname) == (1_500_000_000, 113, None)


def test_an_impossible_time_is_cut_to_what_a_recording_can_hold(tmp_path: Path) -> None:
    past = option(14, pack("<q", -5))
    data = section() + interface(1, "a", digits=0) + interface(1, "b", also=past)
    data += enhanced(0, DATA, (1 << 64) - 1) + enhanced(1, DATA, 0)
    assert [one.time_ns for one in whole(tmp_path, data)] == [(10**9 << 32) - 1, 0]
    file = Capture("node-a", tmp_path / "x", "veth1")
    bundle = imported([file], saved(), "10.244.1.2", "10.244.2.2")
    assert read_bundle(packed(bundle)) == bundle


def test_sections_of_different_byte_order_follow_each_other(tmp_path: Path) -> None:
    data = pcapng([ONE], order="<") + pcapng([ONE], order=">")
    first, second = whole(tmp_path, data)
    assert first == second


def test_simple_and_old_packet_blocks_are_read_and_other_blocks_passed_by(tmp_path: Path) -> None:
    simple = block(3, pack("<I", len(DATA)) + DATA)
    old = block(2, pack("<2H4I", 0, 0, 0, 9, len(DATA), len(DATA)) + DATA)
    names = block(4, pack("<HH", 0, 0))
    private = block(0x0BAD, b"something of a vendor's")
    data = section() + interface(1, "eth0") + names + private + simple + old
    first, second = whole(tmp_path, data)
    assert (first.time_ns, first.data, first.length) == (None, DATA, len(DATA))
    assert (second.time_ns, second.data, second.ifname) == (9, DATA, "eth0")


def test_statistics_and_filters_are_kept_the_last_of_each_interface(tmp_path: Path) -> None:
    def statistics(number: int, lost: int) -> bytes:
        return block(5, pack("<III", number, 0, 0) + option(5, pack("<Q", lost)))

    asks = option(11, b"\0udp port 8472")
    data = section() + interface(1, "eth0", also=asks) + interface(1, "eth1")
    data += statistics(0, 1) + statistics(0, 3) + statistics(1, 4)
    found, report = read(written(tmp_path, "x", data))
    assert found == []
    assert sum(report.dropped.values()) == 7
    assert report.filters == {"udp port 8472"}
    assert report.names == {"eth0", "eth1"}


def test_an_unknown_option_given_twice_harms_nothing(tmp_path: Path) -> None:
    twice = option(4242, b"x") * 2
    data = section() + interface(1, "eth0", also=twice) + enhanced(0, DATA, 1)
    assert len(whole(tmp_path, data)) == 1


def test_a_packet_of_no_interface_is_unreadable_and_the_next_is_read(tmp_path: Path) -> None:
    data = section() + interface(1, "eth0") + enhanced(5, DATA, 1) + enhanced(0, DATA, 2)
    found, report = read(written(tmp_path, "x", data))
    assert ([one.time_ns for one in found], report.unreadable) == ([2], 1)


@pytest.mark.parametrize("writer", [pcap, pcapng])
def test_a_truncated_tail_keeps_what_was_whole(writer: object, tmp_path: Path) -> None:
    assert callable(writer)
    data = writer(run(1)[:10])
    for cut in (1, 3, 7, 15, 40):
        found, report = read(written(tmp_path, "x", data[:-cut]))
        assert len(found) == 9
        assert report.damage is not None
        assert "ends in the middle of a" in report.damage


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, LARGEST + 1, 3, 0])
@pytest.mark.parametrize("kind", ["pcap", "block", "section"])
def test_an_impossible_length_allocates_nothing(kind: str, size: int, tmp_path: Path) -> None:
    data = {
        "pcap": pcap([ONE], 1) + pack("<IIII", 0, 0, size, size),
        "block": pcapng([ONE]) + pack("<II", 6, size),
        "section": pcapng([ONE]) + pack("<III", 0x0A0D0D0A, size, 0x1A2B3C4D),
    }[kind]
    path = written(tmp_path, "x", data)
    tracemalloc.start()
    found, report = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < LARGEST + (8 << 20)
    assert found[0].data == DATA
    if not (kind == "pcap" and size == 0):
        assert report.damage is not None


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b"", "tcpdump -w"),
        (b"\x1f\x8b\x08\x00rest", "gunzip"),
        (b"12:00:00 IP 10.0.0.1 > 10.0.0.2", "tcpdump -w"),
        (b"\xd4\xc3", "tcpdump -w"),
    ],
)
def test_what_is_no_capture_is_said(data: bytes, hint: str, tmp_path: Path) -> None:
    with pytest.raises(BadCapture) as caught:
        read(written(tmp_path, "x", data))
    assert hint in caught.value.hint


def frame(data: bytes, link_type: int, length: int | None = None) -> Frame:
    return Frame(0, data, len(data) if length is None else length, link_type)


SLL2_IN = pack("!HxxIHBB6sxx", 0x0800, 3, 1, 0, 6, b"\2\0\0\0\0\7")


@pytest.mark.parametrize(
    ("found", "ethernet_first", "ethertype", "at"),
    [
        (frame(DATA, 1), True, None, 0),
        (frame(DATA[14:], 101), False, 0x0800, 0),
        (frame(DATA[14:], 12), False, 0x0800, 0),
        (frame(DATA[14:], 228), False, 0x0800, 0),
        (frame(ipv6("fd00::1", "fd00::2", 17, udp(1, 2, b"")), 229), False, 0x86DD, 0),
        (frame(b"\2\0\0\0" + DATA[14:], 0), False, 0x0800, 4),
        (frame(b"\0\0\0\2" + DATA[14:], 108), False, 0x0800, 4),
        (frame(SLL2_IN + DATA[14:], 276), False, 0x0800, 20),
    ],
)
def test_link_types(found: Frame, ethernet_first: bool, ethertype: int | None, at: int) -> None:
    one = bare(found)
    assert isinstance(one, Bare)
    assert (one.ethernet, one.ethertype) == (ethernet_first, ethertype)
    assert one.headers == found.data[at : at + 160]
    assert one.length == found.length - at


def test_cooked_headers_tell_direction_device_and_sender() -> None:
    one = bare(frame(SLL2_IN + DATA[14:], 276))
    assert isinstance(one, Bare)
    assert (one.direction, one.ifindex, one.source) == (Direction.IN, 3, "02:00:00:00:00:07")
    sent = bare(frame(pack("!HHH8sH", 4, 1, 6, bytes(8), 0x0800) + DATA[14:], 113))
    assert isinstance(sent, Bare)
    assert (sent.direction, sent.ifindex) == (Direction.OUT, None)


def test_vlan_tags_below_a_cooked_header_are_passed_by() -> None:
    tagged = pack("!HHH8sH", 0, 1, 6, bytes(8), 0x8100) + pack("!HH", 5, 0x0800) + DATA[14:]
    one = bare(frame(tagged, 113))
    assert isinstance(one, Bare)
    assert (one.ethertype, one.headers) == (0x0800, DATA[14:])


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (frame(b"", 101), "cut off before its IP header"),
        (frame(b"\x75", 101), "IP version 7"),
        (frame(bytes(9), 113), "cut off in its cooked header"),
        (frame(bytes(19), 276), "cut off in its cooked header"),
        (frame(pack("!HHH8sHH", 0, 1, 6, bytes(8), 0x8100, 5), 113), "cut off in its VLAN tag"),
        (frame(pack("!HHH8sH", 0, 1, 6, bytes(8), 4), 113), "no ethertype: protocol 0x0004"),
        (frame(DATA, 105), "link type 105, which flantrace does not read"),
    ],
)
def test_what_cannot_be_read_says_why(found: Frame, why: str) -> None:
    assert bare(found) == why


BEGINNINGS = st.sampled_from(
    [b"", pcap([])[:24], pcap([], 1)[:24], pcap([ONE]), section(), section() + interface(1, "e"),
     pcapng([ONE]), pcapng([ONE], order=">"), section(">") + interface(276, None, order=">")]
)  # fmt: skip


@cache
def saved() -> Path:
    """One healthy state for all examples."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return write_all(folder)


@settings(max_examples=300, deadline=None)
@given(BEGINNINGS, st.binary(max_size=300), st.data())
def test_no_bytes_crash_the_import(begin: bytes, rest: bytes, data: st.DataObject) -> None:
    """Whatever a file holds, it is read as far as it goes or refused in words."""
    changed = bytearray(begin + rest)
    for _ in range(data.draw(st.integers(0, 4))):
        if changed:
            at = data.draw(st.integers(0, len(changed) - 1))
            changed[at] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), "x", bytes(changed))
        name = data.draw(st.sampled_from([None, "eth0", "flannel.1", "nonsense"]))
        files = [Capture("node-a", path, name), Capture("node-b", path)]
        try:
            bundle = imported(files, saved(), "10.244.1.2", "10.244.2.2")
        except BadCapture:
            return
    diagnose(bundle)
    assert read_bundle(packed(bundle)) == bundle


def read_bundle(data: bytes) -> Bundle:
    with tempfile.TemporaryDirectory() as folder:
        return archive.read(written(Path(folder), "b.tgz", data))
