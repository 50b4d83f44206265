"""What a dump cannot tell is said to be unknown, and no more than that."""

import pytest
from msgspec.structs import replace

from tests.builders import state
from tests.core.netfilter.asking import (
    ACCEPT,
    DROP,
    LEGACY,
    NFT,
    NO,
    POD,
    POD6,
    REJECT,
    UNKNOWN,
    VXLAN,
    WORDS,
    base,
    document,
    forward,
    legacy,
    nft,
    rules_of,
    saved,
)  # fmt: skip
from tracer.core.netfilter.ruleset import ruleset
from tracer.model.state import FirewallDump, NotRead

SET = "-A FORWARD -m set --match-set blocked src -j DROP"


def test_a_drop_that_may_be_is_unknown_and_quoted() -> None:
    said = forward(legacy(SET))
    assert (said.outcome, said.passes) == (UNKNOWN, None)
    assert (said.quote, said.unclear) == (SET, "-m set --match-set blocked src")
    assert {way.outcome for way in said.ways} == {DROP, ACCEPT}


def test_a_part_of_nfts_rule_is_said_in_its_words() -> None:
    said = forward(nft(*base([{"limit": {"rate": 3, "burst": 5, "per": "minute"}}, NO])))
    assert said.unclear == "limit rate 3/minute"
    assert said.quote == "chain inet fw f: limit rate 3/minute drop"


def test_where_every_way_ends_alike_nothing_is_unclear() -> None:
    assert forward(legacy(SET, policy="DROP")).outcome is DROP
    assert forward(legacy(SET, "-A FORWARD -j DROP")).outcome is DROP
    assert forward(legacy(SET.replace("DROP", "ACCEPT"))).outcome is ACCEPT


def test_a_drop_or_a_rejection_is_certainly_no_passage() -> None:
    said = forward(legacy(SET, "-A FORWARD -j REJECT"))
    assert (said.outcome, said.passes, said.reject) == (DROP, False, "")
    assert {way.outcome for way in said.ways} == {DROP, REJECT}


def test_an_unclear_rule_that_only_logs_is_of_no_consequence() -> None:
    """ufw's rules are full of them."""
    log = "-A FORWARD -m limit --limit 3/min -j LOG --log-prefix x"
    assert forward(legacy(log, policy="DROP")).quote.startswith("policy DROP")


def test_an_unclear_jump_into_nothing_is_of_no_consequence() -> None:
    jump = "-A FORWARD -m set --match-set x src -j SUB"
    rules = legacy(jump, "-A SUB -j RETURN", SET, chains="SUB")
    assert forward(rules).quote == SET


def test_what_an_unclear_accept_spares_is_unknown() -> None:
    rules = legacy(SET.replace("DROP", "ACCEPT"), policy="DROP")
    assert forward(rules).outcome is UNKNOWN


def test_an_unclear_return_leaves_both_ways() -> None:
    rules = legacy(
        "-A FORWARD -j SUB", "-A SUB -m set --match-set x src -j RETURN", "-A SUB -j DROP",
        chains="SUB",
    )  # fmt: skip
    assert {way.outcome for way in forward(rules).ways} == {DROP, ACCEPT}


def test_a_mark_that_may_be_set_is_not_known() -> None:
    rules = legacy(
        "-A PREROUTING -m set --match-set x src -j MARK --set-xmark 0x1/0xffffffff", table="mangle"
    )
    assert rules.verdict("prerouting", POD).packet.mark is None


def test_the_first_rule_that_cannot_be_evaluated_is_the_quoted_one() -> None:
    second = SET.replace("blocked", "other")
    assert forward(legacy(SET, second)).quote == SET


def test_what_was_settled_in_one_table_is_no_doubt_in_the_next() -> None:
    mangle = saved("-A FORWARD -m set --match-set x src -j ACCEPT", table="mangle")
    assert forward(rules_of((LEGACY, mangle + saved(SET)))).quote == SET


