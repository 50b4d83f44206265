"""Which packets are ours: the compiled parser, run on frames by BPF_PROG_TEST_RUN."""

import ctypes
import os
import random
import struct
from collections.abc import Iterator

import pytest

from tests.packets import (
    ARP,
    ICMP,
    ICMPV6,
    IPV6,
    PORT,
    TCP,
    UDP,
    arp,
    echo,
    ethernet,
    icmp_error,
    ipv4,
    ipv6,
    tcp,
    udp,
    vxlan,
)
from tracer.collect import bpf
from tracer.collect.layout import IN, RECORD, RawRecord
from tracer.collect.pairing import Filter, flags
from tracer.collect.ring import Ring
from tracer.collect.syscall import PROG_TEST_RUN, address, per_cpu_counts
from tracer.collect.syscall import bpf as call

pytestmark = pytest.mark.kernel

A, B, C, D = "10.244.1.2", "10.244.2.2", "10.244.1.3", "10.244.2.3"
A6, B6, C6 = "fd00:1::2", "fd00:2::2", "fd00:1::3"
NODE_A, NODE_B = "192.0.2.11", "192.0.2.12"
NODE_A6, NODE_B6 = "2001:db8::11", "2001:db8::12"
PAGES = 64


class Parser:
    """The program at a hook, without a device."""

    def __init__(self, wanted: Filter, arch: str | None = None) -> None:
        text = bpf.source("trace.c")
        pages = f"-DRING_PAGES={PAGES}"
        self._module = bpf.compile_source(text, [pages, *flags(wanted)], arch=arch)
        self._program = bpf.load(self._module, "flantrace_in", "SCHED_CLS")
        self._ring = Ring(os.dup(self._module[b"ring"].map_fd), PAGES * 4096)

    def records(self, frame: bytes) -> list[RawRecord]:
        """What the program writes about a frame."""
        data = ctypes.create_string_buffer(frame, len(frame))
        out = ctypes.create_string_buffer(len(frame))
        size = len(frame)
        request = struct.pack(
            "=IIIIQQI", self._program, 0, size, size, address(data), address(out), 1
        )
        _, answer = call(PROG_TEST_RUN, request)
        assert struct.unpack_from("=i", answer, 4) == (-1,)
        assert out.raw == frame, "the program changed the packet"
        return [RawRecord._make(RECORD.unpack(record)) for record in self._ring.drain()]

    def takes(self, frame: bytes) -> bool:
        """Is the frame recorded, and as it is?"""
        records = self.records(frame)
        for record in records:
            assert record.headers[: record.captured] == frame[:160]
            assert record.length == len(frame)
            assert record.direction == IN
        return len(records) == 1

    def lost(self) -> int:
        """Records that found no room."""
        return sum(per_cpu_counts(self._module[b"lost"].map_fd))

    def close(self) -> None:
        """Give LLVM's memory back."""
        self._module.cleanup()


@pytest.fixture(scope="module", params=[None, "arm64"], ids=["native", "compiled for arm64"])
def v4(request: pytest.FixtureRequest) -> Iterator[Parser]:
    wanted = Filter(
        pair=(A, B),
        vxlan_ports=(PORT, 4789),
        neighbours=("10.244.2.0", NODE_A6),
        datagram_port=50999,
    )
    parser = Parser(wanted, arch=request.param)
    yield parser
    parser.close()


@pytest.fixture(scope="module")
def v6() -> Iterator[Parser]:
    parser = Parser(Filter(pair=(A6, B6), vxlan_ports=(PORT,), neighbours=("fd00:2::", NODE_B)))
    yield parser
    parser.close()


def ping(source: str, destination: str, options: bytes = b"") -> bytes:
    return ipv4(source, destination, ICMP, echo(7, 1), options=options)


def ping6(source: str, destination: str) -> bytes:
    return ipv6(source, destination, ICMPV6, echo(7, 1, v6=True))


def underlay(inner: bytes, port: int = PORT, ethertype: int = 0x0800) -> bytes:
    return ipv4(NODE_A, NODE_B, UDP, udp(50000, port, vxlan(ethernet(inner, ethertype))))


