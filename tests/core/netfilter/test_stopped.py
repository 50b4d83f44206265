"""The one question that rules and predictions ask."""

import pytest
from msgspec.structs import replace

from tests.builders import state
from tests.core.netfilter.asking import ECHO, LEGACY, NFT, POD, VXLAN, saved
from tests.paths import UPLINK_IN, VTEP_IN, path
from tracer.core.netfilter.decision import Outcome
from tracer.core.netfilter.stopped import probe_of, rules_of, stopped
from tracer.model.packet import Packet
from tracer.model.path import Way
from tracer.model.state import FirewallDump, NodeState, NotRead


def guarded(*lines: str, policy: str = "ACCEPT") -> NodeState:
    dump = FirewallDump(tool=LEGACY, text=saved(*lines, policy=policy))
    return state("node-b", firewall=(dump,))


def test_what_passes_is_stopped_by_nothing() -> None:
    assert stopped(guarded("-A FORWARD -p udp -j DROP"), "forward", POD) is None


def test_a_certain_drop_is_quoted_with_its_place() -> None:
    rule = "-A INPUT -p udp -m udp --dport 8472 -j DROP"
    found = stopped(guarded(rule), "input", VXLAN)
    assert found is not None
    assert (found.certain, found.quote, found.tool) == (True, rule, LEGACY)
    assert (found.table, found.chain, found.family) == ("filter", "INPUT", 4)


def test_what_may_stop_it_is_not_certain_and_all_of_it_is_named() -> None:
    rule = "-A FORWARD -m set --match-set x src -j ACCEPT"
    found = stopped(guarded(rule, policy="DROP"), "forward", POD)
    assert found is not None
    assert (found.certain, found.outcome, found.quote) == (False, Outcome.UNKNOWN, rule)
    assert [way.quote for way in found.stops] == ["policy DROP of chain FORWARD in table filter"]


def test_a_dump_that_failed_leaves_it_open_and_one_that_is_not_there_held_nothing() -> None:
    assert stopped(state("node-b"), "forward", POD) is None
    gap = NotRead(what=NFT, why="exit code 1")
    found = stopped(state("node-b", not_read=(gap,)), "forward", POD)
    assert found is not None
    assert (found.certain, found.quote, found.stops) == (False, "", ())
    assert (found.tool, found.unclear) == (NFT, "not read: exit code 1")


def test_a_packet_of_a_hop_is_asked_about_as_its_hook_sees_it() -> None:
    outer, inner = path().hops[UPLINK_IN].packet, path().hops[VTEP_IN].packet
    assert outer is not None
    assert inner is not None
    sent = replace(VXLAN, src="192.0.2.11", dst="192.0.2.12", sport=51000)
    assert probe_of(outer, iif="eth0") == sent
    assert probe_of(inner, iif="cni0", oif="flannel.1") == replace(ECHO, length=84)


@pytest.mark.parametrize("seen", ["new", "established"])
def test_what_is_known_of_a_connection_is_what_a_new_one_has(seen: str) -> None:
    packet = path(Way.REPLY).hops[VTEP_IN].packet
    assert packet is not None
    probe = probe_of(packet, state=seen)
    known = (0, False, False) if seen == "new" else (None, None, None)
    assert (probe.ct_mark, probe.dnat, probe.snat) == known


def test_a_predicted_echo_of_ipv6_is_icmpv6s() -> None:
    packet = path().hops[VTEP_IN].packet
    assert packet is not None
    assert packet.inner is not None
    six = Packet(inner=replace(packet.inner, src="fd00:1::2", dst="fd00:2::2"))
    assert (probe_of(six).protocol, probe_of(six).icmp_type) == ("icmpv6", 128)


def test_of_a_packet_that_was_not_decoded_nothing_is_known() -> None:
    probe = probe_of(Packet())
    assert (probe.src, probe.protocol, probe.state) == (None, None, None)
    found = stopped(guarded("-A FORWARD -p udp -j DROP"), "forward", probe)
    assert found is not None
    assert not found.certain


def test_a_nodes_rules_are_parsed_once() -> None:
    """A check follows hundreds of ways over the same nodes."""
    node = guarded("-A FORWARD -j DROP")
    assert rules_of(node) is rules_of(node)
    assert rules_of(replace(node)) is not rules_of(node)
