"""ICMP messages are read without trust in them."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.collect.icmp import checksum, describe, echo_request, read_echo
from tracer.collect.words import packed_ip

V4, V6 = 2, 10
SRC, DST = packed_ip("10.244.1.5")[1], packed_ip("10.244.2.5")[1]


def ipv4(protocol: int, payload: bytes) -> bytes:
    return (
        struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, SRC, DST)
        + payload
    )


def test_a_request_of_ours_has_a_checksum_that_adds_up() -> None:
    assert checksum(echo_request(V4, 7, 1, b"odd")) == 0


def test_an_error_is_about_the_request_that_it_quotes() -> None:
    quote = ipv4(1, echo_request(V4, 7, 3, b""))
    error = ipv4(1, struct.pack("!BBHHH", 3, 4, 0, 0, 1400) + quote)
    echo = read_echo(V4, error, "10.244.1.1")
    assert echo is not None
    assert (echo.id, echo.seq, echo.dst) == (7, 3, "10.244.2.5")
    assert echo.error == "fragmentation needed, mtu 1400 from 10.244.1.1"


@pytest.mark.parametrize(
    "quote",
    [b"", ipv4(17, bytes(8)), ipv4(1, bytes(4)), ipv4(1, struct.pack("!BBHHH", 0, 0, 0, 7, 3))],
    ids=["nothing", "udp", "cut", "a reply"],
)
def test_an_error_that_quotes_no_request_is_about_nothing_of_ours(quote: bytes) -> None:
    assert read_echo(V4, ipv4(1, struct.pack("!BBHHH", 3, 1, 0, 0, 0) + quote), "x") is None


def test_an_error_of_an_unknown_code_is_described_by_its_numbers() -> None:
    assert describe(V4, 3, 200, 0, "192.0.2.1") == "ICMP type 3 code 200 from 192.0.2.1"


@given(st.sampled_from([V4, V6]), st.binary(max_size=120))
def test_no_bytes_break_the_reader(family: int, packet: bytes) -> None:
    read_echo(family, packet, "192.0.2.1")


@given(st.sampled_from([(3, 1), (11, 0)]), st.binary(max_size=80))
def test_no_quote_breaks_the_reader(kind: tuple[int, int], quote: bytes) -> None:
    read_echo(V4, ipv4(1, struct.pack("!BBHHH", *kind, 0, 0, 0) + quote), "192.0.2.1")
