"""Policy rules, routes that refuse, the reverse path filter, br_netfilter."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import ETH0, FLANNEL, SYSCTLS, bundle, pod_cidr, request, state, underlay
from tests.changes import without_route
from tests.core.rules.asking import ask, case, found, rules_of, words
from tests.paths import BRIDGE_IN, UPLINK_IN, UPLINK_OUT, VTEP_IN, dropped, freed_on, lost
from tracer.core.diagnose import diagnose, judge
from tracer.core.facts import Facts
from tracer.core.predict import predicted
from tracer.core.rules.policy import policy_route, rule_text
from tracer.core.rules.routes import routes_lost
from tracer.core.rules.switches import NF_CALL, br_netfilter_off, rp_filter
from tracer.core.views import NodeView
from tracer.model.diagnosis import Finding, Severity
from tracer.model.observation import Device
from tracer.model.path import Path, Way
from tracer.model.state import FirewallDump, NodeState, NotRead, Route, Rule

A, B = "node-a", "node-b"
BUILT_IN = tuple(
    Rule(priority=priority, table=table, action="table", family=4)
    for priority, table in ((0, 255), (32766, 254), (32767, 253))
)
BY_SOURCE = Rule(priority=100, table=100, action="table", family=4, source=pod_cidr(A))


def with_rules(before: NodeState, *rules: Rule) -> NodeState:
    return replace(before, rules=(*rules, *BUILT_IN))


def with_routes(before: NodeState, *routes: Route) -> NodeState:
    return replace(before, routes=(*before.routes, *routes))


def refused_at(node: str, device: Device, ifname: str, last: int) -> Path:
    return dropped(freed_on(node, device, ifname), "NOT_SPECIFIED", "ip_error", last=last)


KILL_SWITCH = with_routes(
    with_rules(state(A), BY_SOURCE), Route(destination="0.0.0.0/0", kind="blackhole", table=100)
)


def test_a_table_of_its_own_that_refuses_explains_what_ip_error_freed() -> None:
    told = judge(case(KILL_SWITCH, paths=[refused_at(A, Device.BRIDGE, "cni0", BRIDGE_IN)]))
    assert words(told) == ("DROPPED", "policy-route", A, "cni0", "NOT_SPECIFIED")
    assert rules_of(told) == {"policy-route"}
    finding = told.findings[0]
    assert finding.sentence == (
        "node-a refuses packets to 10.244.2.2: a policy rule asks table 100, which says blackhole"
        " default."
    )
    assert "ip rule add to 10.244.0.0/16 lookup main priority 99   # on node-a" in finding.fix
    assert finding.evidence[0].value == "100: from 10.244.1.0/24 lookup 100"


@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "prohibit"])
@pytest.mark.parametrize(("node", "device", "ifname", "last"), [
    (A, Device.BRIDGE, "cni0", BRIDGE_IN), (B, Device.VTEP, "flannel.1", VTEP_IN),
])  # fmt: skip
def test_a_longer_prefix_that_refuses_is_named_on_either_node(
    kind: str, node: str, device: Device, ifname: str, last: int
) -> None:
    parked = with_routes(state(node), Route(destination="10.244.2.0/25", kind=kind))
    told = judge(case(parked, paths=[refused_at(node, device, ifname, last)]))
    assert words(told)[1:3] == ("policy-route", node)
    assert f"ip route del {kind} 10.244.2.0/25   # on {node}" in told.findings[0].fix


def test_a_rule_that_refuses_by_itself_is_quoted() -> None:
    rule = replace(BY_SOURCE, action="prohibit", table=0)
    finding = found(policy_route, case(with_rules(state(A), rule)))
    assert finding.sentence == (
        "node-a refuses packets to 10.244.2.2 by a policy rule: 100: from 10.244.1.0/24 prohibit."
    )
    assert not finding.explains


def test_a_table_that_leads_elsewhere_explains_what_left_by_the_uplink() -> None:
    full_tunnel = with_routes(
        with_rules(state(A), BY_SOURCE),
        Route(destination="0.0.0.0/0", gateway="192.0.2.1", ifindex=ETH0, table=100),
    )
    bare = lost(UPLINK_OUT)
    last = bare.hops[-1]
    assert last.packet is not None
    unwrapped = replace(last, packet=replace(last.packet, outer=None))
    told = judge(case(full_tunnel, paths=[replace(bare, hops=(*bare.hops[:-2], unwrapped))]))
    assert words(told)[1:3] == ("policy-route", A)
    assert "leads 10.244.2.2 astray" in told.findings[0].sentence


@pytest.mark.parametrize("harmless", [
    # A table that has nothing to say, as Tailscale's and Calico's are.
    with_rules(state(A), BY_SOURCE),
    # One that says the same as flannel.
    with_routes(with_rules(state(A), BY_SOURCE), Route(
        destination=pod_cidr(B), gateway="10.244.2.0", ifindex=FLANNEL, table=100)),
    # A blackhole for the whole network behind flannel's own routes.
    with_routes(state(A), Route(destination="10.244.0.0/16", kind="blackhole")),
    # --ip-blackhole-route of a node whose bridge has the same network at a better metric.
    with_routes(state(B), Route(destination=pod_cidr(B), kind="blackhole", metric=1024)),
])  # fmt: skip
def test_policies_that_leave_the_pods_alone_are_no_finding(harmless: NodeState) -> None:
    for way in Way:
        assert ask(policy_route, case(harmless), way) is None


def test_a_route_that_is_gone_is_lost_and_no_policy() -> None:
    gone = without_route(state(A), pod_cidr(B))
    assert ask(policy_route, case(gone)) is None
    assert ask(routes_lost, case(gone)) is not None
    assert ask(routes_lost, case(KILL_SWITCH)) is None


def test_another_end_is_not_explained_by_a_policy() -> None:
    other = dropped(freed_on(A, Device.BRIDGE, "cni0"), "NETFILTER_DROP", "nf_hook", last=BRIDGE_IN)
    assert not found(policy_route, case(KILL_SWITCH, paths=[other])).explains


@pytest.mark.parametrize(("rule", "text"), [
    (Rule(priority=5270, table=52, action="table", family=4), "5270: from all lookup 52"),
    (Rule(priority=9, table=51820, action="table", family=4, mark=0xCA6C, inverted=True),
     "9: not from all fwmark 0xca6c lookup 51820"),
    (Rule(priority=8, table=254, action="table", family=4, suppress_prefix_length=0),
     "8: from all lookup main suppress_prefixlength 0"),
    (Rule(priority=7, table=0, action="unreachable", family=4, destination="10.0.0.0/8", iif="wg0"),
     "7: from all to 10.0.0.0/8 iif wg0 unreachable"),
])  # fmt: skip
def test_a_rule_reads_as_ip_rule_prints_it(rule: Rule, text: str) -> None:
    assert rule_text(rule) == text


def test_a_rule_that_says_unreachable_is_foretold_as_the_kernel_has_it() -> None:
    """ENETUNREACH of a rule is counted as no route; EHOSTUNREACH of a route is not."""
    refusing = with_rules(state(A), replace(BY_SOURCE, action="unreachable", table=0))
    recording = bundle(refusing)
    drop = predicted(Facts(recording), recording.traced)[0].drop
    assert drop is not None
    assert drop.reason == "IP_INNOROUTES"
    told = diagnose(replace(recording, request=request(predict=True)))
    assert words(told)[1:3] == ("policy-route", A)


DIRECT = Route(destination=pod_cidr(A), gateway=underlay(A), ifindex=ETH0)


def filtering(before: NodeState, mode: str, device: str = "all") -> NodeState:
    return replace(before, sysctls=SYSCTLS | {f"net.ipv4.conf.{device}.rp_filter": mode})


UNEVEN = with_routes(without_route(state(B), pod_cidr(A)), DIRECT)
SPOOFED = dropped(
    freed_on(B, Device.VTEP, "flannel.1"), "IP_RPFILTER", "ip_rcv_finish_core", last=VTEP_IN
)


@pytest.mark.parametrize("device", ["all", "flannel/1"])
def test_a_strict_filter_and_another_way_back_explain_the_drop(device: str) -> None:
    told = judge(case(filtering(UNEVEN, "1", device), paths=[SPOOFED]))
    assert words(told) == ("DROPPED", "rp-filter", B, "flannel.1", "IP_RPFILTER")
    finding = told.findings[0]
    assert finding.sentence == (
        "node-b refuses packets from 10.244.1.2 at flannel.1: its own way back to 10.244.1.2 leads"
        " by eth0, and rp_filter is strict (1)."
    )
    assert finding.evidence[0].source == f"node-b net.ipv4.conf.{device}.rp_filter"


def test_a_kernel_that_names_no_reason_is_understood_by_its_function() -> None:
    nameless = dropped(
        freed_on(B, Device.VTEP, "flannel.1"), None, "ip_rcv_finish_core", last=VTEP_IN
    )
    told = judge(case(filtering(UNEVEN, "1"), paths=[nameless]))
    assert words(told)[1] == "rp-filter"


def test_uneven_tables_and_a_filter_that_do_no_harm_alone() -> None:
    for harmless in (UNEVEN, filtering(UNEVEN, "2"), filtering(state(B), "1")):
        assert ask(rp_filter, case(harmless)) is None


def test_a_loose_filter_wants_some_way_back() -> None:
    gone = filtering(without_route(state(B), pod_cidr(A)), "2")
    finding = found(rp_filter, case(gone, paths=[SPOOFED]))
    assert "leads by" not in finding.sentence
    assert finding.explains


def test_a_route_of_several_next_hops_leads_back_by_any_of_them() -> None:
    hops = [
        replace(DIRECT, multipath=True),
        replace(DIRECT, gateway="10.244.1.0", ifindex=FLANNEL, multipath=True),
    ]
    spread = with_routes(without_route(state(B), pod_cidr(A)), *hops)
    assert ask(rp_filter, case(filtering(spread, "1"))) is None


def test_the_outer_packet_is_filtered_on_the_uplink() -> None:
    """Two NICs: the answer to the peer's underlay address leaves by another one."""
    elsewhere = Route(destination=f"{underlay(A)}/32", gateway="10.9.9.1", ifindex=FLANNEL + 90)
    strict = filtering(with_routes(state(B), elsewhere), "1")
    outer = dropped(
        freed_on(B, Device.UPLINK, "eth0"), "IP_RPFILTER", "ip_rcv_finish_core", last=UPLINK_IN
    )
    told = judge(case(strict, paths=[outer]))
    assert words(told)[1:4] == ("rp-filter", B, "eth0")
    assert underlay(A) in told.findings[0].sentence


