"""Pods and what the CNI plugins made for them: bridge, veth, routes, addresses."""

import json

import pytest
from msgspec.structs import replace

from tests.builders import (
    CNI0,
    ETH0,
    POD,
    agent,
    api_node,
    cluster,
    pod_cidr,
    pod_end,
    request,
    state,
)
from tests.changes import with_link, without_address, without_route
from tests.core.examine.test_examine import checked, examined, named, stopped
from tests.core.rules.asking import ask, case, explained, found, rules_of, words
from tests.paths import (
    BRIDGE_IN,
    POD_IN,
    UPLINK_OUT,
    VTEP_IN,
    all_well,
    delivered,
    dropped,
    freed_on,
    lost,
    unseen,
)
from tracer.core.diagnose import judge
from tracer.core.examine import examine
from tracer.core.rules.bridge import cni0_down, cni0_no_ip, cni0_wrong_subnet
from tracer.core.rules.catalogue import Rule
from tracer.core.rules.cni import other_cni_config
from tracer.core.rules.hostlocal import hostlocal_exhausted
from tracer.core.rules.neighbours import neigh_table_overflow
from tracer.core.rules.pod import pod_gone, pod_route_missing
from tracer.core.rules.veth import veth_detached, veth_down
from tracer.model.cluster import Pod
from tracer.model.diagnosis import Severity
from tracer.model.observation import Device
from tracer.model.path import Path, Way
from tracer.model.state import Address, Neighbour, NodeState, NotRead, Route

A, B = "node-a", "node-b"
AT_B = freed_on(B, Device.VTEP, "flannel.1")
ON_BRIDGE = freed_on(B, Device.BRIDGE, "cni0")
UNROUTED = dropped(AT_B, "IP_INNOROUTES", "ip_error", last=VTEP_IN)
UNANSWERED = dropped(ON_BRIDGE, "NEIGH_FAILED", "neigh_invalidate", last=VTEP_IN)
RULES: tuple[Rule, ...] = (
    cni0_down, cni0_no_ip, cni0_wrong_subnet, veth_detached, veth_down, pod_gone,
    pod_route_missing, other_cni_config, hostlocal_exhausted, neigh_table_overflow,
)  # fmt: skip


def held(before: NodeState, ip: str) -> NodeState:
    """The same node, its cni0 with one address more."""
    address = Address(ifindex=CNI0, ip=ip, prefix_length=24, scope="global")
    return replace(before, addresses=(*before.addresses, address))


