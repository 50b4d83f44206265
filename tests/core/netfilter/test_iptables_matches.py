"""Each match of iptables: whether it fits a packet, or cannot be told."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import ETH0, state
from tests.core.netfilter.asking import (
    DROP,
    ECHO,
    LEGACY,
    LEGACY6,
    POD,
    POD6,
    UNKNOWN,
    forward,
    legacy,
    rules_of,
    saved,
)  # fmt: skip
from tracer.core.netfilter.probe import Probe
from tracer.model.state import Address, Link, Route

UDP = replace(POD, protocol="udp")
FITS, NOT, UNCLEAR = True, False, None


def fits(words: str, probe: Probe = POD, family: int = 4) -> bool | None:
    """Whether a rule with these matches meets the packet."""
    tool = LEGACY if family == 4 else LEGACY6
    rules = rules_of((tool, saved(f"-A FORWARD {words} -j DROP")))
    outcome = forward(rules, probe).outcome
    return None if outcome is UNKNOWN else outcome is DROP


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("", FITS),
        ("-s 10.244.0.0/16", FITS),
        ("-s 10.244.2.0/24", NOT),
        ("! -s 10.244.2.0/24", FITS),
        ("-s 10.0.1.0/255.0.255.0", FITS),
        ("-d 10.244.2.2/32", FITS),
        ("-d 10.244.2.2", FITS),
        ("-s nonsense", UNCLEAR),
        ("-s 10.0.0.0/99", UNCLEAR),
        ("-i cni0", FITS),
        ("-i cni+", FITS),
        ("-i +", FITS),
        ("-i eth+", NOT),
        ("! -i cni0", NOT),
        ("-o flannel.1", FITS),
        ("-p tcp", FITS),
        ("-p 6", FITS),
        ("-p all", FITS),
        ("! -p tcp", NOT),
        ("-p udp", NOT),
        ("-p nobody-knows", UNCLEAR),
        ("-f", NOT),
        ("! -f", FITS),
        ("-p tcp -m tcp", FITS),
        ("-p tcp -m tcp --dport 80", FITS),
        ("-p tcp --dport 80", FITS),
        ("-p tcp -m tcp --dport ! 80", NOT),
        ("-p tcp -m tcp --dport 79:81", FITS),
        ("-p tcp -m tcp --dport :81", FITS),
        ("-p tcp -m tcp --dport 81:", NOT),
        ("-p tcp -m tcp --dport 80 --sport 1", NOT),
        ("-p tcp -m tcp --dport http", UNCLEAR),
        ("-p tcp -m tcp --tcp-flags SYN,ACK SYN", FITS),
        ("-p tcp -m tcp --tcp-flags ALL NONE", NOT),
        ("-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN", NOT),
        ("-p tcp -m tcp --syn", FITS),
        ("-p tcp -m tcp --tcp-option 5", UNCLEAR),
        ("-p tcp -m multiport --dports 22,80,8000:9000", FITS),
        ("-p tcp -m multiport ! --dports 22,80", NOT),
        ("-p tcp -m multiport --ports 40000", FITS),
        ("-p tcp -m multiport --sports 1:2", NOT),
        ("-m mark --mark 0x0/0x4000", FITS),
        ("-m mark --mark 0x4000/0x4000", NOT),
        ("-m mark ! --mark 0x1", FITS),
        ("-m connmark --mark 0x0", FITS),
        ("-m state --state NEW", FITS),
        ("-m conntrack --ctstate RELATED,ESTABLISHED", NOT),
        ("-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT", FITS),
        ("-m conntrack --ctstate SNAT", NOT),
        ("-m conntrack --ctdir ORIGINAL", FITS),
        ("-m conntrack --ctproto 6", FITS),
        ("-m conntrack --ctorigdst 1.2.3.4", UNCLEAR),
        ("-m iprange --src-range 10.244.1.1-10.244.1.9", FITS),
        ("-m iprange --dst-range 10.244.1.1-10.244.1.9", NOT),
        ("-m length --length 60", FITS),
        ("-m length --length 61:65535", NOT),
        ("-m pkttype --pkt-type unicast", FITS),
        ("-m pkttype --pkt-type broadcast", NOT),
        ("-m physdev --physdev-is-bridged", NOT),
        ("-m physdev ! --physdev-is-bridged", FITS),
        ("-m physdev --physdev-in veth1", UNCLEAR),
        ('-m comment --comment "a \\"b\\" -j ACCEPT"', FITS),
        ("-m comment --comment -j", FITS),
        ("-m recent --set --name DEFAULT --mask 255.255.255.255 --rsource", FITS),
        ("-m recent --update --seconds 30 --hitcount 6", UNCLEAR),
        ("-m owner --uid-owner 0", NOT),
        ("-m owner ! --uid-owner 0", FITS),
        ("-m set --match-set blocked src", UNCLEAR),
        ("-m limit --limit 3/min", UNCLEAR),
        ("-m statistic --mode random --probability 0.5", UNCLEAR),
        ("-m some-new-thing --with options", UNCLEAR),
        ("-m some-new-thing", UNCLEAR),
        ("-p udp -m some-new-thing", NOT),
        ("--what-is-this", UNCLEAR),
    ],
)
def test_a_match_meets_a_pods_packet_or_does_not(words: str, answer: bool | None) -> None:
    assert fits(words) is answer


@pytest.mark.parametrize(
    ("words", "unknown", "answer"),
    [
        ("-s 10.244.0.0/16", {"src": None}, UNCLEAR),
        ("-p tcp -m tcp --dport 80", {"dport": None}, UNCLEAR),
        ("-p udp -m udp --dport 80", {"dport": None}, NOT),
        ("-p tcp", {"protocol": None}, UNCLEAR),
        ("-i cni0", {"iif": None}, UNCLEAR),
        ("-m mark --mark 0x1", {"mark": None}, UNCLEAR),
        ("-m conntrack --ctstate NEW", {"state": None}, UNCLEAR),
        ("-m conntrack --ctstate NEW,DNAT", {"state": None, "dnat": True}, UNCLEAR),
        ("-m length --length 1:9", {"length": None}, UNCLEAR),
        ("-m physdev --physdev-is-bridged", {"bridged": None}, UNCLEAR),
        ("-p tcp -m tcp --syn", {"state": "established"}, UNCLEAR),
        ("-p tcp -m tcp --syn", {"state": "established", "tcp_flags": "SA"}, NOT),
        ("-m conntrack --ctdir ORIGINAL", {"state": "established"}, UNCLEAR),
        ("-m owner --uid-owner 0", {"iif": ""}, UNCLEAR),
    ],
)
def test_what_is_not_known_of_the_packet_leaves_a_match_unclear(
    words: str, unknown: dict[str, Any], answer: bool | None
) -> None:
    assert fits(words, replace(POD, **unknown)) is answer


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("-p icmp", FITS),
        ("-p icmp -m icmp --icmp-type 8", FITS),
        ("-p icmp -m icmp --icmp-type echo-request", FITS),
        ("-p icmp -m icmp --icmp-type 8/0", FITS),
        ("-p icmp -m icmp ! --icmp-type 8/1", FITS),
        ("-p icmp -m icmp --icmp-type 3/4", NOT),
        ("-p icmp -m icmp --icmp-type any", FITS),
        ("-p icmp -m icmp ! --icmp-type any", NOT),
        ("-p tcp -m tcp --dport 80", NOT),
    ],
)
def test_icmp_is_told_by_type_and_code(words: str, answer: bool | None) -> None:
    assert fits(words, ECHO) is answer


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("-s fd00::/16", FITS),
        ("-s fd00::/16 -d fd00::/16", FITS),
        ("-s 10.0.0.0/8", UNCLEAR),
        ("-m addrtype --dst-type LOCAL", NOT),
        ("-m addrtype --dst-type UNICAST", UNCLEAR),
        ("-m length --length 60", FITS),
    ],
)
def test_ipv6_has_its_own_dump(words: str, answer: bool | None) -> None:
    assert fits(words, POD6, family=6) is answer


def test_an_address_type_is_what_the_local_table_says() -> None:
    broadcast = Route(destination="192.0.2.255/32", ifindex=ETH0, table=255, kind="broadcast")
    node = {"routes": (*state("node-a").routes, broadcast)}
    rules = {
        kind: rules_of((LEGACY, saved(f"-A FORWARD -m addrtype --dst-type {kind} -j DROP")), **node)
        for kind in ("LOCAL", "BROADCAST", "MULTICAST", "UNICAST", "LOCAL,MULTICAST")
    }

    def kinds(dst: str) -> set[str]:
        return {kind for kind, rule in rules.items() if forward(rule, dst=dst).outcome is DROP}

    assert kinds("192.0.2.11") == {"LOCAL", "LOCAL,MULTICAST"}
    assert kinds("127.0.0.5") == {"LOCAL", "LOCAL,MULTICAST"}
    assert kinds("192.0.2.255") == {"BROADCAST"}
    assert kinds("255.255.255.255") == {"BROADCAST"}
    assert kinds("224.0.0.1") == {"MULTICAST", "LOCAL,MULTICAST"}
    assert kinds("203.0.113.1") == {"UNICAST"}


def test_an_address_type_may_be_asked_of_one_device() -> None:
    words = "-A FORWARD -m addrtype --dst-type LOCAL --limit-iface-in -j DROP"
    assert forward(legacy(words), dst="192.0.2.11", iif="eth0").outcome is DROP
    assert forward(legacy(words), dst="192.0.2.11").outcome is not DROP


def test_without_recorded_addresses_a_type_is_unclear() -> None:
    rules = rules_of(
        (LEGACY, saved("-A FORWARD -m addrtype --dst-type LOCAL -j DROP")), addresses=()
    )
    assert forward(rules).outcome is UNKNOWN


@pytest.mark.parametrize(
    ("source", "iif", "answer"),
    [
        ("10.244.2.2", "flannel.1", FITS),
        ("10.244.2.2", "eth0", NOT),
        ("203.0.113.5", "eth0", NOT),
        ("10.244.2.2", None, UNCLEAR),
    ],
)
def test_the_reverse_path_filter_asks_for_the_way_back(
    source: str, iif: str | None, answer: bool | None
) -> None:
    rules = legacy("-A PREROUTING -m rpfilter -j DROP", table="raw")
    outcome = rules.verdict("prerouting", replace(POD, src=source, iif=iif)).outcome
    assert (None if outcome is UNKNOWN else outcome is DROP) is answer


def test_a_loose_reverse_path_filter_is_unclear() -> None:
    rules = legacy("-A PREROUTING -m rpfilter --loose -j DROP", table="raw")
    assert rules.verdict("prerouting", POD).outcome is UNKNOWN


IPVS = Link(
    ifindex=77, ifname="kube-ipvs0", kind="dummy", mac=None, mtu=1500, up=False, carrier=False
)
SERVICE = Address(ifindex=77, ip="10.96.0.10", prefix_length=32, scope="global")


@pytest.mark.parametrize(
    ("words", "dst", "answer"),
    [
        ("-m set --match-set KUBE-LOOP-BACK dst,dst,src", "10.244.2.2", NOT),
        ("-m set --match-set KUBE-LOOP-BACK dst,dst,src", "10.244.1.2", UNCLEAR),
        ("-m set --match-set KUBE-IPVS-IPS dst", "192.0.2.11", NOT),
        ("-m set --match-set KUBE-IPVS-IPS dst", "10.96.0.10", UNCLEAR),
        ("-m set ! --match-set KUBE-CLUSTER-IP dst,dst", "192.0.2.11", FITS),
        ("-m set --match-set KUBE-NODE-PORT-TCP dst", "192.0.2.11", UNCLEAR),
    ],
)
def test_kube_proxys_sets_hold_services_and_nothing_else(
    words: str, dst: str, answer: bool | None
) -> None:
    healthy = state("node-a")
    rules = rules_of(
        (LEGACY, saved(f"-A FORWARD {words} -j DROP")),
        links=(*healthy.links, IPVS),
        addresses=(*healthy.addresses, SERVICE),
    )
    outcome = forward(rules, dst=dst).outcome
    assert (None if outcome is UNKNOWN else outcome is DROP) is answer


def test_in_another_mode_kube_proxys_sets_are_unclear() -> None:
    assert fits("-m set --match-set KUBE-IPVS-IPS dst") is UNCLEAR
