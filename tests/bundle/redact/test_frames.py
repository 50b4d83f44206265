"""Frames: addresses replaced in place, payload cut, and the core finds the same packets."""

from ipaddress import ip_address
from struct import pack, unpack_from

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests import packets as p
from tests.bundle.redact.maps import SECRET, addresses, macs
from tests.packets import ICMP, ICMPV6, IPV6, PORT, TCP, UDP, ethernet, ipv4, ipv6, observed, udp
from tracer.bundle.redact.frames import Frames
from tracer.core.decode import decode
from tracer.core.identity import identity
from tracer.model.observation import Device, Direction, Observation
from tracer.model.packet import Packet

PORTS = frozenset({PORT, 4789})
SUBNETS = ("10.244.1.0/24", "10.244.2.0/24", "192.0.2.0/24")
MAP, MACS = addresses(*SUBNETS), macs()
FRAMES = Frames(SECRET, MAP, MACS, PORTS)
A, B = "10.244.1.2", "10.244.2.2"
SAID = b"Authorization: Bearer s3cr3t, and so on and on"


def cut(frame: bytes, **overrides: object) -> bytes:
    return FRAMES.headers(observed(frame, **overrides))


def seen_again(frame: bytes, **overrides: object) -> Packet:
    """What the core reads out of the redacted frame."""
    before = observed(frame, **overrides)
    return decode(replace(before, headers=FRAMES.headers(before)), PORTS)


def test_macs_and_addresses_follow_their_maps_inside_and_outside() -> None:
    packet = seen_again(p.wrapped(p.ping(3), "node-a", "node-b"))
    outer, inner = packet.outer, packet.inner
    assert outer is not None
    assert inner is not None
    assert (outer.src, outer.dst) == (MAP.ip("192.0.2.11"), MAP.ip("192.0.2.12"))
    assert outer.dst_mac == MACS.text("02:e0:00:00:00:02")
    assert inner.dst_mac == MACS.text("02:f1:00:00:00:02")
    assert (inner.src, inner.dst) == (MAP.ip(A), MAP.ip(B))
    assert (inner.icmp_id, inner.icmp_seq, inner.ttl, inner.ip_length) == (7, 3, 64, 84)
    assert not packet.truncated


@pytest.mark.parametrize(
    "packet",
    [
        ipv4(A, B, UDP, udp(1, 53, SAID)),
        ipv4(A, B, TCP, p.tcp(1, 2, 9, 0x18, SAID)),
        ipv4(A, B, ICMP, p.echo(1, 1) + SAID),
        ipv4(A, B, 132, SAID),
        ipv4(A, B, UDP, SAID, offset=1480),
        ipv4(A, B, ICMP, p.icmp_error(3, 3, ipv4(B, A, UDP, udp(1, 2, SAID)))),
        ipv4(A, B, ICMP, pack("!BBHI", 13, 0, 0, 0) + SAID),
        ipv4(A, B, UDP, udp(1, PORT, SAID)),
        ipv4(A, B, UDP, udp(1, 2, b"")) + SAID,
        ipv4(A, B, ICMP, p.echo(1, 1), options=b"\x07\x18\x04Authorization: Bea"),
    ],
)
@pytest.mark.parametrize("device", [Device.POD, Device.UPLINK])
def test_nothing_of_what_was_said_remains(packet: bytes, device: Device) -> None:
    for frame in (ethernet(packet), p.wrapped(packet, "node-a", "node-b")):
        found = cut(frame, device=device)
        for start in range(len(SAID) - 3):
            assert SAID[start : start + 4] not in found


def test_the_same_payload_is_the_same_packet_at_every_hop_and_another_is_another() -> None:
    def ids(payload: bytes) -> set[object]:
        packet = ipv4(A, B, UDP, udp(5, 6, payload), ip_id=0)
        wire = seen_again(p.wrapped(packet, "node-a", "node-b"))
        return {identity(wire), identity(seen_again(ethernet(packet), device=Device.POD))}

    assert len(ids(SAID)) == 1
    assert ids(SAID) != ids(SAID[::-1])


def test_two_payloads_of_one_byte_do_not_meet() -> None:
    tokens = {cut(ethernet(ipv4(A, B, UDP, udp(5, 6, bytes((n,))))))[42:] for n in range(256)}
    assert len(tokens) == 256


def test_a_payload_cannot_be_told_without_the_key() -> None:
    frame = ethernet(ipv4(A, B, UDP, udp(5, 6, SAID)))
    other = Frames(type(SECRET)(b"another"), MAP, MACS, PORTS)
    assert cut(frame)[42:] != other.headers(observed(frame))[42:]


def test_an_icmp_error_is_still_about_its_packet() -> None:
    probe = ipv4(A, B, UDP, udp(5, 6, SAID), ip_id=77)
    about = identity(seen_again(ethernet(probe), device=Device.POD))
    error = ipv4(B, A, ICMP, p.icmp_error(3, 3, probe))
    inner = seen_again(ethernet(error), device=Device.POD).inner
    assert inner is not None
    assert inner.quoted == about


