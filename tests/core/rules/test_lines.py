"""What undoes a line of a firewall, in the words of the tool that keeps it."""

import pytest
from msgspec.structs import replace

from tests.core.netfilter.asking import LEGACY, NFT, NO, WORDS, base, document, nft, saved
from tests.core.rules.asking import case, found
from tests.core.rules.test_filters import (
    ACCEPTING,
    DROPPING,
    FLANNEL_NAT,
    HIDING,
    ON_BRIDGE,
    ON_UPLINK,
    ON_VTEP,
    PODS,
    A,
    B,
    guarded,
    nat,
    told,
)
from tracer.core.netfilter.decision import Outcome
from tracer.core.netfilter.decision import Way as Line
from tracer.core.rules import lines
from tracer.core.rules.forwarding import forward_drop
from tracer.core.rules.masquerading import masq_pod_to_pod
from tracer.model.diagnosis import Finding
from tracer.render.advice import Step, steps

RULE = Line(outcome=Outcome.DROP, tool=WORDS, table="filter", chain="DOCKER-USER", quote=(
    '-A DOCKER-USER -i cni0 -m comment --comment "no pods" -j DROP'))  # fmt: skip
OF_NFT = Line(outcome=Outcome.DROP, tool=NFT, table="inet fw", chain="f", quote="...", handle=7)


def policy(line: Line) -> Line:
    return replace(line, policy=True, handle=None)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (RULE, 'iptables -D DOCKER-USER -i cni0 -m comment --comment "no pods" -j DROP'),
        (replace(RULE, tool="ip6tables-legacy-save", table="raw", quote="-A PREROUTING -j DROP"),
         "ip6tables-legacy -t raw -D PREROUTING -j DROP"),
        (replace(policy(RULE), chain="FORWARD"), "iptables -P FORWARD ACCEPT"),
        (OF_NFT, "nft delete rule inet fw f handle 7"),
        (replace(OF_NFT, handle=None), "nft -a list chain inet fw f"),
        (policy(OF_NFT), "nft 'chain inet fw f { policy accept; }'"),
    ],
)  # fmt: skip
def test_a_line_goes_by_the_tool_that_wrote_it(line: Line, command: str) -> None:
    assert lines.removed(line, A) == f"{command}   # on node-a"


def test_what_is_accepted_before_it_is_accepted_in_its_own_chain() -> None:
    six = replace(RULE, tool="ip6tables-nft-save", table="mangle")
    assert lines.network_accepted(six, A, "fd00::/56") == (
        "ip6tables -t mangle -I DOCKER-USER -s fd00::/56 -j ACCEPT   # on node-a",
        "ip6tables -t mangle -I DOCKER-USER -d fd00::/56 -j ACCEPT   # on node-a",
    )
    assert lines.network_accepted(OF_NFT, A, "fd00::/56")[1] == (
        "nft insert rule inet fw f ip6 daddr fd00::/56 accept   # on node-a"
    )
    assert lines.port_accepted(OF_NFT, A, 8472) == (
        "nft insert rule inet fw f udp dport 8472 accept   # on node-a"
    )


def test_nfts_handle_is_read_from_its_dump_and_never_believed_to_be_more_than_a_number() -> None:
    for handle, command in (
        (12, "nft delete rule inet agent pre handle 12"),
        ("12; reboot", "nft -a list chain inet agent pre"),
        (None, "nft -a list chain inet agent pre"),
    ):
        items = base([NO], table="inet agent", chain="pre", hook="prerouting")
        items[-1]["rule"]["handle"] = handle
        finding = told(guarded(A, (NFT, document(*items))), paths=[ON_BRIDGE]).findings[0]
        assert finding.fix[1] == f"{command}   # on node-a"
        assert nft(*items).tables[0].chains["pre"].rules[0].quote == "drop"


def advice(finding: Finding) -> tuple[Step, ...]:
    return steps(finding.fix)


BEFORE_FLANNEL = (
    WORDS,
    saved(
        "-A FORWARD -i cni0 -o flannel.1 -j DROP",
        '-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD',
        f"-A FLANNEL-FWD -s {PODS} -j ACCEPT",
        f"-A FLANNEL-FWD -d {PODS} -j ACCEPT",
        chains="FLANNEL-FWD",
    ),
)


def test_a_rule_before_flannels_has_to_go_and_no_restart_is_told_to_help() -> None:
    finding = found(forward_drop, case(guarded(A, BEFORE_FLANNEL), paths=[ON_BRIDGE]))
    remove, before = advice(finding)
    assert remove.commands == ("iptables -D FORWARD -i cni0 -o flannel.1 -j DROP   # on node-a",)
    assert before.words.startswith("or accept the pods' packets before it")
    assert before.commands == (
        f"iptables -I FORWARD -s {PODS} -j ACCEPT   # on node-a",
        f"iptables -I FORWARD -d {PODS} -j ACCEPT   # on node-a",
    )
    assert "delete pod" not in " ".join(finding.fix)


