"""Firewalls and forwarding on the hosts."""

import json

from msgspec.structs import replace

from tests.builders import SYSCTLS, state, vtep_ip
from tests.core.rules.asking import ask, case, explained, rules_of, words
from tests.paths import BRIDGE_IN, UPLINK_IN, VTEP_IN, dropped, freed_on, lost
from tracer.core.diagnose import judge
from tracer.core.rules.forwarding import forward_drop
from tracer.core.rules.host import input_drop_8472, ip_forward_off
from tracer.model.observation import Device
from tracer.model.path import Path, Way
from tracer.model.state import FirewallDump, NodeState

INPUT = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:GUARD - [0:0]
-A INPUT -p udp -j GUARD
-A GUARD -p udp -m udp --dport 8472 -j DROP
COMMIT
"""
POLICY = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [7:588]
COMMIT
"""
RAW = """*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -d 10.244.2.0/24 -i cni0 -j DROP
COMMIT
"""
NFT = json.dumps(
    {
        "nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {
                "chain": {
                    "family": "inet",
                    "table": "fw",
                    "name": "f",
                    "type": "filter",
                    "hook": "forward",
                    "prio": 10,
                    "policy": "drop",
                }
            },
            {
                "chain": {
                    "family": "inet",
                    "table": "fw",
                    "name": "i",
                    "type": "filter",
                    "hook": "input",
                    "prio": 0,
                    "policy": "accept",
                }
            },
            {
                "rule": {
                    "family": "inet",
                    "table": "fw",
                    "chain": "i",
                    "expr": [
                        {
                            "match": {
                                "op": "==",
                                "left": {"payload": {"protocol": "udp", "field": "dport"}},
                                "right": 8472,
                            }
                        },
                        {"counter": {"packets": 3, "bytes": 300}},
                        {"drop": None},
                    ],
                }
            },
        ]
    }
)


def guarded(text: str, node: str = "node-b", tool: str = "iptables-nft-save") -> NodeState:
    return replace(state(node), firewall=(FirewallDump(tool=tool, text=text),))


def netfilter(node: str, device: Device, ifname: str, last: int) -> Path:
    return dropped(freed_on(node, device, ifname), "NETFILTER_DROP", "nft_do_chain", last=last)


def test_a_drop_of_the_outer_packet_on_the_uplink_is_the_input_chain() -> None:
    paths = [netfilter("node-b", Device.UPLINK, "eth0", UPLINK_IN)]
    told = judge(case(guarded(INPUT), paths=paths))
    assert words(told) == ("DROPPED", "input-drop-8472", "node-b", "eth0", "NETFILTER_DROP")
    assert "-A GUARD -p udp -m udp --dport 8472 -j DROP" in {
        line.value for line in told.findings[0].evidence
    }
    assert rules_of(told) == {"input-drop-8472"}


def test_a_drop_without_a_readable_rule_is_still_the_input_chain() -> None:
    paths = [netfilter("node-b", Device.UPLINK, "eth0", UPLINK_IN)]
    assert explained(paths=paths)[1] == "input-drop-8472"


def test_loss_behind_the_uplink_needs_a_rule_that_names_the_port() -> None:
    """A kernel whose drops are not watched: the rule itself is the proof."""
    assert explained(guarded(INPUT), paths=[lost(UPLINK_IN)])[1] == "input-drop-8472"
    assert ask(input_drop_8472, case(guarded(POLICY), paths=[lost(UPLINK_IN)])) is None


def test_a_drop_of_the_inner_packet_on_the_vtep_is_the_forward_chain() -> None:
    paths = [netfilter("node-b", Device.VTEP, "flannel.1", VTEP_IN)]
    told = judge(case(guarded(POLICY), paths=paths))
    assert words(told) == ("DROPPED", "forward-drop", "node-b", "flannel.1", "NETFILTER_DROP")
    assert "policy DROP of chain FORWARD in table filter" in {
        line.value for line in told.findings[0].evidence
    }


def test_a_drop_on_the_senders_bridge_is_the_senders_forward_chain() -> None:
    paths = [netfilter("node-a", Device.BRIDGE, "cni0", BRIDGE_IN)]
    told = explained(guarded(POLICY, "node-a"), paths=paths)
    assert told[1:3] == ("forward-drop", "node-a")


def test_a_drop_in_prerouting_is_not_the_forward_chain() -> None:
    paths = [netfilter("node-a", Device.BRIDGE, "cni0", BRIDGE_IN)]
    told = judge(case(guarded(RAW, "node-a"), paths=paths))
    assert words(told)[1:3] == ("raw-or-tc-drop", "node-a")


def test_firewalls_that_could_drop_and_did_not_are_no_finding() -> None:
    for rule in (input_drop_8472, forward_drop):
        for way in (Way.REQUEST, Way.REPLY):
            assert ask(rule, case(guarded(INPUT), guarded(POLICY, "node-a")), way) is None