@pytest.mark.parametrize("target", ["NFQUEUE --queue-num 1", "TPROXY --on-port 1", "SOMETHING"])
def test_what_a_program_or_a_stranger_decides_is_unknown(target: str) -> None:
    said = forward(legacy(f"-A FORWARD -j {target}"))
    assert (said.outcome, said.passes) == (UNKNOWN, None)
    assert said.quote == f"-A FORWARD -j {target}"


@pytest.mark.parametrize("statement", [{"queue": {"num": 1}}, {"fwd": {"dev": "eth1"}}, {"new": 1}])
def test_so_is_what_nft_hands_on(statement: dict[str, object]) -> None:
    assert forward(nft(*base([statement]))).outcome is UNKNOWN


def test_a_jump_to_a_chain_that_is_not_there_is_unknown() -> None:
    assert forward(nft(*base([{"jump": {"target": "gone"}}]))).outcome is UNKNOWN


def test_a_packet_of_unknown_connection_may_be_dropped_as_invalid() -> None:
    rules = legacy("-A FORWARD -m conntrack --ctstate INVALID -j DROP")
    assert forward(rules, state=None).outcome is UNKNOWN


LEGACY_EMPTY = FirewallDump(tool=LEGACY, text="")
NFT_EMPTY = FirewallDump(tool=NFT, text=document())


def test_without_nfts_dump_nothing_is_said_to_pass() -> None:
    """flannel and kube-proxy bring their own nft; the host may have none."""
    missing = NotRead(what=NFT, why="not installed")
    rules = ruleset(state("node-a", firewall=(LEGACY_EMPTY,), not_read=(missing,)))
    said = forward(rules)
    assert (said.outcome, said.passes) == (UNKNOWN, None)
    assert (said.tool, said.unclear) == (NFT, "not read: not installed")


def test_but_what_is_dropped_for_certain_is_dropped() -> None:
    rules = ruleset(
        state("node-a", firewall=(FirewallDump(tool=LEGACY, text=saved(SET, policy="DROP")),))
    )
    assert forward(rules).outcome is DROP


def test_where_no_dump_was_made_nothing_is_known() -> None:
    rules = ruleset(state("node-a"))
    assert {each.what for each in rules.missing} == {NFT, LEGACY, "ip6tables-legacy-save"}
    assert forward(rules).unclear == "not read: no such dump"


def test_a_missing_dump_of_the_other_family_does_not_matter() -> None:
    missing = NotRead(what="ip6tables-legacy-save", why="exit code 1")
    rules = ruleset(state("node-a", firewall=(LEGACY_EMPTY, NFT_EMPTY), not_read=(missing,)))
    assert forward(rules).outcome is ACCEPT
    assert forward(rules, POD6).outcome is UNKNOWN


def test_the_words_of_iptables_nft_may_be_missing_where_nft_is_not() -> None:
    missing = NotRead(what=WORDS, why="not installed")
    rules = ruleset(state("node-a", firewall=(LEGACY_EMPTY, NFT_EMPTY), not_read=(missing,)))
    assert forward(rules).outcome is ACCEPT


@pytest.mark.parametrize(
    "text", ["{", '{"nftables": 5}', '{"other": []}', "{}", '{"nftables": [5]}']
)
def test_a_ruleset_that_cannot_be_read_is_as_good_as_none(text: str) -> None:
    rules = rules_of((NFT, text))
    assert forward(rules).unclear == "not read: it is no ruleset in JSON"


def test_a_dump_that_was_cut_short_is_not_trusted() -> None:
    rules = rules_of((LEGACY, saved("-A FORWARD -j ACCEPT").replace("COMMIT", "")))
    assert forward(rules).outcome is UNKNOWN
    assert rules.missing[0].why == "it ends before its last table does"


def test_a_probe_of_unknown_addresses_meets_rules_that_ask_for_them_unclearly() -> None:
    rules = legacy(
        "-A INPUT -p udp -m udp --dport 8472 -j ACCEPT", "-A INPUT -s 10.0.0.0/8 -j DROP"
    )
    assert rules.verdict("input", replace(VXLAN, src=None)).outcome is ACCEPT
    assert rules.verdict("input", replace(VXLAN, src=None, dport=1)).outcome is UNKNOWN
