"""Which packet is it?"""

import pytest

from tests import packets as p
from tests.packets import ACK, FIN, RST, SYN, TCP, UDP, ethernet, ipv4, observed, tcp, udp
from tracer.core.decode import decode
from tracer.core.identity import about, identity
from tracer.model.observation import Device
from tracer.model.packet import InnerId

A, B = "10.244.1.2", "10.244.2.2"


def id_of(packet: bytes) -> InnerId:
    found = identity(decode(observed(ethernet(packet), device=Device.POD), frozenset({8472})))
    assert found is not None
    return found


def test_a_packet_is_the_same_at_every_hop() -> None:
    wire = decode(observed(p.wrapped(p.ping(1, ttl=62), "node-a", "node-b")), frozenset({8472}))
    assert identity(wire) == id_of(p.ping(1, ttl=64))


def test_requests_differ_by_number_and_from_their_replies() -> None:
    tokens = {id_of(packet).token for packet in (p.ping(1), p.ping(2), p.pong(1))}
    assert tokens == {"request id 7 seq 1", "request id 7 seq 2", "reply id 7 seq 1"}


def test_a_retransmitted_syn_is_the_same_packet() -> None:
    first = ipv4(A, B, TCP, tcp(40000, 80, 99, SYN), ip_id=1)
    again = ipv4(A, B, TCP, tcp(40000, 80, 99, SYN), ip_id=2)
    assert id_of(first) == id_of(again)
    assert id_of(first).token == "40000>80 seq 99 SYN"


@pytest.mark.parametrize(
    ("flags", "payload", "mark"),
    [
        (SYN | ACK, b"", " SYN"),
        (ACK, b"", " ACK"),
        (FIN | ACK, b"", " FIN"),
        (RST | ACK, b"", " RST"),
        (ACK, b"data", ""),
        (FIN | ACK, b"data", ""),
    ],
)
def test_an_empty_segment_is_not_the_data_that_follows_it(
    flags: int, payload: bytes, mark: str
) -> None:
    assert id_of(ipv4(A, B, TCP, tcp(1, 2, 3, flags, payload))).token == f"1>2 seq 3{mark}"


def test_datagrams_differ_by_ip_id_and_by_payload() -> None:
    tokens = {
        id_of(ipv4(A, B, UDP, udp(1, 2, payload), ip_id=ip_id)).token
        for ip_id, payload in ((0, b"a"), (0, b"b"), (1, b"a"))
    }
    assert len(tokens) == 3


def test_another_protocol_is_told_by_its_ip_id() -> None:
    assert id_of(ipv4(A, B, 132, bytes(20), ip_id=5)) == InnerId(
        src=A, dst=B, protocol="132", token="id 5"
    )


def test_an_error_is_about_a_packet_even_if_it_quotes_eight_bytes_of_it() -> None:
    segment = ipv4(A, B, TCP, tcp(40000, 80, 99, SYN))
    error = ipv4(B, A, p.ICMP, p.icmp_error(3, 13, segment[:28]))
    inner = decode(observed(ethernet(error), device=Device.POD), frozenset()).inner
    assert inner is not None
    assert inner.quoted is not None
    assert about(inner.quoted, id_of(segment))
    assert not about(inner.quoted, id_of(ipv4(A, B, TCP, tcp(40000, 80, 991, SYN))))
    assert not about(inner.quoted, id_of(p.ping()))
    assert id_of(error).token == "type 3 code 13 about tcp 40000>80 seq 99"


def test_other_icmp_messages_are_told_by_their_ip_id() -> None:
    assert id_of(ipv4(A, B, p.ICMP, bytes([13, 0]) + bytes(18), ip_id=6)).token == (
        "type 13 code 0 id 6"
    )


def test_what_has_no_ip_packet_has_no_identity() -> None:
    question = ethernet(p.arp("10.244.2.0", "10.244.1.0"), p.ARP)
    assert identity(decode(observed(question), frozenset())) is None
