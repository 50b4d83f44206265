"""How rules, chains, tables and hooks make one verdict."""

import pytest
from msgspec.structs import replace

from tests.core.netfilter.asking import (
    ACCEPT,
    BACK,
    DROP,
    GONE,
    LEGACY,
    NFT,
    NO,
    POD,
    POD6,
    REJECT,
    UNKNOWN,
    VXLAN,
    YES,
    base,
    ct,
    document,
    forward,
    jump,
    legacy,
    match,
    meta,
    nft,
    own,
    payload,
    rules_of,
    saved,
)  # fmt: skip
from tracer.core.netfilter.decision import Way


def test_the_first_rule_that_fits_decides_and_is_quoted() -> None:
    said = forward(legacy("-A FORWARD -s 10.244.0.0/16 -j DROP", "-A FORWARD -j ACCEPT"))
    assert said.outcome is DROP
    assert said.quote == "-A FORWARD -s 10.244.0.0/16 -j DROP"
    assert (said.tool, said.table, said.chain) == (LEGACY, "filter", "FORWARD")
    assert said.passes is False


def test_without_a_rule_that_fits_the_policy_decides() -> None:
    said = forward(legacy("-A FORWARD -p udp -j ACCEPT", policy="DROP"))
    assert (said.outcome, said.policy) == (DROP, True)
    assert said.quote == "policy DROP of chain FORWARD in table filter"


def test_a_hook_without_rules_lets_everything_pass() -> None:
    said = forward(rules_of())
    assert (said.outcome, said.passes, said.rewrites) == (ACCEPT, True, False)
    assert said.ways == (Way(outcome=ACCEPT),)


def test_who_accepts_is_quoted_too() -> None:
    said = forward(legacy("-A FORWARD -i cni0 -j ACCEPT", policy="DROP"))
    assert said.quote == "-A FORWARD -i cni0 -j ACCEPT"


def test_counters_are_no_part_of_a_rule() -> None:
    text = "*filter\n:FORWARD ACCEPT [5:300]\n[5:300] -A FORWARD -j DROP\nCOMMIT\n"
    assert forward(rules_of((LEGACY, text))).quote == "-A FORWARD -j DROP"


def test_return_goes_on_behind_the_jump_and_goto_does_not() -> None:
    sub = ("-A SUB -s 10.244.0.0/16 -j RETURN", "-A SUB -j ACCEPT", "-A FORWARD -j DROP")
    jumped = legacy("-A FORWARD -j SUB", *sub, chains="SUB")
    gone = legacy("-A FORWARD -g SUB", *sub, chains="SUB")
    assert forward(jumped).quote == "-A FORWARD -j DROP"
    assert forward(gone).outcome is ACCEPT


def test_a_goto_out_of_a_chain_returns_to_where_that_was_jumped_from() -> None:
    rules = legacy(
        "-A FORWARD -j ONE", "-A FORWARD -j DROP", "-A ONE -g TWO", "-A ONE -j ACCEPT",
        "-A TWO -j RETURN", chains="ONE TWO",
    )  # fmt: skip
    assert forward(rules).quote == "-A FORWARD -j DROP"


def test_return_from_a_base_chain_is_its_policy() -> None:
    rules = legacy("-A FORWARD -j RETURN", "-A FORWARD -j ACCEPT", policy="DROP")
    assert forward(rules).policy


def test_a_rule_without_a_target_only_counts() -> None:
    rules = legacy("-A FORWARD -s 10.244.0.0/16", "-A FORWARD -j LOG --log-prefix x")
    assert forward(rules).outcome is ACCEPT


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "icmp port-unreachable"),
        (" --reject-with icmp-host-prohibited", "icmp host-prohibited"),
        (" --reject-with icmp-admin-prohibited", "icmp admin-prohibited"),
        (" --reject-with icmp-proto-unreachable", "icmp prot-unreachable"),
        (" --reject-with tcp-reset", "tcp reset"),
    ],
)
def test_a_rejection_says_what_the_sender_is_told(words: str, told: str) -> None:
    said = forward(legacy(f"-A FORWARD -p tcp -j REJECT{words}"))
    assert (said.outcome, said.reject) == (REJECT, told)


