"""Bytes -> Packet."""

from hashlib import blake2s
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import packets as p
from tests.packets import IPV6, PORT, TCP, UDP, ethernet, ipv4, ipv6, observed, udp, vxlan
from tracer.core.decode import decode
from tracer.core.identity import identity
from tracer.model.observation import Device, Direction
from tracer.model.packet import Packet

PORTS = frozenset({PORT})
A, B = "10.244.1.2", "10.244.2.2"


def decoded(frame: bytes, **overrides: object) -> Packet:
    return decode(observed(frame, **overrides), PORTS)


def test_a_plain_echo_request_is_the_pods_view() -> None:
    packet = decoded(ethernet(p.ping(3), src="02:00:00:00:00:0a", dst="02:00:00:00:00:0b"))
    inner = packet.inner
    assert packet.outer is None
    assert inner is not None
    assert (inner.src, inner.dst, inner.protocol) == (A, B, "icmp")
    assert (inner.icmp_type, inner.icmp_id, inner.icmp_seq) == (8, 7, 3)
    assert (inner.src_mac, inner.dst_mac) == ("02:00:00:00:00:0a", "02:00:00:00:00:0b")
    assert (inner.ttl, inner.ip_length, inner.payload_length) == (64, 84, 56)
    assert inner.dont_fragment
    assert not packet.truncated
    assert packet.undecodable is None


def test_vxlan_shows_both_packets_and_both_pairs_of_macs() -> None:
    packet = decoded(p.wrapped(p.ping(), "node-a", "node-b"))
    outer, inner = packet.outer, packet.inner
    assert outer is not None
    assert inner is not None
    assert (outer.src, outer.dst, outer.dst_port, outer.vni) == (
        "192.0.2.11",
        "192.0.2.12",
        PORT,
        1,
    )
    assert (outer.src_mac, outer.dst_mac) == (packet.src_mac, packet.dst_mac)
    assert outer.dst_mac == "02:e0:00:00:00:02"
    assert inner.dst_mac == "02:f1:00:00:00:02"
    assert (inner.src, inner.dst) == (A, B)


def test_vxlan_over_ipv6_with_an_ipv6_packet_inside() -> None:
    inside = ipv6("fd00:1::2", "fd00:2::2", p.ICMPV6, p.echo(9, 4, v6=True))
    frame = ethernet(
        ipv6("2001:db8::1", "2001:db8::2", UDP, udp(1, PORT, vxlan(ethernet(inside, IPV6)))), IPV6
    )
    packet = decoded(frame)
    assert packet.outer is not None
    assert packet.outer.src == "2001:db8::1"
    assert packet.inner is not None
    assert (packet.inner.protocol, packet.inner.icmp_seq) == ("icmpv6", 4)


@pytest.mark.parametrize("tags", [(0x8100,), (0x88A8, 0x8100)], ids=["802.1Q", "802.1ad"])
def test_vlan_tags_are_stepped_over(tags: tuple[int, ...]) -> None:
    packet = decoded(ethernet(p.ping(), tags=tags))
    assert packet.inner is not None
    assert packet.inner.icmp_seq == 1


def test_a_second_level_of_vxlan_is_not_followed() -> None:
    nested = ipv4(A, B, UDP, udp(7, PORT, vxlan(ethernet(p.ping()))))
    packet = decoded(p.wrapped(nested, "node-a", "node-b"))
    assert packet.inner is not None
    assert (packet.inner.protocol, packet.inner.dst_port) == ("udp", PORT)


@pytest.mark.parametrize("device", [Device.POD, Device.BRIDGE, Device.VTEP])
def test_a_pods_own_datagram_to_the_vxlan_port_is_not_the_underlays(device: Device) -> None:
    packet = decoded(
        ethernet(ipv4(A, B, UDP, udp(7, PORT, vxlan(ethernet(p.ping()))))), device=device
    )
    assert packet.outer is None
    assert packet.inner is not None
    assert packet.inner.dst_port == PORT


def test_a_packet_freed_on_flannel_1_may_have_outer_headers_already() -> None:
    outside = p.wrapped(p.ping(), "node-a", "node-b")[14:]
    packet = decode(p.freed("node-a", Device.VTEP, "NETFILTER_DROP", outside), PORTS)
    assert packet.outer is not None
    assert packet.inner is not None