def quoted(*states: NodeState, paths: list[Path]) -> list[str]:
    """What the finding quotes of the firewall."""
    evidence = judge(case(*states, paths=paths)).findings[0].evidence
    return [line.value for line in evidence if line.label == "rule"]


OUTER_FREED = netfilter("node-b", Device.UPLINK, "eth0", UPLINK_IN)
INNER_FREED = netfilter("node-b", Device.VTEP, "flannel.1", VTEP_IN)


def test_nfts_own_json_is_read_too() -> None:
    dump = guarded(NFT, tool="nft -j list ruleset")
    assert quoted(dump, paths=[OUTER_FREED]) == ["chain inet fw i: udp dport 8472 drop"]
    assert quoted(dump, paths=[INNER_FREED]) == ["policy drop of chain inet fw f"]


def test_the_rule_that_dropped_is_quoted_and_not_all_that_could() -> None:
    rules = POLICY.replace(
        "COMMIT", "-A FORWARD -p tcp -j DROP\n-A FORWARD -i flannel.1 -j DROP\nCOMMIT"
    )
    assert quoted(guarded(rules), paths=[INNER_FREED]) == ["-A FORWARD -i flannel.1 -j DROP"]


def test_where_that_is_not_known_all_that_may_have_dropped_are() -> None:
    rules = POLICY.replace("COMMIT", "-A FORWARD -m set --match-set x src -j DROP\nCOMMIT")
    assert quoted(guarded(rules), paths=[INNER_FREED]) == [
        "-A FORWARD -m set --match-set x src -j DROP",
        "policy DROP of chain FORWARD in table filter",
    ]


def test_a_torn_dump_is_said_to_be_torn() -> None:
    torn = guarded(NFT[: len(NFT) // 2], tool="nft -j list ruleset")
    assert quoted(torn, paths=[OUTER_FREED]) == ["not read: it is no ruleset in JSON"]


def test_odd_rules_raise_nothing() -> None:
    odd = guarded('{"nftables": [{"rule": {"family": "ip"}}, 7]}', tool="nft -j list ruleset")
    assert len(quoted(odd, paths=[OUTER_FREED])) == 1


def test_a_drop_before_routing_is_quoted_for_the_outer_packet() -> None:
    raw = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp --dport 8472 -j DROP\nCOMMIT\n"
    assert quoted(guarded(raw), paths=[OUTER_FREED]) == [
        "-A PREROUTING -p udp --dport 8472 -j DROP"
    ]


def test_packets_for_the_node_itself_are_not_stopped_by_the_forward_chain() -> None:
    """Its own flannel address: INPUT frees them at the same place."""
    hops = []
    for hop in INNER_FREED.hops:
        assert hop.packet is not None
        assert hop.packet.inner is not None
        inner = replace(hop.packet.inner, dst=vtep_ip("node-b"))
        hops.append(replace(hop, packet=replace(hop.packet, inner=inner)))
    to_node = replace(INNER_FREED, hops=tuple(hops))
    assert ask(forward_drop, case(paths=[to_node])) is None
    assert ask(forward_drop, case(paths=[INNER_FREED])) is not None


OFF = dict.fromkeys(SYSCTLS, "0")


def test_a_receiver_that_does_not_forward_explains_address_errors_on_the_vtep() -> None:
    off = replace(state("node-b"), sysctls=OFF)
    at = freed_on("node-b", Device.VTEP, "flannel.1")
    paths = [dropped(at, "IP_INADDRERRORS", "ip_error", last=VTEP_IN)]
    told = judge(case(off, paths=paths))
    assert words(told) == ("DROPPED", "ip-forward-off", "node-b", "flannel.1", "IP_INADDRERRORS")
    assert len(told.findings) == 1
    assert "sysctl -w net.ipv4.ip_forward=1   # on node-b" in told.findings[0].fix


def test_one_device_that_does_not_forward_is_the_same_fault() -> None:
    off = replace(state("node-a"), sysctls=SYSCTLS | {"net.ipv4.conf.cni0.forwarding": "0"})
    at = freed_on("node-a", Device.BRIDGE, "cni0")
    paths = [dropped(at, "IP_INADDRERRORS", "ip_error", last=BRIDGE_IN)]
    told = judge(case(off, paths=paths))
    assert words(told)[1] == "ip-forward-off"
    assert told.findings[0].device == "cni0"


def test_forwarding_that_is_on_is_no_finding_and_unknown_is_not_off() -> None:
    assert ask(ip_forward_off, case()) is None
    unread = replace(state("node-a"), sysctls={})
    told = judge(case(unread))
    assert "ip-forward-off" in {skip.rule for skip in told.skipped}
    assert told.findings == ()
