"""Links that this kernel cannot make, from messages as other kernels send them."""

import struct
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from tracer.collect.links import links, xdp_programs
from tracer.collect.netlink import Netlink, attribute, attributes
from tracer.model.state import Link

NAME, MTU, LINK, LINKINFO, STATS64, XDP = 3, 4, 5, 18, 23, 43


class Answers:
    """A kernel that gives one answer to every dump."""

    def __init__(self, *payloads: bytes) -> None:
        self._payloads = list(payloads)

    def dump(self, _message: int, _body: bytes) -> list[bytes]:
        return self._payloads


def u32(number: int) -> bytes:
    return struct.pack("=I", number)


def message(*extra: bytes) -> bytes:
    header = struct.pack("=BxHiII", 0, 1, 9, 0x1, 0)
    return header + attribute(NAME, b"eth0.7\0") + attribute(MTU, u32(1500)) + b"".join(extra)


def only(payload: bytes) -> Link:
    (link,) = links(cast(Netlink, Answers(payload)))
    return link


def test_a_vlan_has_its_id_and_its_lower_device() -> None:
    data = attribute(1, b"vlan\0") + attribute(2, attribute(1, struct.pack("=H", 7)))
    link = only(message(attribute(LINK, u32(2)), attribute(LINKINFO, data)))
    assert (link.kind, link.vlan_id, link.peer_ifindex, link.ifname) == ("vlan", 7, 2, "eth0.7")


def test_statistics_from_before_5_19_do_not_know_otherhost() -> None:
    counters = only(message(attribute(STATS64, struct.pack("=24Q", *range(24))))).counters
    assert counters.rx_otherhost is None
    assert (counters.rx_packets, counters.tx_dropped, counters.tx_carrier_errors) == (0, 7, 17)


def test_statistics_longer_than_we_know_are_read_as_far_as_we_do() -> None:
    counters = only(message(attribute(STATS64, struct.pack("=30Q", *range(30))))).counters
    assert counters.rx_otherhost == 24


def test_an_xdp_program_is_a_filter_of_somebody_else() -> None:
    attached = attribute(XDP, attribute(2, b"\1") + attribute(4, u32(77)))
    (program,) = xdp_programs(cast(Netlink, Answers(message(attached), message())))
    assert (program.ifindex, program.hook, program.name) == (9, "xdp", "program 77")


def test_a_name_that_is_no_text_is_shown_escaped() -> None:
    header = struct.pack("=BxHiII", 0, 1, 9, 0, 0)
    link = only(header + attribute(NAME, b"e\xff\0") + attribute(MTU, u32(1500)))
    assert link.ifname == "e\\xff"


@given(st.binary(max_size=200))
def test_no_bytes_break_the_attributes(data: bytes) -> None:
    assert all(len(value) <= len(data) for value in attributes(data).values())
