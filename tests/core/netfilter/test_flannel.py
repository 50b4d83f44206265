"""flannel's own rules: found in every place where it has put them, and beaten by what wins."""

import pytest

from tests.builders import state
from tests.core.netfilter.asking import (
    LEGACY,
    NFT,
    NO,
    POD,
    WORDS,
    base,
    document,
    legacy,
    recorded,
    rules_of,
    saved,
)  # fmt: skip
from tracer.core.netfilter.flannel import (
    has_flannel_forward,
    has_flannel_masquerade,
    wins_over_flannel,
)
from tracer.core.netfilter.ruleset import Ruleset, ruleset

PODS = "10.244.0.0/16"
IN_PROGRAMS = "10.0.0.0/14"
OWN = (
    '-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD',
    f'-A FLANNEL-FWD -s {PODS} -m comment --comment "flanneld forward" -j ACCEPT',
    f'-A FLANNEL-FWD -d {PODS} -m comment --comment "flanneld forward" -j ACCEPT',
)


def with_flannel(*before: str, policy: str = "DROP") -> str:
    return saved(*before, *OWN, policy=policy, chains="FLANNEL-FWD")


@pytest.mark.parametrize("program", ["flannel-iptables", "flannel-nftables"])
def test_flannels_rules_are_found_in_either_of_its_modes(program: str) -> None:
    rules = recorded(program)
    assert has_flannel_forward(rules, IN_PROGRAMS) is True
    assert has_flannel_masquerade(rules, IN_PROGRAMS) is True


@pytest.mark.parametrize("program", ["docker", "ufw", "firewalld", "kube-proxy-iptables"])
def test_other_programs_rules_are_not_flannels(program: str) -> None:
    rules = recorded(program)
    assert has_flannel_forward(rules, IN_PROGRAMS) is False
    assert has_flannel_masquerade(rules, IN_PROGRAMS) is False


def test_rules_for_another_network_are_not_those_of_this_one() -> None:
    """--kube-subnet-mgr read another net-conf, or the node was moved to another cluster."""
    assert has_flannel_forward(recorded("flannel-iptables"), "10.96.0.0/12") is False


def test_before_0_20_its_rules_stood_in_the_built_in_chain() -> None:
    rules = legacy(f"-A FORWARD -s {PODS} -j ACCEPT", f"-A FORWARD -d {PODS} -j ACCEPT")
    assert has_flannel_forward(rules, PODS) is True
    assert has_flannel_forward(legacy(f"-A FORWARD -s {PODS} -j ACCEPT"), PODS) is False


def test_a_chain_that_nothing_jumps_to_is_not_in_use() -> None:
    rules = rules_of((LEGACY, saved(*OWN[1:], chains="FLANNEL-FWD")))
    assert has_flannel_forward(rules, PODS) is False


def test_without_a_dump_nobody_knows_whether_they_are_there() -> None:
    rules: Ruleset = ruleset(state("node-a"))
    assert has_flannel_forward(rules, PODS) is None
    assert has_flannel_masquerade(rules, PODS) is None


def test_a_network_that_is_none_is_nobodys() -> None:
    assert has_flannel_forward(recorded("flannel-iptables"), "nonsense") is False


def test_what_passes_is_won_by_nobody() -> None:
    assert wins_over_flannel(rules_of((LEGACY, with_flannel())), POD, PODS) is None


@pytest.mark.parametrize(
    ("rules", "quote", "why"),
    [
        (
            legacy(policy="DROP"),
            "policy DROP of chain FORWARD in table filter",
            "flannel's own rules are not there",
        ),
        (
            rules_of((LEGACY, with_flannel("-A FORWARD -i cni0 -j DROP"))),
            "-A FORWARD -i cni0 -j DROP",
            "it stands before flannel's rules",
        ),
        (
            rules_of((LEGACY, with_flannel()), (NFT, document(*base([NO])))),
            "chain inet fw f: drop",
            "it stands in another table",
        ),
        (
            rules_of((LEGACY, with_flannel()), (WORDS, saved(policy="DROP")),
                     (NFT, document(*base(table="ip filter", chain="FORWARD", policy="drop")))),
            "policy DROP of chain FORWARD in table filter",
            "it stands in another table",
        ),
    ],
)  # fmt: skip
def test_what_wins_is_quoted_with_the_reason(rules: Ruleset, quote: str, why: str) -> None:
    found = wins_over_flannel(rules, POD, PODS)
    assert found is not None
    assert found.decision.quote == quote
    assert found.why.startswith(why)


def test_packets_of_no_pod_are_not_let_through_by_flannel() -> None:
    rules = rules_of((LEGACY, with_flannel()))
    found = wins_over_flannel(rules, POD, "10.99.0.0/16")
    assert found is None
    outside = rules_of((LEGACY, with_flannel().replace(PODS, "10.99.0.0/16")))
    found = wins_over_flannel(outside, POD, "10.99.0.0/16")
    assert found is not None
    assert found.why == "flannel's rules let only packets of 10.99.0.0/16 pass"