def test_so_is_one_about_a_vxlan_packet() -> None:
    quoted = p.wrapped(p.ping(4), "node-a", "node-b")[14:]
    error = ipv4("192.0.2.12", "192.0.2.11", ICMP, p.icmp_error(3, 4, quoted, mtu=1400))
    inner = seen_again(ethernet(error)).inner
    assert inner is not None
    assert inner.icmp_mtu == 1400
    assert inner.quoted == identity(seen_again(ethernet(p.ping(4)), device=Device.POD))


def test_arp_shows_all_four_addresses_by_the_maps() -> None:
    packet = seen_again(p.arp(B, A), ethernet=False, ethertype=p.ARP)
    assert packet.arp is not None
    assert packet.arp.sender_mac == MACS.text("02:f1:00:00:00:01")
    assert (packet.arp.sender_ip, packet.arp.target_ip) == (MAP.ip(A), MAP.ip(B))


def test_neighbour_discovery_shows_target_and_mac_by_the_maps_and_no_other_option() -> None:
    mac = bytes.fromhex("525400c0020b")
    target = ip_address("fe80::5054:ff:fec0:20b").packed
    options = b"\x01\x01" + mac + b"\x0e\x01secret"
    message = pack("!BBHI", 135, 0, 0xBEEF, 0) + target + options
    found = cut(ethernet(ipv6("fe80::1", "ff02::1:ffc0:20b", ICMPV6, message), IPV6))
    assert found[14 + 40 + 8 :] == MAP.packed(target) + b"\x01\x01" + MACS.packed(mac)
    assert found[14 + 24 : 14 + 40] == MAP.packed(ip_address("ff02::1:ffc0:20b").packed)
    assert found[14 + 42 : 14 + 44] == b"\0\0"


def test_a_redirect_names_its_gateway_by_the_map() -> None:
    message = pack("!BBH4s", 5, 1, 0, ip_address(B).packed) + p.ping()
    found = cut(ethernet(ipv4(A, B, ICMP, message)))
    assert found[14 + 20 + 4 :][:4] == MAP.packed(ip_address(B).packed)


def checksum(header: bytes) -> int:
    total: int = sum(unpack_from("!10H", header))
    return (total & 0xFFFF) + (total >> 16)


@pytest.mark.parametrize(("error", "right"), [(0, True), (1, False)])
def test_an_ip_checksum_is_right_if_it_was_and_tells_no_address(error: int, right: bool) -> None:
    packet = bytearray(ipv4(A, B, ICMP, p.echo(1, 1)))
    packet[10:12] = (0xFFFF - checksum(bytes(packet[:20])) ^ error).to_bytes(2, "big")
    found = cut(ethernet(bytes(packet)))
    assert (checksum(found[14:34]) == 0xFFFF) is right
    assert found[24:26] != packet[10:12]


def test_a_checksum_that_the_card_was_to_compute_stays_empty() -> None:
    assert cut(ethernet(p.ping()))[24:26] == b"\0\0"


@pytest.mark.parametrize(("protocol", "at"), [(UDP, 6), (TCP, 16), (ICMP, 2)])
def test_checksums_of_transports_are_gone(protocol: int, at: int) -> None:
    body = bytearray(p.tcp(1, 2, 3, 2) if protocol == TCP else udp(1, 2, SAID))
    if protocol == ICMP:
        body = bytearray(p.echo(1, 2))
    body[at : at + 2] = b"\xab\xcd"
    found = cut(ethernet(ipv4(A, B, protocol, bytes(body))))
    assert found[34 + at : 34 + at + 2] == b"\0\0"


