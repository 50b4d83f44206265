"""Programs of others on the hooks are seen; flantrace's own are not counted among them."""

import ctypes
import os
import struct
from collections.abc import Iterator
from functools import partial

import pytest

from tests.collect.nodes import Overlay
from tracer.collect.netlink import Netlink
from tracer.collect.syscall import LINK_CREATE, address, bpf
from tracer.collect.tc_filters import filters, tcx_programs
from tracer.model.state import TcFilter

pytestmark = pytest.mark.kernel

PROG_LOAD, SCHED_CLS, TCX_INGRESS = 5, 3, 46


@pytest.fixture(scope="module")
def net() -> Iterator[Overlay]:
    made = Overlay("t")
    try:
        made.add("node")
        made.ip("node", "link add cni0 type bridge")
        yield made
    finally:
        made.remove()


def program(name: bytes) -> int:
    """A program that says "next" to every packet."""
    code = struct.pack("=BBhiBBhi", 0xB7, 0, 0, -1, 0x95, 0, 0, 0)
    text = ctypes.create_string_buffer(code)
    terms = ctypes.create_string_buffer(b"GPL")
    attr = struct.pack(
        "=IIQQIIQII16s", SCHED_CLS, 2, address(text), address(terms), 0, 0, 0, 0, 0, name
    )
    return bpf(PROG_LOAD, attr)[0]


def test_a_tcx_program_is_named_and_ours_is_left_out(net: Overlay) -> None:
    index = net.ifindex("node", "cni0")
    opened = [program(b"policy"), program(b"flantrace_in")]
    try:
        for one in list(opened):
            attr = struct.pack("=IIII", one, index, TCX_INGRESS, 0)
            opened.append(net.inside("node", partial(bpf, LINK_CREATE, attr))[0])
        found = net.inside("node", lambda: tcx_programs([index, 9999]))
    finally:
        for fd in opened:
            os.close(fd)
    assert found == (TcFilter(ifindex=index, hook="tcx ingress", name="policy"),)


def test_a_clsact_filter_is_named_and_ours_is_left_out(net: Overlay) -> None:
    from pyroute2 import IPRoute

    index = net.ifindex("node", "cni0")
    fds = [program(b"policy"), program(b"ours")]

    def attach() -> None:
        with IPRoute() as ipr:
            ipr.tc("add", "clsact", index)
            for fd, name in zip(fds, ("other.o:[policy]", "flantrace-0123"), strict=True):
                ipr.tc(
                    "add-filter", "bpf", index, ":1", fd=fd, name=name, parent="ffff:fff3",
                    classid=1, direct_action=True,
                )  # fmt: skip

    def look() -> tuple[TcFilter, ...]:
        with Netlink() as netlink:
            return filters(netlink)

    try:
        net.inside("node", attach)
        found = net.inside("node", look)
    finally:
        for fd in fds:
            os.close(fd)
    assert found == (TcFilter(ifindex=index, hook="egress", name="bpf other.o:[policy]"),)


def test_a_node_without_filters_has_none(net: Overlay) -> None:
    index = net.ifindex("node", "cni0")
    assert net.inside("node", lambda: tcx_programs([1, index])) == ()