def test_a_datagram_to_the_vxlan_port_without_a_vxlan_header_is_outer_alone() -> None:
    plain = ethernet(ipv4("192.0.2.11", "192.0.2.12", UDP, udp(25000, PORT, bytes(12))))
    packet = decoded(plain)
    assert packet.outer is not None
    assert packet.outer.vni is None
    assert packet.inner is None
    assert packet.undecodable == "no VXLAN header: its VNI flag is not set"


def test_a_freed_packet_begins_at_ip_whatever_its_ethertype_says() -> None:
    packet = decode(p.freed("node-b", Device.VTEP, "LOCAL_MAC", p.ping(), ethertype=IPV6), PORTS)
    assert packet.inner is not None
    assert packet.inner.dst == B
    assert packet.src_mac is None


def test_ipv6_asks_for_a_neighbour_by_a_solicitation() -> None:
    target = ip_address("fd00:2::").packed
    option = bytes([1, 1]) + bytes.fromhex("02f600000001")
    asked = bytes([135, 0, 0, 0, 0, 0, 0, 0]) + target + option
    question = ipv6("fd00:1::", "ff02::1:ff00:0", p.ICMPV6, asked)
    packet = decoded(ethernet(question, IPV6))
    assert packet.inner is None
    assert packet.arp is not None
    assert (packet.arp.operation, packet.arp.target_ip) == ("who-has", "fd00:2::")
    assert (packet.arp.sender_ip, packet.arp.sender_mac) == ("fd00:1::", "02:f6:00:00:00:01")
    told = bytes([136, 0, 0, 0, 0, 0, 0, 0]) + target
    answer = decoded(ethernet(ipv6("fd00:2::", "fd00:1::", p.ICMPV6, told), IPV6))
    assert answer.arp is not None
    assert (answer.arp.operation, answer.arp.sender_mac) == ("is-at", answer.src_mac)


def test_a_solicitation_that_names_no_mac_is_an_ordinary_packet() -> None:
    asked = bytes([135, 0, 0, 0, 0, 0, 0, 0]) + ip_address("fd00:2::").packed
    question = ipv6("::", "ff02::1:ff00:0", p.ICMPV6, asked)
    packet = decode(observed(question, ethernet=False, ethertype=IPV6), frozenset({PORT}))
    assert packet.arp is None
    assert packet.inner is not None
    assert packet.inner.icmp_type == 135


def test_arp_says_who_asks_for_whom() -> None:
    question = p.arp("10.244.2.0", "10.244.1.0")
    packet = decode(
        p.freed("node-a", Device.VTEP, "NO_TX_TARGET", question, ethertype=p.ARP), PORTS
    )
    assert packet.arp is not None
    assert (packet.arp.operation, packet.arp.target_ip) == ("who-has", "10.244.2.0")
    assert decoded(ethernet(question, p.ARP)).arp == packet.arp
    odd = decoded(ethernet(b"\0\6" + question[2:], p.ARP))
    assert odd.arp is None
    assert odd.undecodable is not None


def test_the_first_fragment_of_an_outer_packet_says_that_it_is_one() -> None:
    inside = udp(1, PORT, vxlan(ethernet(p.ping())))
    first = decoded(ethernet(ipv4("192.0.2.11", "192.0.2.12", UDP, inside, df=False, more=True)))
    assert first.outer is not None
    assert first.outer.fragment
    assert first.inner is not None
    later = decoded(ethernet(ipv4("192.0.2.11", "192.0.2.12", UDP, inside, offset=1480)))
    assert later.outer is None
    assert later.inner is not None
    assert later.inner.src_port is None


def test_what_is_cut_off_is_said_and_nothing_is_guessed() -> None:
    frame = p.wrapped(p.ping(), "node-a", "node-b")
    for length in range(len(frame) - 56):
        packet = decoded(frame[:length])
        assert packet.truncated, length
    assert not decoded(frame[: len(frame) - 56]).truncated


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (b"\x41" + p.ping()[1:], "IPv4 header of 4 bytes"),
        (ipv4(A, B, UDP, b"", length=10), "IPv4 packet of 10 bytes with a header of 20"),
        (b"\x95" + p.ping()[1:], "IP version 9"),
    ],
)
def test_nonsense_is_named(header: bytes, why: str) -> None:
    assert decoded(ethernet(header)).undecodable == why