def underlay6(inner: bytes, ethertype: int = 0x0800) -> bytes:
    payload = udp(50000, PORT, vxlan(ethernet(inner, ethertype)))
    return ipv6(NODE_A6, NODE_B6, UDP, payload)


def expired(quoted: bytes) -> bytes:
    return ipv4("10.244.1.1", A, ICMP, icmp_error(11, 0, quoted[:28]))


def too_big(quoted: bytes) -> bytes:
    return ipv4("198.51.100.1", NODE_A, ICMP, icmp_error(3, 4, quoted[:120], mtu=1400))


def solicitation(target: str, kind: int = 135) -> bytes:
    from ipaddress import ip_address

    payload = struct.pack("!BBHI", kind, 0, 0, 0) + ip_address(target).packed
    return ipv6("fe80::1", "ff02::1:ff00:2", ICMPV6, payload)


OURS_V4 = {
    "plain": ethernet(ping(A, B)),
    "the other way": ethernet(ping(B, A)),
    "with IP options": ethernet(ping(A, B, options=bytes(40))),
    "a later fragment": ethernet(ipv4(A, B, UDP, bytes(64), offset=1480)),
    "in VXLAN": ethernet(underlay(ping(A, B))),
    "in VXLAN, the other way": ethernet(underlay(ping(B, A))),
    "in VXLAN of another port": ethernet(underlay(ping(A, B), port=4789)),
    "in VXLAN over IPv6": ethernet(underlay6(ping(A, B)), IPV6),
    "in VXLAN, outer options": ethernet(
        ipv4(NODE_A, NODE_B, UDP, udp(1, PORT, vxlan(ethernet(ping(A, B)))), options=bytes(8))
    ),
    "in the first outer fragment": ethernet(
        ipv4(NODE_A, NODE_B, UDP, udp(1, PORT, vxlan(ethernet(ping(A, B)))), more=True)
    ),
    "quoted by a router of the pod network": ethernet(expired(ping(A, B))),
    "quoted, in VXLAN": ethernet(underlay(expired(ping(B, A)))),
    "in VXLAN, quoted by a router of the underlay": ethernet(too_big(underlay(ping(A, B)))),
    "ARP for one of the pair": ethernet(arp(B, A), ARP),
    "ARP for the peer's flannel address": ethernet(arp("10.244.2.0", "10.244.1.0"), ARP),
    "ARP reply from it": ethernet(arp("10.244.1.0", "10.244.2.0", operation=2), ARP),
    "ARP in VXLAN": ethernet(underlay(arp("10.244.2.0", "10.244.1.0"), ethertype=ARP)),
    "neighbour solicitation for a watched underlay address": ethernet(solicitation(NODE_A6), IPV6),
    "our own datagram to the VXLAN port": ethernet(
        ipv4(NODE_A, NODE_B, UDP, udp(50999, PORT, b""))
    ),
    "our own datagram to another port": ethernet(ipv4(NODE_A, NODE_B, UDP, udp(50999, 8473, b"x"))),
    "our own datagram that looks like VXLAN of others": ethernet(
        ipv4(NODE_A, NODE_B, UDP, udp(50999, PORT, vxlan(ethernet(ping(C, D)))))
    ),
}