def test_a_filter_on_the_senders_bridge_needs_a_route_to_its_own_pods() -> None:
    lost_subnet = filtering(without_route(state(A), pod_cidr(A)), "1")
    spoofed = dropped(
        freed_on(A, Device.BRIDGE, "cni0"), "IP_RPFILTER", "ip_rcv_finish_core", last=BRIDGE_IN
    )
    assert found(rp_filter, case(lost_subnet, paths=[spoofed])).node == A


def asked_of(node: NodeState, **recorded: Any) -> Finding | None:
    told = br_netfilter_off(NodeView(Facts(bundle(node, **recorded)), node.node, ()))
    assert told is None or isinstance(told, Finding)
    return told


OFF = replace(state(B), sysctls=SYSCTLS | {NF_CALL: "0"})
PROXIED = (FirewallDump(tool="iptables-nft-save", text="*nat\n:KUBE-SERVICES - [0:0]\nCOMMIT\n"),)


def test_a_bridge_that_bypasses_iptables_is_a_warning_to_those_who_cross_nodes() -> None:
    told = asked_of(replace(OFF, firewall=PROXIED))
    assert told is not None
    assert told.severity is Severity.WARNING
    assert "bridge-nf-call-iptables is 0" in told.sentence


def test_it_is_an_error_to_a_check_of_a_node_with_services_alone() -> None:
    proxied = asked_of(replace(OFF, firewall=PROXIED), request=None)
    assert proxied is not None
    assert proxied.severity is Severity.ERROR
    bare = asked_of(OFF, request=None)
    assert bare is not None
    assert bare.severity is Severity.WARNING


def test_a_module_that_is_not_loaded_is_the_same_and_what_was_not_read_is_nothing() -> None:
    def without(why: str) -> NodeState:
        return replace(state(B), not_read=(NotRead(what=f"sysctl {NF_CALL}", why=why),))

    absent = asked_of(without("No such file or directory"))
    assert absent is not None
    assert "not loaded" in absent.sentence
    assert asked_of(without("Permission denied")) is None
    assert asked_of(state(B)) is None
    assert asked_of(replace(state(B), sysctls=SYSCTLS | {NF_CALL: "1"})) is None