@pytest.mark.parametrize(
    ("protocol", "start"),
    [
        (UDP, udp(5, 6, b"")[:7]),
        (TCP, p.tcp(5, 6, 7, 2)[:7]),
        (TCP, p.tcp(5, 6, 7, 2)[:13]),
        (p.ICMP, p.echo(1, 2)[:7]),
        (p.ICMPV6, p.echo(1, 2, v6=True)[:7]),
    ],
)
def test_a_transport_header_that_is_cut_off_leaves_the_ip_packet_readable(
    protocol: int, start: bytes
) -> None:
    packet = decoded(ethernet(ipv4(A, B, protocol, start, length=200)))
    assert packet.truncated
    assert packet.inner is not None
    assert packet.inner.dst == B
    assert packet.inner.payload_length is None


def test_a_transport_header_that_makes_no_sense_is_read_as_far_as_it_does() -> None:
    segment = bytearray(p.tcp(5, 6, 7, 2))
    segment[12] = 0x10
    inner = decoded(ethernet(ipv4(A, B, TCP, bytes(segment)))).inner
    assert inner is not None
    assert (inner.tcp_seq, inner.payload_length) == (7, None)
    solicitation = ipv6("fd00::1", "ff02::2", p.ICMPV6, bytes([133, 0]) + bytes(6))
    inner = decoded(ethernet(solicitation, IPV6)).inner
    assert inner is not None
    assert (inner.icmp_type, inner.icmp_id) == (133, None)


def test_extension_headers_that_are_cut_off_leave_the_addresses() -> None:
    packet = decoded(ethernet(ipv6("fd00::1", "fd00::2", 0, b"\x3c\x00", length=100), IPV6))
    assert packet.truncated
    assert packet.inner is not None
    assert packet.inner.src == "fd00::1"


def test_another_ethertype_is_named() -> None:
    assert decoded(ethernet(b"lldp", 0x88CC)).undecodable == "ethertype 0x88cc"


def test_extension_headers_of_ipv6_are_walked() -> None:
    hop_by_hop = bytes([60, 0]) + bytes(6)
    options = bytes([UDP, 1]) + bytes(14)
    packet = decoded(
        ethernet(ipv6("fd00::1", "fd00::2", 0, hop_by_hop + options + udp(5, 6, b"x")), IPV6)
    )
    assert packet.inner is not None
    assert (packet.inner.protocol, packet.inner.src_port) == ("udp", 5)
    assert packet.inner.payload_length == 1


def test_a_later_fragment_of_ipv6_has_an_id_and_no_ports() -> None:
    fragment = bytes([UDP, 0]) + (1480 | 1).to_bytes(2, "big") + (77).to_bytes(4, "big")
    packet = decoded(ethernet(ipv6("fd00::1", "fd00::2", 44, fragment + bytes(20)), IPV6))
    assert packet.inner is not None
    assert (packet.inner.ip_id, packet.inner.src_port) == (77, None)


def test_an_authentication_header_counts_in_words_of_four_bytes() -> None:
    header = bytes([TCP, 4]) + bytes(22)
    packet = decoded(ethernet(ipv6("fd00::1", "fd00::2", 51, header + p.tcp(1, 2, 3, 2)), IPV6))
    assert packet.inner is not None
    assert packet.inner.tcp_flags == "S"


def test_ip_options_are_stepped_over() -> None:
    packet = decoded(ethernet(ipv4(A, B, UDP, udp(5, 6, b"x"), options=bytes(8))))
    assert packet.inner is not None
    assert packet.inner.src_port == 5


def test_a_super_packet_over_64_kib_has_its_length_from_the_kernel() -> None:
    big = ethernet(ipv4(A, B, TCP, p.tcp(1, 2, 3, 16, b"x" * 80), length=0))
    inner = decoded(big, length=100_014, gso_size=1398).inner
    assert inner is not None
    assert inner.ip_length == 100_000
    assert inner.payload_length == 100_000 - 40