OTHERS_V4 = {
    "other pods": ethernet(ping(C, D)),
    "one of the pair with another": ethernet(ping(A, D)),
    "another with one of the pair": ethernet(ping(C, B)),
    "a pod with itself": ethernet(ping(A, A)),
    "TCP of others": ethernet(ipv4(C, D, TCP, tcp(1, 2, 3, 2))),
    "other pods in VXLAN": ethernet(underlay(ping(C, D))),
    "one of the pair with another in VXLAN": ethernet(underlay(ping(A, D))),
    "the pair in UDP that is not VXLAN": ethernet(underlay(ping(A, B), port=53)),
    "the pair in VXLAN in VXLAN": ethernet(underlay(underlay(ping(A, B)))),
    "a later outer fragment": ethernet(
        ipv4(NODE_A, NODE_B, UDP, udp(1, PORT, vxlan(ethernet(ping(A, B)))), offset=8)
    ),
    "others, quoted": ethernet(expired(ping(C, D))),
    "others, quoted in VXLAN": ethernet(underlay(expired(ping(C, D)))),
    "others in VXLAN, quoted": ethernet(too_big(underlay(ping(C, D)))),
    "an echo whose payload looks like a quotation": ethernet(
        ipv4(C, D, ICMP, echo(1, 1, size=0) + ping(A, B))
    ),
    "ARP for others": ethernet(arp(D, C), ARP),
    "ARP by one of the pair for another": ethernet(arp(D, A), ARP),
    "neighbour solicitation for others": ethernet(solicitation(C6), IPV6),
    "IPv6": ethernet(ping6(A6, B6), IPV6),
    "another ethertype": ethernet(ping(A, B), 0x88CC),
    "hardly more than an Ethernet header": ethernet(bytes(20)),
}

OURS_V6 = {
    "plain": ethernet(ping6(A6, B6), IPV6),
    "the other way": ethernet(ping6(B6, A6), IPV6),
    "in VXLAN": ethernet(underlay(ping6(A6, B6), ethertype=IPV6)),
    "in VXLAN over IPv6": ethernet(underlay6(ping6(B6, A6), IPV6), IPV6),
    "quoted": ethernet(
        ipv6("fd00:1::1", A6, ICMPV6, icmp_error(3, 0, ping6(A6, B6), v6=True)), IPV6
    ),
    "neighbour solicitation for one of the pair": ethernet(solicitation(B6), IPV6),
    "its answer": ethernet(solicitation(B6, kind=136), IPV6),
    "solicitation for the peer's flannel address": ethernet(solicitation("fd00:2::"), IPV6),
    "ARP for a watched underlay address": ethernet(arp(NODE_B, NODE_A), ARP),
}

OTHERS_V6 = {
    "other pods": ethernet(ping6(C6, B6), IPV6),
    "other pods in VXLAN": ethernet(underlay(ping6(C6, B6), ethertype=IPV6)),
    "others, quoted": ethernet(
        ipv6("fd00:1::1", C6, ICMPV6, icmp_error(3, 0, ping6(C6, B6), v6=True)), IPV6
    ),
    "solicitation for others": ethernet(solicitation(C6), IPV6),
    "IPv4": ethernet(ping(A, B)),
}


@pytest.mark.parametrize("name", OURS_V4)
def test_it_is_ours(v4: Parser, name: str) -> None:
    assert v4.takes(OURS_V4[name])


@pytest.mark.parametrize("name", OTHERS_V4)
def test_it_is_not_ours(v4: Parser, name: str) -> None:
    assert not v4.takes(OTHERS_V4[name])


@pytest.mark.parametrize("name", OURS_V6)
def test_it_is_ours_in_ipv6(v6: Parser, name: str) -> None:
    assert v6.takes(OURS_V6[name])


@pytest.mark.parametrize("name", OTHERS_V6)
def test_it_is_not_ours_in_ipv6(v6: Parser, name: str) -> None:
    assert not v6.takes(OTHERS_V6[name])


def test_hostile_frames_change_nothing_lose_nothing_and_stop_nothing(v4: Parser) -> None:
    source = random.Random(8472)
    frames = [*OURS_V4.values(), *OTHERS_V4.values()]
    for _ in range(3000):
        frame = bytearray(source.choice(frames))
        for _ in range(source.randrange(4)):
            frame[source.randrange(14, max(15, min(120, len(frame)))) - 1] = source.randrange(256)
        # the kernel runs no test on less than an IP header
        cut = bytes(frame[: source.randrange(min(54, len(frame)), len(frame) + 1)])
        for record in v4.records(cut):
            assert record.headers[: record.captured] == cut[:160]
    assert v4.lost() == 0
    assert v4.takes(OURS_V4["in VXLAN"])