@pytest.mark.parametrize(
    ("reject", "four", "six"),
    [
        (None, "icmp port-unreachable", "icmpv6 port-unreachable"),
        ({"type": "icmpx", "expr": "no-route"}, "icmp net-unreachable", "icmpv6 no-route"),
        (
            {"type": "icmpx", "expr": "host-unreachable"},
            "icmp host-unreachable",
            "icmpv6 addr-unreachable",
        ),
        (
            {"type": "icmpx", "expr": "admin-prohibited"},
            "icmp admin-prohibited",
            "icmpv6 admin-prohibited",
        ),
        ({"type": "icmp", "expr": "host-prohibited"}, "icmp host-prohibited", ""),
        ({"type": "icmpv6", "expr": "no-route"}, "", "icmpv6 no-route"),
    ],
)
def test_nft_rejects_in_each_familys_words(
    reject: dict[str, str] | None, four: str, six: str
) -> None:
    """A rejection of one family is no rule for the other one."""
    rules = nft(*base([{"reject": reject}]))
    assert forward(rules).reject == four
    assert forward(rules, POD6).reject == six
    assert (forward(rules).outcome is REJECT) is bool(four)


def test_a_reset_is_for_tcp_and_in_a_table_of_both_families_for_nobody_knows_which() -> None:
    reset = [{"reject": {"type": "tcp reset"}}]
    assert forward(nft(*base(reset, table="ip fw"))).reject == "tcp reset"
    assert forward(nft(*base(reset)), protocol="udp").outcome is ACCEPT
    assert forward(nft(*base(reset))).outcome is UNKNOWN


def test_an_accept_ends_its_own_table_and_a_drop_ends_all() -> None:
    """nft-other-table-drop: flannel's rules are there, and do not help."""
    other = document(*base([NO], table="inet fw", prio=10))
    rules = rules_of((LEGACY, saved("-A FORWARD -j ACCEPT", policy="DROP")), (NFT, other))
    said = forward(rules)
    assert (said.outcome, said.tool) == (DROP, NFT)
    assert said.quote == "chain inet fw f: drop"


def test_chains_are_asked_by_priority() -> None:
    late = base([GONE], table="ip late", prio=5)
    early = base([NO], table="ip early", prio=-5)
    assert forward(nft(*late, *early)).table == "ip early"


def test_of_one_priority_any_order_is_possible() -> None:
    drops, rejects = base([NO], table="ip a"), base([GONE], table="ip b")
    said = forward(nft(*drops, *rejects))
    assert (said.outcome, said.passes, said.reject) == (DROP, False, "")
    assert {way.outcome for way in said.ways} == {DROP, REJECT}


def test_where_the_order_decides_whether_it_passes_that_is_unknown() -> None:
    marks = base([{"mangle": {"key": meta("mark"), "value": 1}}], table="ip a")
    drops = base([match(meta("mark"), 1), NO], table="ip b")
    said = forward(nft(*marks, *drops))
    assert (said.outcome, said.passes) == (UNKNOWN, None)
    assert said.unclear == "chains of one priority, in an order that no dump shows"


def test_a_chain_is_asked_at_its_hook_for_its_family() -> None:
    rules = nft(*base([NO], table="ip6 fw", hook="input"))
    assert forward(rules, POD6).outcome is ACCEPT
    assert rules.verdict("input", VXLAN).outcome is ACCEPT
    assert rules.verdict("input", POD6).outcome is DROP


def test_a_policy_of_nft_is_quoted_in_its_words() -> None:
    said = forward(nft(*base(policy="drop")))
    assert (said.quote, said.table) == ("policy drop of chain inet fw f", "inet fw")


def test_a_dormant_table_is_none_and_flags_that_cannot_be_read_may_be_that() -> None:
    items = base([NO])
    items[0]["table"]["flags"] = "dormant"
    assert forward(nft(*items)).outcome is ACCEPT
    items[0]["table"]["flags"] = ["owner", "dormant"]
    assert forward(nft(*items)).outcome is ACCEPT
    items[0]["table"]["flags"] = "owner"
    assert forward(nft(*items)).outcome is DROP
    items[0]["table"]["flags"] = "t"
    assert forward(nft(*items)).outcome is UNKNOWN