WITHOUT = without_address(state(B), "10.244.2.1")
BRIDGES = {
    "cni0-down": without_route(with_link(state(B), "cni0", up=False), pod_cidr(B)),
    "cni0-no-ip": WITHOUT,
    "cni0-wrong-subnet": held(WITHOUT, "10.244.9.1"),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("way", Way)
def test_a_healthy_node_has_none_of_it(rule: Rule, way: Way) -> None:
    assert ask(rule, case(), way) is None


@pytest.mark.parametrize(("slug", "broken"), BRIDGES.items())
def test_a_bridge_that_is_not_right_explains_a_missing_route(slug: str, broken: NodeState) -> None:
    told = judge(case(broken, paths=[UNROUTED]))
    assert words(told) == ("DROPPED", slug, B, "flannel.1", "IP_INNOROUTES")
    assert rules_of(told) == {slug}


@pytest.mark.parametrize(("slug", "broken"), BRIDGES.items())
def test_it_explains_a_pod_that_finds_no_gateway(slug: str, broken: NodeState) -> None:
    inside = freed_on(B, Device.POD, "veth2")
    reply = dropped(inside, "NEIGH_FAILED", "neigh_invalidate", last=POD_IN, way=Way.REPLY)
    assert explained(broken, paths=[delivered(), reply])[1] == slug
    assert explained(broken, paths=[delivered(), unseen(Way.REPLY)])[1] == slug


@pytest.mark.parametrize(("slug", "broken"), BRIDGES.items())
def test_it_explains_packets_that_leave_again_by_the_default_route(
    slug: str, broken: NodeState
) -> None:
    leaked = lost(VTEP_IN)
    out = replace(leaked.hops[-1], device=Device.UPLINK, ifname="eth0")
    end = replace(freed_on(B, Device.UPLINK, "eth0"), direction=leaked.hops[0].direction)
    assert explained(broken, paths=[replace(leaked, hops=(*leaked.hops, out), end=end)])[1] == slug


@pytest.mark.parametrize(("slug", "broken"), BRIDGES.items())
def test_a_check_names_it_with_all_ways_to_and_from_the_node(slug: str, broken: NodeState) -> None:
    examination = examined(replace(broken, pods=()))
    assert named(examination) == {(slug, B)}
    assert stopped(examination) == {"a>b", "c>b", "b>a", "b>c"}


def test_a_bridge_that_is_right_explains_nothing() -> None:
    assert explained(paths=[UNROUTED])[1] == "unexplained-drop"


def test_a_second_address_on_the_bridge_is_no_fault() -> None:
    assert ask(cni0_wrong_subnet, case(held(state(B), "192.168.7.1")), Way.REPLY) is None


def test_a_node_without_a_bridge_has_started_no_pod_yet() -> None:
    links = tuple(link for link in state(B).links if link.ifname not in ("cni0", "veth2"))
    fresh = replace(without_address(state(B), "10.244.2.1"), links=links, pods=())
    for rule in (cni0_down, cni0_no_ip, cni0_wrong_subnet):
        assert ask(rule, case(fresh), Way.REPLY) is None


def test_the_written_subnet_is_quoted_where_it_was_read() -> None:
    files = {"/run/flannel/subnet.env": "FLANNEL_SUBNET=10.244.9.1/24\n"}
    finding = found(cni0_wrong_subnet, case(replace(BRIDGES["cni0-wrong-subnet"], files=files)),
                    Way.REPLY)  # fmt: skip
    assert [(line.label, line.value, line.differs) for line in finding.evidence[:3]] == [
        ("expected", "10.244.2.1/24", False),
        ("written", "10.244.9.1/24", True),
        ("actual", "10.244.9.1/24", True),
    ]


def test_an_old_pod_of_the_bridges_old_subnet_is_the_bridges_fault() -> None:
    """kubeadm reset: the pod has an address that no peer has a route to."""
    old = "10.244.9.2"
    pods = (Pod(namespace="default", name="pod-b", ips=(old,), node=B),)
    stuck = dropped(freed_on(A, Device.BRIDGE, "cni0"), "IP_INNOROUTES", "ip_error", last=BRIDGE_IN)
    told = judge(
        case(
            BRIDGES["cni0-wrong-subnet"],
            paths=[stuck],
            request=request(destination=pod_end(B, ip=old)),
            cluster=cluster(pods=pods),
        )
    )
    assert words(told)[1] == "cni0-wrong-subnet"
    assert rules_of(told) == {"cni0-wrong-subnet"}


def test_a_veth_that_is_down_is_not_one_that_is_detached() -> None:
    down = with_link(state(B), "veth2", up=False)
    told = judge(case(down, paths=[UNANSWERED]))
    assert words(told) == ("DROPPED", "veth-down", B, "cni0", "NEIGH_FAILED")
    assert rules_of(told) == {"veth-down"}
    assert told.findings[0].fix[1] == "ip link set veth2 up   # on node-b"


def test_a_veth_that_is_both_is_put_back_first() -> None:
    both = with_link(state(B), "veth2", up=False, master=None)
    assert rules_of(judge(case(both, paths=[UNANSWERED]))) == {"veth-detached"}


def test_the_pods_own_end_can_be_down_as_well() -> None:
    pods = tuple(replace(pod, up=False, routes=()) for pod in state(B).pods)
    told = judge(case(replace(state(B), pods=pods), paths=[delivered(), unseen(Way.REPLY)]))
    assert words(told)[1] == "veth-down"
    assert rules_of(told) == {"veth-down"}
    assert told.findings[0].sentence == "eth0 in default/pod-b on node-b is down."
    assert told.findings[0].fix[1] == "kubectl -n default delete pod pod-b"


@pytest.mark.parametrize(
    ("slug", "change"), [("veth-detached", {"master": None}), ("veth-down", {"up": False})]
)
def test_a_check_looks_at_the_veth_of_every_pod(slug: str, change: dict[str, object]) -> None:
    examination = examined(with_link(state(B), "veth2", **change))
    assert named(examination) == {(slug, B)}
    assert "by the tables all ways between nodes work" in examination.sentence


def test_several_pods_of_a_node_are_one_finding_that_counts_them() -> None:
    links = with_link(state(B), "veth2", master=None).links
    second = replace(links[-1], ifindex=6, ifname="veth22")
    pod = replace(state(B).pods[0], ip="10.244.2.3", host_ifindex=6)
    broken = replace(state(B), links=(*links, second), pods=(*state(B).pods, pod))
    finding = next(iter(examined(broken).findings))
    assert finding.sentence.endswith("is not a port of cni0, and so is one more.")
    assert finding.hits == "everything to and from default/pod-b, pod 10.244.2.3"
    assert finding.fix[1:3] == (
        "ip link set veth2 master cni0 up   # on node-b",
        "ip link set veth22 master cni0 up   # on node-b",
    )


def gone(before: NodeState, **changes: object) -> NodeState:
    gap = NotRead(
        what=f"pod {POD[before.node]}", why="no network namespace of this node holds the address"
    )
    return replace(before, pods=(), not_read=(gap,), **changes)


def test_a_pod_that_nobody_is_explains_unanswered_neighbours() -> None:
    told = judge(case(gone(state(B)), paths=[UNANSWERED]))
    assert words(told) == ("DROPPED", "pod-gone", B, "cni0", "NEIGH_FAILED")
    assert rules_of(told) == {"pod-gone"}


def test_a_source_that_is_gone_sends_nothing_and_the_verdict_says_why() -> None:
    verdict = judge(case(gone(state(A)), paths=[])).verdict
    assert (verdict.outcome.value, verdict.rule, verdict.exit_code) == ("unknown", "pod-gone", 3)


def test_a_check_warns_of_a_pod_whose_address_was_given_back() -> None:
    """It may have ended between the two readings."""
    finding = next(iter(examined(gone(state(B))).findings))
    assert (finding.rule, finding.severity) == ("pod-gone", Severity.WARNING)
    assert ("reserved", "none") in {(line.label, line.value) for line in finding.evidence}


def test_an_agent_that_sees_no_pods_at_all_has_not_found_that_they_are_gone() -> None:
    reserved = {POD[B]: "0123456789abcdef\r\neth0"}
    examination = examined(gone(state(B), host_local=reserved))
    assert named(examination) == set()
    assert "pod-gone" in {skip.rule for skip in examination.skipped}


def test_but_among_others_that_were_found_one_is_missing() -> None:
    reserved = {POD[B]: "0123456789abcdef\r\neth0"}
    other = replace(state(B).pods[0], ip="10.244.2.3")
    examination = examined(replace(gone(state(B), host_local=reserved), pods=(other,)))
    assert named(examination) == {("pod-gone", B)}


def without_default(before: NodeState) -> NodeState:
    pods = tuple(
        replace(pod, routes=tuple(r for r in pod.routes if r.gateway is None))
        for pod in before.pods
    )
    return replace(before, pods=pods)


@pytest.mark.parametrize(
    "paths", [[unseen()], [delivered(way=Way.REQUEST), unseen(Way.REPLY)]], ids=("asks", "answers")
)
def test_a_pod_without_a_route_sends_and_answers_nothing(paths: list[Path]) -> None:
    node = A if len(paths) == 1 else B
    told = judge(case(without_default(state(node)), paths=paths))
    assert words(told)[:3] == ("LOST", "pod-route-missing", node)
    assert rules_of(told) == {"pod-route-missing"}
    assert ("actual", f"only 10.244.{1 if node == A else 2}.0/24") in {
        (line.label, line.value) for line in told.findings[0].evidence
    }


def test_a_pod_without_any_route_gets_its_subnets_back_first() -> None:
    pod = replace(state(A).pods[0], routes=())
    told = judge(case(replace(state(A), pods=(pod,)), paths=[unseen(Way.REQUEST)]))
    added = [line.partition(" ip route add ")[2] for line in told.findings[0].fix]
    assert [line.partition("   #")[0] for line in added if line] == [
        "10.244.1.0/24 dev eth0",
        "default via 10.244.1.1 dev eth0",
    ]


def test_a_pod_with_a_route_to_the_network_needs_no_default() -> None:
    routes = tuple(r for r in state(A).pods[0].routes if r.destination != "0.0.0.0/0")
    kept = replace(state(A), pods=(replace(state(A).pods[0], routes=routes),))
    assert ask(pod_route_missing, case(kept)) is None


def test_a_route_of_another_table_counts_because_the_pods_rules_are_not_known() -> None:
    own = Route(destination="0.0.0.0/0", gateway="10.244.1.1", ifindex=2, table=100)
    kept = replace(state(A), pods=(replace(state(A).pods[0], routes=(own,)),))
    assert ask(pod_route_missing, case(kept)) is None


def test_a_check_looks_at_the_routes_of_every_pod() -> None:
    assert named(examined(without_default(state(B)))) == {("pod-route-missing", B)}


FLANNEL = json.dumps({"name": "cbr0", "plugins": [{"type": "flannel"}, {"type": "portmap"}]})
BRIDGE = json.dumps({"name": "mynet", "type": "bridge", "bridge": "cnio0"})
MULTUS = json.dumps({"name": "multus-cni", "type": "multus"})
STRANGE = (Pod(namespace="default", name="pod-b", ips=("10.88.0.5",), node=B),)


def configured(**files: str) -> NodeState:
    paths = {f"/etc/cni/net.d/{name.replace('_', '-')}.conf": text for name, text in files.items()}
    return replace(state(B), files=paths)


def test_a_pod_outside_of_its_nodes_pod_cidr_has_no_route_anywhere() -> None:
    stuck = dropped(freed_on(A, Device.BRIDGE, "cni0"), "IP_INNOROUTES", "ip_error", last=BRIDGE_IN)
    told = judge(
        case(
            configured(a10_bridge=BRIDGE, a10_flannel=FLANNEL),
            paths=[stuck],
            request=request(destination=pod_end(B, ip="10.88.0.5")),
            cluster=cluster(pods=STRANGE),
        )
    )
    assert words(told) == ("DROPPED", "other-cni-config", A, "cni0", "IP_INNOROUTES")
    assert rules_of(told) == {"other-cni-config"}
    assert told.findings[0].node == B
    assert told.findings[0].fix[1] == "mv /etc/cni/net.d/a10-bridge.conf /root/   # on node-b"


def test_the_api_alone_shows_such_a_pod() -> None:
    recording = replace(checked(cluster=cluster(pods=STRANGE)), nodes={})
    assert named(examine(recording)) == {("other-cni-config", B)}


def test_a_file_that_comes_first_is_a_warning_while_no_pod_was_made_by_it() -> None:
    finding = found(other_cni_config, case(configured(a10_bridge=BRIDGE, a10_flannel=FLANNEL)),
                    Way.REPLY)  # fmt: skip
    assert finding.severity is Severity.WARNING
    assert "a10-bridge.conf, which comes before flannel's" in finding.sentence


@pytest.mark.parametrize(
    "files",
    [
        {"a10_flannel": FLANNEL},
        {"a10_flannel": FLANNEL, "a87_podman": BRIDGE},
        {
            "a00_multus": json.dumps({"name": "multus-cni", "type": "multus"}),
            "a10_flannel": FLANNEL,
        },
        {"a10_canal": json.dumps({"name": "k8s-pod-network", "plugins": [{"type": "calico"}]})},
        {"a00_broken": "{", "a10_flannel": FLANNEL},
        {"a00_list": "[1]", "a05_untyped": '{"plugins": [{}, 3]}', "a10_flannel": FLANNEL},
    ],
    ids=lambda files: "+".join(files),
)
def test_flannels_own_file_first_or_what_hands_on_to_it_is_right(files: dict[str, str]) -> None:
    assert ask(other_cni_config, case(configured(**files)), Way.REPLY) is None


def test_pods_that_have_ended_or_use_the_hosts_network_are_no_strangers() -> None:
    pods = (
        Pod(namespace="x", name="done", ips=("10.88.0.5",), node=B, phase="Succeeded"),
        Pod(namespace="x", name="host", ips=("192.0.2.12",), node=B, host_network=True),
        Pod(namespace="x", name="odd", ips=("nonsense",), node=B),
    )
    assert named(examined(cluster=cluster(pods=pods))) == set()


def reserved(count: int, **changes: object) -> NodeState:
    files = {f"10.244.2.{host}": f"{host:064x}\r\neth0" for host in range(2, 2 + count)}
    return replace(state(B), host_local=files, **changes)


def test_a_node_whose_addresses_are_all_reserved_starts_no_pod() -> None:
    told = judge(case(reserved(253), paths=all_well()))
    assert words(told) == ("DELIVERED", "-", "-", "-", "-")
    assert told.findings[0].severity is Severity.WARNING
    assert told.findings[0].sentence == (
        "node-b has no pod address left: all 253 of 10.244.2.0/24 are reserved."
    )


def test_a_check_knows_how_many_are_of_no_pod() -> None:
    finding = next(iter(examined(reserved(253)).findings))
    assert "252 of them for no pod of node-b" in finding.sentence


def test_leaks_that_leave_little_are_a_warning_of_a_check() -> None:
    (finding,) = examined(reserved(200)).findings
    assert finding.severity is Severity.WARNING
    assert finding.sentence.startswith("node-b has 53 of 253 pod addresses of 10.244.2.0/24 left")
    assert not examined(reserved(150)).findings


def test_one_address_left_is_enough() -> None:
    assert ask(hostlocal_exhausted, case(reserved(252)), Way.REPLY) is None


def test_reservations_of_another_subnet_do_not_count() -> None:
    old = {f"10.244.9.{host}": "x" for host in range(2, 255)}
    assert ask(hostlocal_exhausted, case(replace(state(B), host_local=old)), Way.REPLY) is None


def test_a_large_pod_cidr_of_ipv6_is_never_counted() -> None:
    node = replace(api_node(B), pod_cidrs=("fd00:10:244:2::/64",))
    assert ask(hostlocal_exhausted, case(reserved(253), cluster=cluster(nodes={B: node})),
               Way.REPLY) is None  # fmt: skip


def crowded(count: int, kept: str = "STALE", **sysctls: str) -> NodeState:
    entries = tuple(
        Neighbour(ifindex=ETH0, ip=f"198.18.{n // 256}.{n % 256}", mac="02:00:00:00:00:01",
                  state=kept)
        for n in range(count)
    )  # fmt: skip
    values = {**state(B).sysctls, **{k.replace("__", "."): v for k, v in sysctls.items()}}
    return replace(state(B), neighbours=(*state(B).neighbours, *entries), sysctls=values)


LIMIT = {"net__ipv4__neigh__default__gc_thresh3": "1024"}


def test_a_full_neighbour_table_is_an_error_before_it_stops_anything() -> None:
    told = judge(case(crowded(1023, **LIMIT), paths=all_well()))
    assert words(told) == ("DELIVERED", "neigh-table-overflow", "-", "-", "-")


def test_what_it_refuses_is_explained() -> None:
    refused = dropped(ON_BRIDGE, "NEIGH_CREATEFAIL", "ip_finish_output2", last=VTEP_IN)
    told = judge(case(crowded(1100, **LIMIT), paths=[refused]))
    assert words(told) == ("DROPPED", "neigh-table-overflow", B, "cni0", "NEIGH_CREATEFAIL")


def test_permanent_entries_do_not_count() -> None:
    assert ask(neigh_table_overflow, case(crowded(5000, "PERMANENT", **LIMIT)), Way.REPLY) is None


def test_an_unknown_limit_matters_only_where_there_are_many_entries() -> None:
    assert judge(case(crowded(1000))).skipped == ()
    assert [s.rule for s in judge(case(crowded(1100))).skipped] == ["neigh-table-overflow"]


def test_two_faults_of_two_nodes_are_both_named_the_one_that_stops_first() -> None:
    broken = with_link(state(B), "cni0", up=False)
    told = judge(case(broken, without_default(state(A)), paths=[UNROUTED]))
    assert [f.rule for f in told.findings] == ["cni0-down", "pod-route-missing"]


def test_a_node_that_was_not_watched_explains_nothing_of_the_other() -> None:
    silent = {A: agent(A)}
    told = judge(case(BRIDGES["cni0-down"], paths=[lost(UPLINK_OUT)], agents=silent))
    assert not any(f.explains for f in told.findings if f.rule == "cni0-down")
