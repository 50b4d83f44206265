"""Each match of nft's JSON: whether it fits a packet, or cannot be told."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.netfilter.asking import (
    DROP,
    ECHO,
    NO,
    POD,
    POD6,
    UNKNOWN,
    base,
    ct,
    forward,
    match,
    meta,
    nft,
    payload,
)  # fmt: skip
from tracer.core.netfilter.probe import Probe

UDP = replace(POD, protocol="udp")
SADDR, DADDR = payload("ip", "saddr"), payload("ip", "daddr")
SADDR6 = payload("ip6", "saddr")
DPORT, UDP_DPORT, TH_DPORT = (
    payload("tcp", "dport"),
    payload("udp", "dport"),
    payload("th", "dport"),
)
FLAGS = payload("tcp", "flags")
MARK, L4, IIF, OIF = meta("mark"), meta("l4proto"), meta("iifname"), meta("oifname")
FITS, NOT, UNCLEAR = True, False, None


def fits(
    *matches: dict[str, Any], probe: Probe = POD, sets: tuple[dict[str, Any], ...] = ()
) -> Any:
    """Whether a rule with these matches meets the packet."""
    outcome = forward(nft(*base([*matches, NO]), *sets), probe).outcome
    return None if outcome is UNKNOWN else outcome is DROP


def net(address: str, length: int) -> dict[str, Any]:
    return {"prefix": {"addr": address, "len": length}}


def span(low: Any, high: Any) -> dict[str, Any]:
    return {"range": [low, high]}


def any_of(*elements: Any) -> dict[str, Any]:
    return {"set": list(elements)}


def both(*values: Any) -> dict[str, Any]:
    return {"concat": list(values)}


def bits(left: dict[str, Any], mask: Any) -> dict[str, Any]:
    return {"&": [left, mask]}


@pytest.mark.parametrize(
    ("left", "op", "right", "answer"),
    [
        (SADDR, "==", "10.244.1.2", FITS),
        (SADDR, "!=", "10.244.1.2", NOT),
        (SADDR, "==", net("10.244.0.0", 16), FITS),
        (SADDR, "!=", net("10.244.1.0", 24), NOT),
        (SADDR, "==", span("10.244.1.1", "10.244.1.9"), FITS),
        (SADDR, "==", any_of("10.9.9.9", net("10.244.1.0", 24)), FITS),
        (SADDR, "!=", any_of("10.9.9.9", net("10.244.1.0", 24)), NOT),
        (SADDR, "==", "a.host.name", UNCLEAR),
        (SADDR, "==", any_of("a.host.name", "10.9.9.9"), UNCLEAR),
        (SADDR, "==", any_of("a.host.name", "10.244.1.2"), FITS),
        (SADDR, "==", "@nowhere", UNCLEAR),
        (bits(SADDR, "255.255.0.0"), "==", "10.244.0.0", FITS),
        (SADDR6, "==", net("fd00::", 8), NOT),
        (SADDR6, "!=", net("fd00::", 8), NOT),
        (payload("ip", "protocol"), "==", "tcp", FITS),
        (payload("ip", "length"), ">", 59, FITS),
        (payload("ip", "version"), "==", 4, FITS),
        (payload("ip", "ttl"), "<", 5, UNCLEAR),
        (bits(payload("ip", "frag-off"), 8191), "!=", 0, NOT),
        (bits(payload("ip", "frag-off"), 16384), "!=", 0, UNCLEAR),
        (DPORT, "==", 80, FITS),
        (DPORT, "==", span(79, 81), FITS),
        (DPORT, "==", any_of(22, span(80, 90)), FITS),
        (DPORT, "==", any_of(*(span(n, n + 1) for n in range(0, 200, 4))), FITS),
        (DPORT, "==", any_of(*(span(n, n + 1) for n in range(2, 200, 4))), NOT),
        (DPORT, "==", "http", UNCLEAR),
        (DPORT, ">=", 81, NOT),
        (DPORT, "<=", 80, FITS),
        (UDP_DPORT, "!=", 53, NOT),
        (TH_DPORT, "==", 80, FITS),
        (payload("tcp", "window"), "==", 5, UNCLEAR),
        (payload("udp", "length"), "==", 5, NOT),
        (FLAGS, "in", "syn", FITS),
        (FLAGS, "in", ["ack", "rst"], NOT),
        (FLAGS, "!", "ack", FITS),
        (FLAGS, "!=", "syn", NOT),
        (FLAGS, "==", ["syn", "ack"], NOT),
        (bits(FLAGS, ["syn", "ack"]), "==", "syn", FITS),
        (bits(FLAGS, {"|": ["syn", "ack"]}), "==", "syn", FITS),
        (payload("icmp", "type"), "==", "echo-request", NOT),
        (payload("ether", "type"), "==", "ip", FITS),
        (payload("ether", "saddr"), "==", "02:00:00:00:00:01", UNCLEAR),
        (payload("arp", "operation"), "==", "request", NOT),
        (payload("vlan", "id"), "==", 5, UNCLEAR),
        (payload("esp", "spi"), "==", 5, NOT),
        ({"payload": {"base": "th", "offset": 16, "len": 16}}, "==", 80, UNCLEAR),
        (L4, "==", "tcp", FITS),
        (L4, "==", any_of("udp", "icmp"), NOT),
        (L4, "==", 6, FITS),
        (meta("nfproto"), "==", "ipv4", FITS),
        (meta("nfproto"), "==", "ipv6", NOT),
        (meta("protocol"), "==", "ip", FITS),
        (meta("length"), "<", 61, FITS),
        (meta("pkttype"), "==", "host", FITS),
        (meta("skuid"), "==", 0, UNCLEAR),
        (meta("random"), "<", 100, UNCLEAR),
        (meta("hour"), "==", span("10:00", "12:00"), UNCLEAR),
        (IIF, "==", "cni0", FITS),
        (IIF, "==", "cni*", FITS),
        (IIF, "==", "cni\\*", NOT),
        (IIF, "!=", "lo", FITS),
        (IIF, "==", any_of("lo", "cni*"), FITS),
        (OIF, "==", "flannel.1", FITS),
        (meta("iif"), "==", "cni0", FITS),
        (MARK, "==", 0, FITS),
        (MARK, "==", any_of(1, span(2, 9)), NOT),
        (bits(MARK, 0x4000), "!=", 0, NOT),
        (bits(MARK, 0x4000), "==", 0, FITS),
        ({"|": [MARK, 0x10]}, "==", 0x10, FITS),
        ({"^": [MARK, 0x10]}, "==", 0x10, FITS),
        ({">>": [{"|": [MARK, 0x100]}, 8]}, "==", 1, FITS),
        (ct("state"), "in", "new", FITS),
        (ct("state"), "in", ["established", "related"], NOT),
        (ct("state"), "==", any_of("established", "new"), FITS),
        (ct("state"), "!=", "established", FITS),
        (ct("state"), "!=", {"|": ["established", "new"]}, FITS),
        (ct("status"), "in", "dnat", NOT),
        (ct("status"), "!", "dnat", FITS),
        (ct("status"), "!=", "snat", UNCLEAR),
        (bits(ct("status"), "dnat"), "==", "dnat", NOT),
        (bits(ct("status"), "dnat"), "==", 0, FITS),
        (ct("mark"), "==", 0, FITS),
        (ct("direction"), "==", "original", FITS),
        ({"ct": {"key": "ip saddr", "dir": "original"}}, "==", "10.244.1.2", FITS),
        ({"ct": {"key": "saddr", "dir": "original", "family": "ip"}}, "==", "10.9.9.9", NOT),
        ({"ct": {"key": "proto-dst", "dir": "original"}}, "==", 80, FITS),
        (ct("helper"), "==", "ftp", UNCLEAR),
        (both(SADDR, DPORT), "==", any_of(both("10.244.1.2", 80)), FITS),
        (both(SADDR, DPORT), "==", any_of(both(net("10.244.0.0", 16), span(1, 99))), FITS),
        (both(SADDR, DPORT), "==", any_of(both("10.244.1.2", 81), both("10.9.9.9", 80)), NOT),
        (both(L4, TH_DPORT), "==", any_of(both("udp", 80), both("tcp", 80)), FITS),
        ({"fib": {"result": "type", "flags": ["daddr"]}}, "==", "local", NOT),
        ({"fib": {"result": "type", "flags": ["daddr"]}}, "==", "unicast", FITS),
        ({"fib": {"result": "type", "flags": ["daddr"]}}, "!=", any_of("local", "multicast"), FITS),
        ({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, "==", False, NOT),
        ({"fib": {"result": "oif", "flags": ["saddr", "mark", "iif"]}}, "==", True, FITS),
        ({"fib": {"result": "oif", "flags": ["daddr"]}}, "==", "eth0", UNCLEAR),
        ({"rt": {"key": "nexthop", "family": "ip"}}, "==", "1.2.3.4", UNCLEAR),
        ({"tomorrows": {"expression": 1}}, "==", 1, UNCLEAR),
        (SADDR, "~", "10.244.1.2", UNCLEAR),
    ],
)
def test_a_match_meets_a_pods_packet_or_does_not(
    left: dict[str, Any], op: str, right: Any, answer: bool | None
) -> None:
    assert fits(match(left, right, op)) is answer


@pytest.mark.parametrize(
    ("left", "right", "unknown", "answer"),
    [
        (SADDR, "10.244.1.2", {"src": None}, UNCLEAR),
        (DPORT, 80, {"dport": None}, UNCLEAR),
        (DPORT, 80, {"protocol": None}, UNCLEAR),
        (UDP_DPORT, 80, {"dport": None}, NOT),
        (TH_DPORT, 80, {"protocol": "icmp", "dport": None}, UNCLEAR),
        (IIF, "cni0", {"iif": None}, UNCLEAR),
        (MARK, 1, {"mark": None}, UNCLEAR),
        (bits(MARK, 1), 0, {"mark": None}, UNCLEAR),
        (FLAGS, "syn", {"state": "established"}, UNCLEAR),
        (ct("direction"), "original", {"state": "established"}, UNCLEAR),
        (ct("mark"), 0, {"state": None}, UNCLEAR),
        (ct("mark"), 0, {"state": "untracked"}, NOT),
        (both(SADDR, DPORT), any_of(both("10.9.9.9", 80)), {"dport": None}, NOT),
        (both(SADDR, DPORT), any_of(both("10.244.1.2", 80)), {"dport": None}, UNCLEAR),
        (SADDR, any_of("*"), {"src": None}, FITS),
    ],
)
def test_what_is_not_known_of_the_packet_leaves_a_match_unclear(
    left: dict[str, Any], right: Any, unknown: dict[str, Any], answer: bool | None
) -> None:
    assert fits(match(left, right), probe=replace(POD, **unknown)) is answer


@pytest.mark.parametrize("status", ["seen-reply", "assured"])
def test_a_new_connection_has_had_no_answer(status: str) -> None:
    rule = match(ct("status"), status, "in")
    assert fits(rule) is NOT
    assert fits(rule, probe=replace(POD, state="established")) is UNCLEAR


def test_icmp_is_told_by_type_and_code() -> None:
    request = match(payload("icmp", "type"), any_of("echo-request", "redirect"))
    assert fits(request, probe=ECHO) is FITS
    assert fits(request, match(payload("icmp", "code"), "host-unreachable"), probe=ECHO) is NOT
    assert fits(match(payload("icmpv6", "type"), "echo-request"), probe=ECHO) is NOT


def test_ipv6_addresses_are_compared_as_such() -> None:
    assert fits(match(SADDR6, net("fd00:1::", 64)), probe=POD6) is FITS
    assert fits(match(SADDR, net("0.0.0.0", 0)), probe=POD6) is NOT
    assert fits(match(payload("ip6", "nexthdr"), "tcp"), probe=POD6) is FITS
    assert fits(match(payload("ip6", "length"), 20), probe=POD6) is FITS


def test_what_is_not_local_is_not_whatever_else_it_may_be() -> None:
    kind = {"fib": {"result": "type", "flags": ["daddr"]}}
    assert fits(match(kind, "local"), probe=POD6) is NOT
    assert fits(match(kind, "unicast"), probe=POD6) is UNCLEAR


def named(kind: str, elements: list[Any], name: str = "s", **more: Any) -> dict[str, Any]:
    return {kind: {"family": "inet", "table": "fw", "name": name, "elem": elements, **more}}


def test_a_named_set_is_looked_up_in_the_same_dump() -> None:
    hosts = named("set", ["10.244.1.2", {"elem": {"val": "10.9.9.9", "timeout": 60}}])
    assert fits(match(SADDR, "@s"), sets=(hosts,)) is FITS
    assert fits(match(DADDR, "@s"), sets=(hosts,)) is NOT
    assert fits(match(DADDR, "@s", "!="), sets=(hosts,)) is FITS
    assert fits(match(SADDR, "@s"), sets=(named("set", []),)) is NOT
    assert fits(match(SADDR, "@other"), sets=(hosts,)) is UNCLEAR


def test_a_set_of_another_table_is_another_set() -> None:
    hosts = named("set", ["10.244.1.2"])
    hosts["set"]["table"] = "elsewhere"
    assert fits(match(SADDR, "@s"), sets=(hosts,)) is UNCLEAR


def test_a_set_with_something_that_cannot_be_read_proves_no_miss() -> None:
    odd = named("set", ["a.host.name", {"what": 1}, "10.244.1.2"])
    assert fits(match(SADDR, "@s"), sets=(odd,)) is FITS
    assert fits(match(DADDR, "@s"), sets=(odd,)) is UNCLEAR


def test_a_large_interval_set_is_searched_by_halving() -> None:
    nets = named("set", [net(f"10.{n}.0.0", 16) for n in range(0, 256, 2)])
    assert fits(match(SADDR, "@s"), sets=(nets,)) is FITS
    assert fits(match(SADDR, "@s"), probe=replace(POD, src="10.243.1.1"), sets=(nets,)) is NOT