def test_padding_behind_the_ip_packet_is_no_payload() -> None:
    short = ipv4(A, B, UDP, udp(5, 6, b"abc"))
    padded = decoded(ethernet(short + bytes(20))).inner
    assert padded is not None
    assert padded.payload_digest == blake2s(b"abc", digest_size=8).hexdigest()


def test_the_digest_covers_what_fits_behind_every_header() -> None:
    payload = bytes(range(64))
    v4 = decoded(ethernet(ipv4(A, B, UDP, udp(5, 6, payload)))).inner
    assert v4 is not None
    assert v4.payload_digest == blake2s(payload[:32], digest_size=8).hexdigest()
    inside = ipv6("fd00::1", "fd00::2", UDP, udp(5, 6, payload))
    outside = ipv6("2001:db8::1", "2001:db8::2", UDP, udp(1, PORT, vxlan(ethernet(inside, IPV6))))
    at_the_pod = decoded(ethernet(inside, IPV6), device=Device.POD).inner
    on_the_wire = decoded(ethernet(outside, IPV6)).inner
    assert at_the_pod is not None
    assert on_the_wire is not None
    assert at_the_pod.payload_digest == on_the_wire.payload_digest


def test_an_icmp_error_quotes_the_packet_it_is_about() -> None:
    error = ipv4("10.244.1.1", A, p.ICMP, p.icmp_error(3, 1, p.ping(5)))
    inner = decoded(ethernet(error), device=Device.POD).inner
    assert inner is not None
    assert (inner.icmp_type, inner.icmp_code, inner.icmp_mtu) == (3, 1, None)
    assert inner.quoted == identity(decoded(ethernet(p.ping(5))))


def test_fragmentation_needed_says_which_mtu() -> None:
    v4 = decoded(ethernet(ipv4(A, B, p.ICMP, p.icmp_error(3, 4, p.ping(), mtu=1450)))).inner
    quoted = ipv6("fd00::1", "fd00::2", p.ICMPV6, p.echo(1, 2, v6=True))
    error = p.icmp_error(2, 0, quoted, mtu=1430, v6=True)
    v6 = decoded(ethernet(ipv6("fd00::9", "fd00::1", p.ICMPV6, error), IPV6)).inner
    assert v4 is not None
    assert v6 is not None
    assert (v4.icmp_mtu, v6.icmp_mtu) == (1450, 1430)
    assert v6.quoted is not None
    assert v6.quoted.token == "request id 1 seq 2"


def test_an_error_of_the_underlay_is_about_the_packet_inside_of_vxlan() -> None:
    refused = p.wrapped(p.ping(2), "node-a", "node-b")[14:]
    error = ipv4("192.0.2.12", "192.0.2.11", p.ICMP, p.icmp_error(3, 3, refused))
    inner = decoded(ethernet(error)).inner
    assert inner is not None
    assert inner.quoted is not None
    assert inner.quoted.token == "request id 7 seq 2"


@settings(max_examples=400, deadline=None)
@given(
    st.binary(max_size=200),
    st.booleans(),
    st.sampled_from([None, 0, p.IPV4, p.ARP, p.IPV6]),
    st.sampled_from(list(Device)),
    st.sampled_from(list(Direction)),
    st.integers(0, 200_000),
)
def test_no_bytes_make_it_raise(
    frame: bytes, whole: bool, ethertype: int | None, device: Device, way: Direction, length: int
) -> None:
    decode(
        observed(
            frame,
            ethernet=whole,
            ethertype=ethertype,
            device=device,
            direction=way,
            length=length,
        ),
        PORTS,
    )


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_no_mutation_of_a_real_frame_makes_it_raise(data: st.DataObject) -> None:
    quoted = p.wrapped(ipv4(A, B, p.ICMP, p.icmp_error(11, 0, p.ping())), "node-a", "node-b")
    frames = [quoted, p.wrapped(p.ping(), "node-a", "node-b"), ethernet(p.ping(), tags=(0x8100,))]
    frame = bytearray(data.draw(st.sampled_from(frames))[: p.CAPTURED])
    for _ in range(data.draw(st.integers(1, 6))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(frame)))
    packet = decoded(bytes(frame[:cut]))
    identity(packet)