def test_a_verdict_map_chooses() -> None:
    data = {"set": [["cni0", jump("c")], ["veth*", NO]]}
    rules = nft(*base([{"vmap": {"key": meta("iifname"), "data": data}}]), *own([NO], chain="c"))
    assert forward(rules).quote == "chain inet fw c: drop"
    assert forward(rules, iif="veth9").quote == (
        'chain inet fw f: iifname vmap { "cni0" : jump c, "veth*" : drop }'
    )
    assert forward(rules, iif="eth0").outcome is ACCEPT
    assert forward(rules, iif=None).outcome is UNKNOWN


def test_a_named_verdict_map_with_concatenations_and_a_rest() -> None:
    ways = [[{"concat": ["10.244.2.2", "tcp", {"range": [1, 99]}]}, YES], ["*", NO]]
    named = {"family": "inet", "table": "fw", "name": "m", "map": "verdict", "elem": ways}
    key = {"concat": [payload("ip", "daddr"), meta("l4proto"), payload("th", "dport")]}
    rules = nft(*base([{"vmap": {"key": key, "data": "@m"}}]), {"map": named})
    assert forward(rules).outcome is ACCEPT
    assert forward(rules, dport=443).outcome is DROP
    assert forward(rules, dport=None).outcome is UNKNOWN


def test_a_verdict_map_that_goes_on_is_no_verdict() -> None:
    data = {"set": [["cni0", {"continue": None}]]}
    rules = nft(
        *base(
            [
                {"vmap": {"key": meta("iifname"), "data": data}},
            ],
            [NO],
        )
    )
    assert forward(rules).quote == "chain inet fw f: drop"


def test_a_verdict_map_that_is_not_in_the_dump_decides_elsewhere() -> None:
    said = forward(nft(*base([{"vmap": {"key": meta("iifname"), "data": "@gone"}}])))
    assert (said.outcome, said.quote) == (UNKNOWN, "chain inet fw f: iifname vmap @gone")


def test_dice_that_can_only_fall_on_a_drop_drop() -> None:
    """kube-proxy chooses endpoints so; every number of the dice is in the map."""
    key = {"numgen": {"mode": "random", "mod": 2, "offset": 0}}
    both = {"vmap": {"key": key, "data": {"set": [[0, NO], [1, jump("c")]]}}}
    one = {"vmap": {"key": key, "data": {"set": [[0, NO]]}}}
    assert forward(nft(*base([both]), *own([NO], chain="c"))).outcome is DROP
    assert forward(nft(*base([one]))).outcome is UNKNOWN


def test_return_of_nft_is_that_of_iptables() -> None:
    rules = nft(*base([jump("c")], [NO]), *own([BACK], [YES], chain="c"))
    assert forward(rules).quote == "chain inet fw f: drop"


@pytest.mark.parametrize("state", ["new", "established", "related", "invalid", "untracked"])
def test_the_state_of_a_connection_is_told(state: str) -> None:
    rules = nft(*base([match(ct("state"), state, "in"), NO]))
    assert forward(rules, state=state).outcome is DROP
    others = {"new", "established"} - {state}
    assert all(forward(rules, state=other).outcome is ACCEPT for other in others)


def test_before_conntrack_no_packet_has_a_connection() -> None:
    words = "-A PREROUTING -m conntrack --ctstate {} -j DROP"
    new = legacy(words.format("NEW"), table="raw")
    invalid = legacy(words.format("INVALID"), table="raw")
    assert new.verdict("prerouting", POD).outcome is ACCEPT
    assert invalid.verdict("prerouting", POD).outcome is DROP