def test_of_tcps_options_only_what_both_can_do_stays() -> None:
    mss, scale, sack = b"\x02\x04\x05\x82", b"\x03\x03\x07", b"\x04\x02"
    clock, key = b"\x08\x0aclocktim", b"\x13\x12" + bytes(range(16))
    options = mss + sack + b"\x01" + scale + clock + key
    options += bytes(-len(options) % 4)
    header = bytearray(p.tcp(1, 2, 3, 2) + options)
    header[12] = (5 + len(options) // 4) << 4
    found = cut(ethernet(ipv4(A, B, TCP, bytes(header) + SAID)))
    assert found[54:] == mss + sack + b"\x01" + scale + b"\x01" * 28 + bytes(2)


def test_extension_headers_are_emptied_and_the_packet_behind_them_is_found() -> None:
    routing = bytes((UDP, 2, 0, 1, 0, 0, 0, 0)) + ip_address("fd00::99").packed
    packet = ipv6("fd00::1", "fd00::2", 43, routing + udp(5, 6, SAID))
    found = seen_again(ethernet(packet, IPV6), device=Device.POD).inner
    assert found is not None
    assert (found.src_port, found.dst_port, found.src) == (5, 6, MAP.ip("fd00::1"))
    assert ip_address("fd00::99").packed not in cut(ethernet(packet, IPV6))


@pytest.mark.parametrize(
    ("frame", "kept"),
    [
        (ethernet(SAID, 0x88CC), 14),
        (ethernet(b"\x95" + SAID), 15),
        (ethernet(b"\x41" + SAID), 34),
        (ethernet(SAID, 0x88CC, tags=(0x8100,)), 18),
        (ethernet(p.ping())[:20], 14),
        (ethernet(p.ping())[:9], 0),
        (ethernet(ipv4(A, B, UDP, udp(1, 2, b"")))[:37], 34),
        (ethernet(p.arp(A, B), p.ARP)[:30], 14),
    ],
)
def test_what_cannot_be_understood_is_cut(frame: bytes, kept: int) -> None:
    assert len(cut(frame)) == kept


def test_of_an_impossible_header_only_its_length_stays() -> None:
    assert cut(ethernet(b"\x41" + SAID))[14:] == b"\x41" + bytes(19)


def test_a_datagram_to_the_vxlan_port_does_not_become_vxlan() -> None:
    for number in range(64):
        said = b"\x07" + number.to_bytes(2, "big") + SAID
        packet = ipv4(A, B, UDP, udp(5, PORT, said))
        freed = p.freed("node-a", Device.BRIDGE, None, packet)
        again = decode(replace(freed, headers=FRAMES.headers(freed)), PORTS)
        assert again.outer is None
        assert again.inner is not None


def test_a_datagram_to_it_on_the_uplink_stays_one_without_a_vni() -> None:
    packet = seen_again(ethernet(ipv4(A, B, UDP, udp(5, PORT, b"flantrace test"))))
    assert packet.outer is not None
    assert packet.outer.vni is None
    assert packet.undecodable == "no VXLAN header: its VNI flag is not set"


OBSERVATIONS = st.builds(
    lambda headers, device, direction, ethernet, ethertype, length: observed(
        headers,
        device=device,
        direction=direction,
        ethernet=ethernet,
        ethertype=ethertype,
        length=length,
    ),
    st.binary(max_size=160)
    | st.builds(
        lambda frame, cut, noise: frame[:cut] + noise,
        st.sampled_from(
            (
                p.wrapped(p.ping(), "node-a", "node-b"),
                ethernet(ipv4(A, B, UDP, udp(5, PORT, SAID))),
                ethernet(ipv4(A, B, ICMP, p.icmp_error(3, 3, ipv4(B, A, UDP, udp(1, 2, SAID))))),
                ethernet(
                    ipv6("fd00::1", "fd00::2", 0, bytes((UDP, 0)) + bytes(6) + udp(5, 6, SAID)),
                    IPV6,
                ),
                ethernet(p.arp(A, B), p.ARP),
                ethernet(ipv4(A, B, TCP, p.tcp(1, 2, 9, 0x18, SAID))),
            )
        ),
        st.integers(0, 160),
        st.binary(max_size=60),
    ),
    st.sampled_from(Device),
    st.sampled_from(Direction),
    st.booleans(),
    st.sampled_from((None, p.IPV4, p.IPV6, p.ARP, 0x88CC)),
    st.integers(0, 70_000),
)


@given(OBSERVATIONS)
def test_any_frame_is_redacted_and_none_gets_longer(observation: Observation) -> None:
    assert len(FRAMES.headers(observation)) <= len(observation.headers)


@given(OBSERVATIONS)
def test_any_frame_is_read_as_the_same_sort_of_packet(observation: Observation) -> None:
    before = decode(observation, PORTS)
    after = decode(replace(observation, headers=FRAMES.headers(observation)), PORTS)
    assert _sort(after) == _sort(before)
    assert _who(after) == [None if one is None else _mapped(one) for one in _who(before)]


def _who(packet: Packet) -> list[str | None]:
    """All addresses and MACs that the core reads of a packet."""
    outer, inner, arp = packet.outer, packet.inner, packet.arp
    found: list[str | None] = [packet.src_mac, packet.dst_mac]
    if outer is not None:
        found += [outer.src, outer.dst, outer.src_mac, outer.dst_mac]
    if inner is not None:
        found += [inner.src, inner.dst, inner.src_mac, inner.dst_mac]
        found += [inner.quoted.src, inner.quoted.dst] if inner.quoted else []
    if arp is not None:
        found += [arp.sender_mac, arp.sender_ip, arp.target_ip]
    return found


def _mapped(one: str) -> str:
    return MACS.text(one) if len(one) == 17 and one.count(":") == 5 else MAP.ip(one)


def _sort(packet: Packet) -> object:
    """All that the core reads of a packet but addresses, MACs and digests."""
    inner = packet.inner
    said = (
        None
        if inner is None
        else (
            inner.protocol, inner.ttl, inner.ip_id, inner.ip_length, inner.src_port,
            inner.dst_port, inner.tcp_seq, inner.tcp_flags, inner.payload_length, inner.icmp_type,
            inner.icmp_code, inner.icmp_id, inner.icmp_seq, inner.icmp_mtu,
            inner.quoted and inner.quoted.protocol,
        )
    )  # fmt: skip
    outer = packet.outer and (packet.outer.src_port, packet.outer.dst_port, packet.outer.vni)
    arp = packet.arp and packet.arp.operation
    return said, outer, arp, packet.truncated, packet.undecodable
