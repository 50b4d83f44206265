"""Firewalls besides INPUT: which table stops what a node forwards, what comes before routing."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import ETH0, api_node, bundle, cluster, mac, request, state
from tests.changes import without_fdb
from tests.core.netfilter.asking import LEGACY, NFT, NO, WORDS, YES, base, document, saved
from tests.core.rules.asking import ask, case, found, rules_of, words
from tests.paths import (
    BRIDGE_IN,
    UPLINK_IN,
    VTEP_IN,
    VTEP_OUT,
    dropped,
    freed_on,
    lost,
)
from tracer.core.diagnose import diagnose, judge
from tracer.core.facts import Facts
from tracer.core.rules.filters import raw_or_tc_drop, rules_flushed
from tracer.core.rules.forwarding import forward_drop, nft_other_table_drop
from tracer.core.rules.masquerading import masq_pod_to_pod
from tracer.core.views import NodeView
from tracer.model.cluster import ClusterState, NetConf
from tracer.model.diagnosis import Diagnosis, Finding, Severity
from tracer.model.observation import Device
from tracer.model.path import Path, Way
from tracer.model.state import FirewallDump, NodeState, NotRead, TcFilter

A, B = "node-a", "node-b"
PODS = "10.244.0.0/16"
OWN = (
    '-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD',
    f'-A FLANNEL-FWD -s {PODS} -m comment --comment "flanneld forward" -j ACCEPT',
    f'-A FLANNEL-FWD -d {PODS} -m comment --comment "flanneld forward" -j ACCEPT',
)
ACCEPTING = (WORDS, saved(*OWN, chains="FLANNEL-FWD"))
TOLD_NO = {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}


def guarded(node: str, *dumps: tuple[str, str], **changes: Any) -> NodeState:
    firewall = tuple(FirewallDump(tool=tool, text=text) for tool, text in dumps)
    return state(node, firewall=firewall, **changes)


def freed_by_netfilter(node: str, device: Device, ifname: str, last: int) -> Path:
    return dropped(freed_on(node, device, ifname), "NETFILTER_DROP", "nft_do_chain", last=last)


ON_VTEP = freed_by_netfilter(B, Device.VTEP, "flannel.1", VTEP_IN)
ON_BRIDGE = freed_by_netfilter(A, Device.BRIDGE, "cni0", BRIDGE_IN)
ON_UPLINK = freed_by_netfilter(B, Device.UPLINK, "eth0", UPLINK_IN)


def told(*states: NodeState, paths: list[Path]) -> Diagnosis:
    return judge(case(*states, paths=paths))


DROPPING = (NFT, document(*base(table="inet fw", chain="f", policy="drop")))
REJECTING = (NFT, document(*base([TOLD_NO], table="inet firewalld", chain="filter_FORWARD")))


@pytest.mark.parametrize(
    ("dumps", "rule", "quote"),
    [
        # The same table: its policy, or a rule before flannel's.
        (
            [(WORDS, saved(policy="DROP"))],
            "forward-drop",
            "policy DROP of chain FORWARD in table filter",
        ),
        (
            [(WORDS, saved("-A FORWARD -i flannel.1 -j DROP", *OWN, chains="FLANNEL-FWD"))],
            "forward-drop",
            "-A FORWARD -i flannel.1 -j DROP",
        ),
        # Another table, whether flannel's rules are there or not.
        ([ACCEPTING, DROPPING], "nft-other-table-drop", "policy drop of chain inet fw f"),
        ([DROPPING], "nft-other-table-drop", "policy drop of chain inet fw f"),
        (
            [ACCEPTING, (LEGACY, saved(policy="DROP"))],
            "nft-other-table-drop",
            "policy DROP of chain FORWARD in table filter",
        ),
        (
            [(WORDS, ACCEPTING[1] + saved("-A FORWARD -j DROP", table="mangle"))],
            "nft-other-table-drop",
            "-A FORWARD -j DROP",
        ),
        # What tells the sender.
        (
            [ACCEPTING, REJECTING],
            "firewalld-forward-reject",
            "chain inet firewalld filter_FORWARD: reject with icmpx admin-prohibited",
        ),
        (
            [(WORDS, saved("-A FORWARD -j REJECT --reject-with icmp-host-prohibited", *OWN,
                           chains="FLANNEL-FWD"))],
            "firewalld-forward-reject",
            "-A FORWARD -j REJECT --reject-with icmp-host-prohibited",
        ),
    ],
)  # fmt: skip
def test_a_drop_at_forward_is_named_by_the_table_and_the_verdict(
    dumps: list[tuple[str, str]], rule: str, quote: str
) -> None:
    diagnosis = told(guarded(B, *dumps), paths=[ON_VTEP])
    assert words(diagnosis) == ("DROPPED", rule, B, "flannel.1", "NETFILTER_DROP")
    assert rules_of(diagnosis) == {rule}
    lines = [line.value for line in diagnosis.findings[0].evidence if line.label == "rule"]
    assert lines == [quote]


def test_the_sender_forwards_too() -> None:
    for dumps, rule in (
        ([ACCEPTING, DROPPING], "nft-other-table-drop"),
        ([ACCEPTING, REJECTING], "firewalld-forward-reject"),
    ):
        diagnosis = told(guarded(A, *dumps), paths=[ON_BRIDGE])
        assert words(diagnosis)[1:4] == (rule, A, "cni0")


def test_a_rejecting_firewall_says_what_the_sender_is_told_and_how_to_trust() -> None:
    finding = told(guarded(B, ACCEPTING, REJECTING), paths=[ON_VTEP]).findings[0]
    assert "their sender is told icmp admin-prohibited" in finding.sentence
    assert (
        "firewall-cmd --permanent --zone=trusted --add-interface=cni0 --add-interface=flannel.1"
        "   # on node-b" in finding.fix
    )


def test_another_table_is_opened_in_its_own_words() -> None:
    in_nft = told(guarded(B, ACCEPTING, DROPPING), paths=[ON_VTEP]).findings[0]
    assert f"nft insert rule inet fw f ip saddr {PODS} accept   # on node-b" in in_nft.fix
    legacy = guarded(B, ACCEPTING, (LEGACY, saved(policy="DROP")))
    in_legacy = told(legacy, paths=[ON_VTEP]).findings[0]
    assert f"iptables-legacy -I FORWARD -s {PODS} -j ACCEPT   # on node-b" in (in_legacy.fix)


def test_both_backends_are_said_to_hold_rules() -> None:
    both = guarded(B, ACCEPTING, (LEGACY, saved(policy="DROP")))
    finding = found(nft_other_table_drop, case(both, paths=[ON_VTEP]))
    assert "backends" in {line.label for line in finding.evidence}


def test_a_drop_that_no_dump_explains_stays_the_forward_chains() -> None:
    assert words(told(paths=[ON_VTEP]))[1] == "forward-drop"


def test_a_firewall_further_on_is_named_beside_the_fault_that_the_packets_met() -> None:
    """Two faults at once: the one that stopped the packets first."""
    gone = without_fdb(state(A), mac(B))
    at = freed_on(A, Device.VTEP, "flannel.1")
    path = dropped(at, "NO_TX_TARGET", "vxlan_xmit", last=VTEP_OUT)
    diagnosis = told(gone, guarded(B, ACCEPTING, DROPPING), paths=[path])
    assert [finding.rule for finding in diagnosis.findings] == [
        "fdb-missing",
        "nft-other-table-drop",
    ]
    assert not diagnosis.findings[1].explains


def test_what_packets_passed_let_them_pass() -> None:
    """The dump was taken before somebody changed the rules: the packets know better."""
    for rule in (forward_drop, nft_other_table_drop, raw_or_tc_drop):
        for way in Way:
            assert ask(rule, case(guarded(A, DROPPING), guarded(B, DROPPING)), way) is None
    further = told(guarded(A, ACCEPTING, DROPPING), paths=[lost(UPLINK_IN)])
    assert "nft-other-table-drop" not in rules_of(further)


RAW = (WORDS, saved("-A PREROUTING -i cni0 -d 10.244.2.0/24 -j DROP", table="raw"))


def test_a_rule_in_raw_is_named_with_the_command_that_removes_it() -> None:
    diagnosis = told(guarded(A, RAW), paths=[ON_BRIDGE])
    assert words(diagnosis) == ("DROPPED", "raw-or-tc-drop", A, "cni0", "NETFILTER_DROP")
    assert rules_of(diagnosis) == {"raw-or-tc-drop"}
    finding = diagnosis.findings[0]
    assert finding.fix[1] == (
        "iptables -t raw -D PREROUTING -i cni0 -d 10.244.2.0/24 -j DROP   # on node-a"
    )
    assert "iptables-nft-save, table raw" in finding.evidence[1].source


def test_the_outer_packet_may_be_dropped_before_routing_as_well() -> None:
    raw = (WORDS, saved("-A PREROUTING -p udp -m udp --dport 8472 -j DROP", table="raw"))
    diagnosis = told(guarded(B, raw), paths=[ON_UPLINK])
    assert words(diagnosis)[1:4] == ("raw-or-tc-drop", B, "eth0")
    assert rules_of(diagnosis) == {"raw-or-tc-drop"}


def test_a_chain_of_nft_at_prerouting_is_found_by_its_handle() -> None:
    items = base([NO], table="inet agent", chain="pre", hook="prerouting")
    finding = told(guarded(A, (NFT, document(*items))), paths=[ON_BRIDGE]).findings[0]
    assert finding.rule == "raw-or-tc-drop"
    assert finding.fix[1] == "nft -a list chain inet agent pre   # on node-a"


def test_a_program_that_drops_is_named_where_it_hangs() -> None:
    program = TcFilter(ifindex=ETH0, hook="ingress", name="bpf cil_from_netdev")
    other = TcFilter(ifindex=ETH0, hook="egress", name="bpf cil_to_netdev")
    at = freed_on(B, Device.UPLINK, "eth0")
    path = dropped(at, "TC_INGRESS", "__netif_receive_skb_core", last=UPLINK_IN)
    diagnosis = told(state(B, filters=(program, other)), paths=[path])
    assert words(diagnosis) == ("DROPPED", "raw-or-tc-drop", B, "eth0", "TC_INGRESS")
    lines = [line.value for line in diagnosis.findings[0].evidence if line.label == "program"]
    assert lines == ["bpf cil_from_netdev"]


def test_programs_that_drop_nothing_are_no_finding() -> None:
    program = TcFilter(ifindex=ETH0, hook="ingress", name="bpf cil_from_netdev")
    assert ask(raw_or_tc_drop, case(state(A, filters=(program,)))) is None


FLANNEL_NAT = (
    '-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG',
    f"-A FLANNEL-POSTRTG -s 10.244.1.0/24 -d {PODS} -j RETURN",
    f"-A FLANNEL-POSTRTG -s {PODS} ! -d 224.0.0.0/4 -j MASQUERADE --random-fully",
)
HIDING = f"-A POSTROUTING -s {PODS} -j MASQUERADE"


def nat(*lines: str, node: str = A) -> NodeState:
    return guarded(node, (WORDS, saved(*lines, table="nat", chains="FLANNEL-POSTRTG")))


def test_a_rule_behind_flannels_hides_pods_from_pods() -> None:
    finding = found(masq_pod_to_pod, case(nat(*FLANNEL_NAT, HIDING)))
    assert finding.severity is Severity.WARNING
    assert finding.sentence.endswith("10.244.2.2 sees 10.244.1.0 instead of 10.244.1.2.")
    assert finding.evidence[0].value == HIDING
    assert finding.evidence[0].source == "node-a iptables-nft-save, table nat"


def test_flannels_own_masquerading_leaves_pods_alone() -> None:
    assert ask(masq_pod_to_pod, case(nat(*FLANNEL_NAT))) is None
    assert ask(masq_pod_to_pod, case()) is None


def test_rules_for_others_are_not_masquerading_between_pods() -> None:
    docker = "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"
    marked = "-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE"
    outside = "-A POSTROUTING -o eth0 -j MASQUERADE"
    assert ask(masq_pod_to_pod, case(nat(*FLANNEL_NAT, docker, marked, outside))) is None


def test_a_pod_outside_of_its_nodes_subnet_is_another_fault() -> None:
    elsewhere = api_node(A)
    moved = cluster(nodes={A: replace(elsewhere, pod_cidrs=("10.244.77.0/24",))})
    assert ask(masq_pod_to_pod, case(nat(*FLANNEL_NAT), cluster=moved)) is None


def test_a_new_connection_the_other_way_is_asked_about_too() -> None:
    on_b = nat(HIDING, node=B)
    assert found(masq_pod_to_pod, case(on_b), Way.REPLY).node == B
    assert ask(masq_pod_to_pod, case(on_b)) is None


def test_a_receiver_that_hides_who_sends_is_told_of_as_that() -> None:
    arriving = "-A POSTROUTING -d 10.244.2.0/24 -j MASQUERADE"
    its_own = (line.replace("10.244.1.", "10.244.2.") for line in FLANNEL_NAT)
    finding = found(masq_pod_to_pod, case(nat(arriving, *its_own, node=B)))
    assert (finding.node, finding.device) == (B, "cni0")
    assert finding.sentence == (
        "node-b rewrites the source of what its pods get from other nodes' pods: 10.244.2.2 sees"
        " 10.244.2.1 instead of 10.244.1.2."
    )


def with_nftables(*, on: bool = True) -> ClusterState:
    text = f'{{"Network":"{PODS}","EnableNFTables":{str(on).lower()},"Backend":{{"Type":"vxlan"}}}}'
    return cluster(net_conf=NetConf(text=text, source="ConfigMap kube-flannel/kube-flannel-cfg"))


def flushed(node: NodeState, *, on: bool = True, traced: bool = True) -> Finding | None:
    asked = request() if traced else None
    recording = bundle(node, cluster=with_nftables(on=on), request=asked)
    result = rules_flushed(NodeView(Facts(recording), B, ()))
    assert result is None or isinstance(result, Finding)
    return result


EMPTY = guarded(B, (NFT, document()))
HIDES = {"/run/flannel/subnet.env": "FLANNEL_IPMASQ=true\n"}
NFT_MODE = guarded(B, (NFT, document(*base([YES], table="ip flannel-ipv4", chain="forward"))))


def test_a_table_that_is_gone_is_missed_in_nftables_mode_alone() -> None:
    finding = flushed(EMPTY)
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert finding.sentence.startswith("flannel's nftables table ip flannel-ipv4 is gone")
    assert flushed(EMPTY, on=False) is None
    assert flushed(NFT_MODE) is None


def test_it_is_an_error_to_a_check_where_flannel_hides_pods() -> None:
    gone = flushed(replace(EMPTY, files=HIDES), traced=False)
    assert gone is not None
    assert gone.severity is Severity.ERROR
    plain = flushed(EMPTY, traced=False)
    assert plain is not None
    assert plain.severity is Severity.WARNING


def test_a_flanneld_that_was_not_restarted_keeps_its_rules_in_iptables() -> None:
    """The ConfigMap was switched; nothing was flushed."""
    assert flushed(guarded(B, (NFT, document()), (LEGACY, saved(
        *FLANNEL_NAT, table="nat", chains="FLANNEL-POSTRTG")))) is None  # fmt: skip


def test_without_a_dump_nobody_knows_whether_they_were_flushed() -> None:
    unread = state(B, not_read=(NotRead(what=NFT, why="not installed"),))
    diagnosis = diagnose(bundle(unread, cluster=with_nftables(), request=request(predict=True)))
    assert "rules-flushed" in {skip.rule for skip in diagnosis.skipped}
    assert "rules-flushed" not in rules_of(diagnosis)