def test_what_is_not_tracked_is_untracked_ever_after() -> None:
    raw = saved("-A PREROUTING -p udp -m udp --dport 8472 -j NOTRACK", table="raw")
    rules = rules_of((LEGACY, raw + saved("-A INPUT -m conntrack --ctstate UNTRACKED -j DROP")))
    last = list(rules.course(("prerouting", "input"), VXLAN))[-1]
    assert (last.hook, last.outcome) == ("input", DROP)
    assert last.packet.state == "untracked"
    assert list(rules.course(("prerouting", "input"), POD))[-1].outcome is ACCEPT


def test_a_connection_once_tracked_stays_so() -> None:
    rules = nft(*base([{"notrack": None}], [match(ct("state"), "untracked", "in"), NO]))
    assert forward(rules).outcome is ACCEPT


def test_a_mark_is_seen_by_later_chains_and_hooks() -> None:
    mangle = saved("-A PREROUTING -i cni0 -j MARK --set-xmark 0x4000/0x4000", table="mangle")
    filters = saved("-A FORWARD -m mark --mark 0x4000/0x4000 -j DROP")
    rules = rules_of((LEGACY, mangle + filters))
    first, second = rules.course(("prerouting", "forward", "postrouting"), POD)
    assert first.packet.mark == 0x4000
    assert second.quote == "-A FORWARD -m mark --mark 0x4000/0x4000 -j DROP"


@pytest.mark.parametrize(
    ("target", "mark"),
    [
        ("MARK --set-xmark 0x10/0xff", 0x1210),
        ("MARK --set-mark 5", 5),
        ("MARK --or-mark 1", 0x1235),
        ("MARK --and-mark 0xff", 0x34),
        ("MARK --xor-mark 0x34", 0x1200),
        ("CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff", 0x1207),
        ("CONNMARK --set-xmark 0x1/0xffffffff", 0x1234),
        ("MARK --do-something-else 1", 0x1234),
    ],
)
def test_marks_are_set_as_the_kernel_sets_them(target: str, mark: int) -> None:
    rules = legacy(f"-A PREROUTING -j {target}", table="mangle")
    said = rules.verdict("prerouting", replace(POD, mark=0x1234, ct_mark=7))
    assert said.packet.mark == mark


def test_a_connections_mark_is_kept_and_seen() -> None:
    rules = legacy(
        "-A FORWARD -j MARK --set-xmark 0x3/0xffffffff",
        "-A FORWARD -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff",
        table="mangle",
    )
    assert forward(rules).packet.ct_mark == 3


def test_an_effect_holds_though_a_later_match_of_its_rule_fails() -> None:
    marks = [{"mangle": {"key": meta("mark"), "value": 2}}, match(payload("udp", "dport"), 53), NO]
    rules = nft(*base(marks, [match(meta("mark"), 2), GONE]))
    assert forward(rules).outcome is REJECT


@pytest.mark.parametrize("mangle", [meta("priority"), payload("ip", "dscp"), {"tcp option": {}}])
def test_what_a_probe_does_not_have_can_be_set_at_will(mangle: dict[str, object]) -> None:
    rules = nft(*base([{"mangle": {"key": mangle, "value": 1}}, YES], policy="drop"))
    assert forward(rules).outcome is ACCEPT


def test_an_address_that_is_set_is_the_packets_from_there_on() -> None:
    sets = [{"mangle": {"key": payload("ip", "daddr"), "value": "10.9.9.9"}}]
    assert forward(nft(*base(sets))).packet.dst == "10.9.9.9"


def test_a_chain_of_a_bridge_is_asked_for_by_its_layer() -> None:
    rules = nft(*base([match(payload("udp", "dport"), 8472), NO], table="bridge fw"))
    assert forward(rules, VXLAN, oif="eth1").outcome is ACCEPT
    assert rules.verdict("forward", VXLAN, layer="bridge").outcome is DROP


def test_a_chain_of_a_device_is_asked_for_that_device() -> None:
    items = base([NO], table="netdev fw", hook="ingress")
    items[1]["chain"]["dev"] = "eth0"
    rules = nft(*items)
    assert rules.verdict("ingress", VXLAN).outcome is DROP
    assert rules.verdict("ingress", replace(VXLAN, iif="eth1")).outcome is ACCEPT
    assert rules.verdict("ingress", replace(VXLAN, iif=None)).outcome is UNKNOWN