def test_where_nothing_but_the_policy_drops_flannels_rules_are_missing() -> None:
    finding = found(forward_drop, case(guarded(B, (WORDS, saved(policy="DROP"))), paths=[ON_VTEP]))
    restart, accept = advice(finding)
    assert restart.commands[0].startswith("kubectl -n kube-flannel delete pod")
    assert accept.commands == ("iptables -P FORWARD ACCEPT   # on node-b",)


def test_of_several_that_may_have_dropped_all_are_named() -> None:
    unsure = (WORDS, saved("-A FORWARD -m set --match-set x src -j DROP", policy="DROP"))
    finding = found(forward_drop, case(guarded(B, unsure), paths=[ON_VTEP]))
    assert advice(finding)[0].words.startswith("remove whichever of these drops them")
    assert advice(finding)[0].commands == (
        "iptables -D FORWARD -m set --match-set x src -j DROP   # on node-b",
        "iptables -P FORWARD ACCEPT   # on node-b",
    )


def test_another_tables_line_can_be_removed_as_well() -> None:
    finding = told(guarded(B, ACCEPTING, DROPPING), paths=[ON_VTEP]).findings[0]
    accept, remove = advice(finding)
    assert accept.commands[0] == f"nft insert rule inet fw f ip saddr {PODS} accept   # on node-b"
    assert remove.words == "or have the chain accept what no rule of it decides:"
    assert remove.commands == ("nft 'chain inet fw f { policy accept; }'   # on node-b",)


FIREWALLD_INPUT = (NFT, document(*base(
    [{"reject": {"type": "icmpx", "expr": "admin-prohibited"}}],
    table="inet firewalld", chain="filter_INPUT", hook="input")))  # fmt: skip
NFT_INPUT = (NFT, document(*base(table="inet fw", chain="i", hook="input", policy="drop")))


@pytest.mark.parametrize(
    ("dump", "commands"),
    [
        (
            (WORDS, saved("-A INPUT -p udp -m udp --dport 8472 -j DROP")),
            [
                ("iptables -I INPUT -p udp --dport 8472 -j ACCEPT",),
                ("iptables -D INPUT -p udp -m udp --dport 8472 -j DROP",),
            ],
        ),
        # What protects the node from more than that stays where it is.
        (
            (LEGACY, saved("-A INPUT -j REJECT --reject-with icmp-host-prohibited")),
            [("iptables-legacy -I INPUT -p udp --dport 8472 -j ACCEPT",)],
        ),
        (
            (WORDS, saved(policy="DROP")),
            [("iptables -I INPUT -p udp --dport 8472 -j ACCEPT",)],
        ),
        (NFT_INPUT, [("nft insert rule inet fw i udp dport 8472 accept",)]),
        (
            FIREWALLD_INPUT,
            [("firewall-cmd --permanent --add-port=8472/udp", "firewall-cmd --reload")],
        ),
    ],
)  # fmt: skip
def test_vxlan_is_let_in_by_the_tool_that_keeps_the_rules_and_by_no_other(
    dump: tuple[str, str], commands: list[tuple[str, ...]]
) -> None:
    finding = told(guarded(B, dump), paths=[ON_UPLINK]).findings[0]
    assert finding.rule == "input-drop-8472"
    assert [step.commands for step in advice(finding)] == [
        tuple(f"{command}   # on node-b" for command in each) for each in commands
    ]


def test_where_no_line_is_known_either_tool_is_told_of_in_words_of_its_own() -> None:
    with_firewalld, without = advice(told(paths=[ON_UPLINK]).findings[0])
    assert all(command.startswith("firewall-cmd") for command in with_firewalld.commands)
    assert without.commands == ("iptables -I INPUT -p udp --dport 8472 -j ACCEPT   # on node-b",)


def test_a_rule_that_hides_pods_from_pods_is_removed_word_by_word() -> None:
    (step,) = advice(found(masq_pod_to_pod, case(nat(*FLANNEL_NAT, HIDING))))
    assert step.commands == (
        f"iptables -t nat -D POSTROUTING -s {PODS} -j MASQUERADE   # on node-a",
    )
    assert "kube-proxy's --cluster-cidr" in step.words


def test_a_rule_that_its_owner_writes_again_is_corrected_there() -> None:
    narrow = (
        '-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG',
        "-A FLANNEL-POSTRTG -s 10.244.0.0/23 ! -d 224.0.0.0/4 -j MASQUERADE --random-fully",
    )
    (of_flannel,) = advice(found(masq_pod_to_pod, case(nat(*narrow))))
    assert of_flannel.commands == (
        "kubectl -n kube-flannel edit configmap kube-flannel-cfg",
        "kubectl -n kube-flannel rollout restart daemonset/kube-flannel-ds",
    )
    marked = (
        "-A POSTROUTING -j KUBE-POSTROUTING",
        f"-A KUBE-POSTROUTING -s {PODS} -j MASQUERADE",
    )
    kube = guarded(A, (WORDS, saved(*marked, table="nat", chains="KUBE-POSTROUTING")))
    (of_proxy,) = advice(found(masq_pod_to_pod, case(kube)))
    assert "kube-proxy" in of_proxy.words
    assert not any(" -D " in command for command in of_proxy.commands)
