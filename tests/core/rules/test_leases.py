"""Pod CIDRs, the leases made of them, and what nodes keep of leases that are gone."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import (
    CNI0,
    ETH0,
    FLANNEL,
    NUMBER,
    api_node,
    bundle,
    cluster,
    flannel_pod,
    mac,
    pod_cidr,
    request,
    state,
    underlay,
    vtep_ip,
)
from tests.changes import (
    with_fdb,
    with_link,
    with_neighbour,
    without_fdb,
    without_neighbours,
    without_route,
)
from tests.core.rules.asking import ask, case, found, rules_of, words
from tests.paths import (
    BRIDGE_IN,
    UPLINK_OUT,
    VTEP_IN,
    all_well,
    delivered,
    dropped,
    freed_on,
    lost,
    path,
)
from tracer.core.diagnose import diagnose, judge
from tracer.core.examine import examine
from tracer.core.rules.duplicates import duplicate_podcidr
from tracer.core.rules.leftovers import stale_route_deleted_node
from tracer.core.rules.moved import podcidr_moved_race
from tracer.core.rules.own_device import own_flannel1_down
from tracer.core.rules.podcidrs import podcidr_not_assigned, podcidr_outside_network
from tracer.core.rules.routes import routes_lost
from tracer.core.rules.unpublished import annotations_missing
from tracer.model.cluster import ClusterState, ControllerManager, NetConf, Node
from tracer.model.diagnosis import Finding, Severity
from tracer.model.examination import Examination
from tracer.model.observation import Device
from tracer.model.path import Outcome, Path, Way
from tracer.model.request import CheckRequest
from tracer.model.state import NodeState, Route

A, B, C = "node-a", "node-b", "node-c"
DEAD_MAC, DEAD = "02:dd:00:00:00:99", "192.0.2.99"
UNROUTED = dropped(freed_on(A, Device.BRIDGE, "cni0"), "IP_INNOROUTES", "ip_error", last=BRIDGE_IN)
BARE = replace(api_node(B), annotations={})
"""node-b as the kubelet registers it."""


def without(before: NodeState, peer: str) -> NodeState:
    """The same node without anything of that peer."""
    gone = without_route(before, pod_cidr(peer))
    return without_fdb(without_neighbours(gone, vtep_ip(peer)), mac(peer))


def without_device(before: NodeState) -> NodeState:
    """The same node before flanneld made its device, or after somebody deleted it."""
    return replace(
        before,
        links=tuple(link for link in before.links if link.ifindex != FLANNEL),
        addresses=tuple(one for one in before.addresses if one.ifindex != FLANNEL),
        routes=tuple(route for route in before.routes if route.ifindex != FLANNEL),
        neighbours=tuple(one for one in before.neighbours if one.ifindex != FLANNEL),
        fdb=(),
    )


def examined(*states: NodeState, **more: Any) -> Examination:
    nodes = {name: replace(state(name), pods=()) for name in NUMBER}
    nodes |= {changed.node: replace(changed, pods=()) for changed in states}
    recorded = {"request": None, "check": CheckRequest(), "agents": {}, "nodes": nodes} | more
    return examine(bundle(**recorded))


def named(examination: Examination) -> set[tuple[str, str]]:
    return {(finding.rule, finding.node) for finding in examination.findings}


def shown(finding: Finding) -> set[tuple[str, str]]:
    return {(line.label, line.value) for line in finding.evidence}


def with_route(before: NodeState, route: Route) -> NodeState:
    """The same node with one route before all others."""
    return replace(before, routes=(route, *before.routes))


# annotations-missing


def test_a_node_registered_again_explains_peers_without_a_route_to_it() -> None:
    api = cluster(nodes={B: BARE})
    told = judge(case(without(state(A), B), paths=[UNROUTED], cluster=api))
    assert words(told) == ("DROPPED", "annotations-missing", A, "cni0", "IP_INNOROUTES")
    assert rules_of(told) == {"annotations-missing"}
    assert told.findings[0].node == B
    assert told.findings[0].fix[1] == "kubectl -n kube-flannel delete pod kube-flannel-ds-bbbbb"


def test_and_replies_that_find_no_way_back() -> None:
    api = cluster(nodes={A: replace(api_node(A), annotations={})})
    at = freed_on(B, Device.BRIDGE, "cni0")
    reply = dropped(at, "IP_INNOROUTES", "ip_error", last=BRIDGE_IN, way=Way.REPLY)
    told = judge(case(without(state(B), A), paths=[delivered(), reply], cluster=api))
    assert (told.verdict.rule, told.verdict.way) == ("annotations-missing", Way.REPLY)


def test_annotations_that_were_stripped_stop_nothing_yet() -> None:
    """Peers ignore the update, too, and keep the entries that they have."""
    told = judge(case(cluster=cluster(nodes={B: BARE})))
    assert [(f.rule, f.severity) for f in told.findings] == [
        ("annotations-missing", Severity.WARNING)
    ]
    assert told.verdict.exit_code == 0


def test_one_annotation_that_is_missing_is_named() -> None:
    api = cluster(nodes={B: api_node(B, kube_subnet_manager="")})
    finding = found(annotations_missing, case(cluster=api), Way.REPLY)
    sources = [line.source for line in finding.evidence if line.label == "published"]
    assert sources == ["Node/node-b flannel.alpha.coreos.com/kube-subnet-manager"]


def test_a_node_that_joins_has_no_annotations_yet() -> None:
    joining = (replace(flannel_pod(B), ready=False),)
    api = cluster(nodes={B: replace(BARE, created="2026-11-23T03:12:00Z")}, flannel_pods=joining)
    assert ask(annotations_missing, case(without_device(state(B)), cluster=api), Way.REPLY) is None


def test_a_node_that_is_being_deleted_may_lose_them() -> None:
    api = cluster(nodes={B: replace(BARE, deleting=True)})
    assert ask(annotations_missing, case(cluster=api), Way.REPLY) is None


def test_host_gw_publishes_no_data() -> None:
    api = cluster(nodes={B: api_node(B, backend_type="host-gw", backend_data="")})
    assert ask(annotations_missing, case(cluster=api), Way.REPLY) is None


def test_the_api_alone_shows_a_node_that_is_younger_than_its_flanneld() -> None:
    young = replace(BARE, created="2026-11-23T03:05:00Z")
    examination = examined(
        nodes={}, check=CheckRequest(agents=False), cluster=cluster(nodes={B: young})
    )
    assert named(examination) == {("annotations-missing", B)}
    assert examination.findings[0].severity is Severity.ERROR
    assert examination.exit_code == 1


def test_a_check_names_it_once_for_all_that_cannot_reach_the_node() -> None:
    api = cluster(nodes={B: BARE})
    examination = examined(without(state(A), B), without(state(C), B), cluster=api)
    assert named(examination) == {("annotations-missing", B)}
    assert {(one.sender, one.receiver, one.rule) for one in examination.reach} == {
        (A, B, "annotations-missing"),
        (C, B, "annotations-missing"),
    }


# podcidr-not-assigned, podcidr-outside-network


def manager(*cidrs: str, allocate: bool | None = True) -> ControllerManager:
    return ControllerManager(
        source="pod kube-system/kube-controller-manager-node-a",
        node=A,
        cluster_cidrs=cidrs,
        allocate_node_cidrs=allocate,
    )


def joined(*cidrs: str, **overrides: Any) -> ClusterState:
    """node-c joined, and flanneld does not come up there."""
    node = replace(api_node(C), annotations={}, pod_cidrs=cidrs)
    pods = (flannel_pod(A), flannel_pod(B), replace(flannel_pod(C), ready=False))
    given = {"flannel_pods": pods} | overrides
    return cluster(nodes={C: node}, **given)


def alone() -> tuple[NodeState, ...]:
    """node-c has no device, and the others have nothing of it."""
    return without(state(A), C), without(state(B), C), without_device(state(C))


def test_a_node_without_a_pod_cidr_is_named_with_who_should_give_it() -> None:
    examination = examined(*alone(), cluster=joined(controller_managers=(manager(allocate=None),)))
    assert named(examination) == {("podcidr-not-assigned", C)}
    finding = examination.findings[0]
    assert ("device", "no device of flannel") in shown(finding)
    assert ("flanneld", "not ready") in shown(finding)
    assert "--allocate-node-cidrs=true --cluster-cidr=10.244.0.0/16" in finding.fix[1]
    assert "10.244.3.0/24" in finding.fix[3]
    assert "all ways" not in examination.sentence


def test_a_controller_that_gives_them_is_asked_why_it_did_not() -> None:
    api = joined(controller_managers=(manager("10.244.0.0/16"),))
    (finding,) = examined(*alone(), cluster=api).findings
    assert finding.fix[1].startswith("kubectl -n kube-system logs")


def test_a_network_that_is_used_up_is_evidence() -> None:
    api = joined(controller_managers=(manager("10.244.0.0/23"),))
    taken = {A: replace(api_node(A), pod_cidrs=("10.244.0.0/24",)),
             B: replace(api_node(B), pod_cidrs=("10.244.1.0/24",))}  # fmt: skip
    nodes = tuple(taken.get(node.name, node) for node in api.nodes)
    (finding,) = [
        one
        for one in examined(*alone(), cluster=replace(api, nodes=nodes)).findings
        if one.rule == "podcidr-not-assigned"
    ]
    assert ("room", "2 of 2 subnets of /24 are taken") in shown(finding)


def moments_old(api: ClusterState) -> ClusterState:
    young = [
        replace(node, created="2026-11-23T03:11:57Z") if node.name == C else node
        for node in api.nodes
    ]
    return replace(api, nodes=tuple(young))


def test_a_node_that_joined_a_moment_ago_may_still_get_one() -> None:
    assert named(examined(*alone(), cluster=moments_old(joined()))) == set()
    nobody = joined(controller_managers=(manager(allocate=False),))
    assert named(examined(*alone(), cluster=moments_old(nobody))) == {("podcidr-not-assigned", C)}


def vain_start() -> tuple[NodeState, ClusterState]:
    """node-b was registered anew ten seconds ago; its flanneld made the device, and ended."""
    node = replace(api_node(B), annotations={}, pod_cidrs=(), created="2026-11-23T03:11:57Z")
    pods = (flannel_pod(A), replace(flannel_pod(B), ready=False), flannel_pod(C))
    return down(B), cluster(nodes={B: node}, flannel_pods=pods)


def test_packets_that_end_for_want_of_one_need_not_wait_for_it() -> None:
    """As it was on a real cluster: flannel.1 is there and down, and that is no other fault."""
    node, api = vain_start()
    told = judge(case(without(state(A), B), node, paths=[UNROUTED], cluster=api))
    assert words(told) == ("DROPPED", "podcidr-not-assigned", A, "cni0", "IP_INNOROUTES")
    assert rules_of(told) == {"podcidr-not-assigned"}
    assert ("device", "flannel.1 is there, down") in shown(told.findings[0])


def test_a_lease_outside_of_the_network_is_published_before_flanneld_ends() -> None:
    """Peers have entries for it, and the device is down: no one takes their packets in."""
    outside = replace(api_node(B), pod_cidrs=("10.99.2.0/24",))
    freed = freed_on(B, Device.UPLINK, "eth0")
    refused = dropped(freed, "NO_SOCKET", "__udp4_lib_rcv", last=UPLINK_OUT + 1)
    told = judge(case(down(B), paths=[refused], cluster=cluster(nodes={B: outside})))
    assert words(told) == ("DROPPED", "podcidr-outside-network", B, "eth0", "NO_SOCKET")
    assert rules_of(told) == {"podcidr-outside-network"}


def test_a_node_without_flannel_needs_none() -> None:
    api = joined(flannel_pods=(flannel_pod(A), flannel_pod(B)))
    assert named(examined(*alone(), cluster=api)) == set()


def test_in_a_dual_stack_cluster_each_family_needs_one() -> None:
    conf = (
        '{"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:10:244::/56",'
        '"Backend":{"Type":"vxlan"}}'
    )
    both = {
        name: replace(api_node(name), pod_cidrs=(pod_cidr(name), f"fd00:10:244:{n}::/64"))
        for name, n in NUMBER.items()
        if name != C
    }
    api = cluster(nodes=both, net_conf=NetConf(text=conf, source="ConfigMap x/y"))
    told = [f for f in examined(cluster=api).findings if f.rule == "podcidr-not-assigned"]
    assert [f.sentence for f in told] == [
        "Kubernetes gave node-c no IPv6 pod CIDR; flanneld does not start without."
    ]


def test_a_trace_speaks_of_its_own_family_only() -> None:
    conf = (
        '{"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:10:244::/56",'
        '"Backend":{"Type":"vxlan"}}'
    )
    api = cluster(net_conf=NetConf(text=conf, source="ConfigMap x/y"))
    assert judge(case(cluster=api)).findings == ()
    assert ("podcidr-not-assigned", A) in named(examined(cluster=api))


def test_a_trace_between_other_nodes_does_not_speak_of_it() -> None:
    assert judge(case(cluster=joined())).findings == ()


def test_a_pod_cidr_outside_of_the_network_is_one_fault_of_one_node() -> None:
    api = joined("10.245.0.0/24", controller_managers=(manager("10.245.0.0/16"),))
    examination = examined(*alone(), cluster=api)
    assert named(examination) == {("podcidr-outside-network", C)}
    assert {one.rule for one in examination.reach} == {"podcidr-outside-network"}
    fix = examination.findings[0].fix
    assert fix[1].endswith("# on node-a: --cluster-cidr=10.244.0.0/16")
    assert "kubectl delete node node-c" in fix


def test_where_most_are_outside_it_is_flannels_network_that_is_wrong() -> None:
    conf = NetConf(text='{"Network":"10.99.0.0/16","Backend":{"Type":"vxlan"}}', source="ConfigMap")
    (finding,) = examined(cluster=cluster(net_conf=conf)).findings
    assert finding.rule == "podcidr-outside-network"
    assert finding.sentence.startswith("The pod CIDRs of node-a, node-b and node-c lie outside")
    assert finding.fix[1] == "kubectl -n kube-flannel edit configmap kube-flannel-cfg"


def test_a_cluster_cidr_beyond_flannels_network_is_a_warning_before_it_hits_anybody() -> None:
    (finding,) = examined(cluster=cluster(controller_managers=(manager("10.0.0.0/8"),))).findings
    assert (finding.rule, finding.severity) == ("podcidr-outside-network", Severity.WARNING)
    assert finding.hits == "no node yet"
    inside = examined(cluster=cluster(controller_managers=(manager("10.244.0.0/16"),)))
    assert inside.findings == ()
    alone = manager("10.0.0.0/8", allocate=False)
    assert examined(cluster=cluster(controller_managers=(alone,))).findings == ()


@pytest.mark.parametrize("network", ["10.0.0.0/8", "10.244.0.0/16", "", "nonsense"])
def test_a_network_around_them_or_none_that_can_be_read_is_no_such_fault(network: str) -> None:
    conf = NetConf(text=f'{{"Network":"{network}","Backend":{{"Type":"vxlan"}}}}', source="x")
    assert ask(podcidr_outside_network, case(cluster=cluster(net_conf=conf))) is None


# duplicate-podcidr


def twins(cidr: str = "10.244.2.0/24") -> ClusterState:
    """node-c has that pod CIDR, and is the youngest."""
    young = replace(api_node(C), pod_cidrs=(cidr,), created="2026-11-23T03:00:00Z")
    return cluster(nodes={C: young})


def misled() -> NodeState:
    """node-a follows node-c's lease for node-b's subnet."""
    return with_neighbour(state(A), vtep_ip(B), mac(C), "PERMANENT")


def test_the_twin_whose_lease_came_last_gets_the_packets() -> None:
    told = judge(case(misled(), paths=[lost(UPLINK_OUT)], cluster=twins()))
    assert words(told) == ("LOST", "duplicate-podcidr", A, "eth0", "-")
    assert rules_of(told) == {"duplicate-podcidr"}
    finding = told.findings[0]
    assert finding.node == C
    assert finding.sentence.startswith("node-b and node-c have the same pod CIDR, 10.244.2.0/24")
    assert ("programmed", f"{mac(C)} dst 192.0.2.13") in shown(finding)


def test_twins_do_not_reach_each_other() -> None:
    young = replace(api_node(B), pod_cidrs=(pod_cidr(A),))
    at = freed_on(A, Device.BRIDGE, "cni0")
    paths = [dropped(at, "NEIGH_FAILED", "neigh_invalidate", last=BRIDGE_IN)]
    told = judge(case(paths=paths, cluster=cluster(nodes={B: young})))
    assert told.verdict.rule == "duplicate-podcidr"


def test_overlapping_subnets_make_loops() -> None:
    api = cluster(nodes={B: replace(api_node(B), pod_cidrs=("10.244.0.0/22",))})
    at = freed_on(A, Device.VTEP, "flannel.1")
    paths = [dropped(at, "IP_INHDR", "ip_forward", last=VTEP_IN)]
    told = judge(case(paths=paths, cluster=api))
    finding = next(f for f in told.findings if f.rule == "duplicate-podcidr")
    assert finding.sentence.startswith("The pod CIDRs of node-a, node-b and node-c overlap")


def test_a_check_names_twins_that_no_trace_has_met() -> None:
    examination = examined(cluster=twins())
    assert ("duplicate-podcidr", C) in named(examination)
    assert examination.exit_code == 1


def test_a_check_sees_that_packets_arrive_at_the_wrong_twin() -> None:
    twin = replace(
        state(C),
        routes=tuple(
            replace(route, destination=pod_cidr(B)) if route.ifindex == CNI0 and route.table == 254
            else route
            for route in without_route(state(C), pod_cidr(B)).routes
        ),
    )  # fmt: skip
    examination = examined(misled(), twin, cluster=twins())
    assert named(examination) == {("duplicate-podcidr", C)}
    stopped = {(one.sender, one.receiver): one.rule for one in examination.reach}
    assert stopped[(A, B)] == "duplicate-podcidr"
    assert stopped[(B, C)] == "duplicate-podcidr"


def test_after_a_twin_is_gone_every_node_reads_the_leases_anew() -> None:
    """The removal of one Node takes the entries of the other from every node."""
    told = ask(duplicate_podcidr, case(cluster=twins("10.244.2.0/24")))
    assert told is not None
    assert told.fix[-1] == "kubectl -n kube-flannel rollout restart daemonset/kube-flannel-ds"


def test_neighbouring_subnets_are_no_twins() -> None:
    assert ask(duplicate_podcidr, case(cluster=twins("10.244.3.0/24"))) is None
    assert ask(duplicate_podcidr, case(cluster=twins("10.244.2.0/24"))) is not None


# stale-route-deleted-node


def leftover(before: NodeState, cidr: str, dst: str = DEAD) -> NodeState:
    """The same node with a deleted node's three entries."""
    gateway = cidr.partition("/")[0]
    routed = with_route(
        before, Route(destination=cidr, gateway=gateway, ifindex=FLANNEL, onlink=True, protocol=3)
    )
    return with_fdb(with_neighbour(routed, gateway, DEAD_MAC, "PERMANENT"), DEAD_MAC, dst)


def test_a_route_of_a_deleted_node_that_takes_part_of_a_subnet_explains_loss() -> None:
    narrow = leftover(state(A), "10.244.2.2/31")
    told = judge(case(narrow, paths=[lost(UPLINK_OUT)]))
    assert words(told) == ("LOST", "stale-route-deleted-node", A, "eth0", "-")
    assert rules_of(told) == {"stale-route-deleted-node"}
    assert told.findings[0].fix[1:] == (
        "ip route del 10.244.2.2/31 via 10.244.2.2 dev flannel.1   # on node-a",
        "ip neigh del 10.244.2.2 dev flannel.1   # on node-a",
        f"bridge fdb del {DEAD_MAC} dev flannel.1 dst 192.0.2.99 self   # on node-a",
    )


def test_and_a_next_hop_that_nobody_knows_any_more() -> None:
    route = Route(destination="10.244.2.0/25", gateway="10.244.9.0", ifindex=FLANNEL, onlink=True)
    at = freed_on(A, Device.VTEP, "flannel.1")
    paths = [dropped(at, "NEIGH_FAILED", "neigh_invalidate", last=BRIDGE_IN)]
    told = judge(case(with_route(state(A), route), paths=paths))
    assert told.verdict.rule == "stale-route-deleted-node"
    assert rules_of(told) == {"stale-route-deleted-node"}


def test_a_route_for_its_own_subnet_takes_what_comes_in_for_its_pods() -> None:
    astray = leftover(state(B), pod_cidr(B))
    at = freed_on(B, Device.VTEP, "flannel.1")
    paths = [dropped(at, "NEIGH_FAILED", "neigh_invalidate", last=VTEP_IN)]
    told = judge(case(astray, paths=paths))
    assert words(told)[1:3] == ("stale-route-deleted-node", B)
    assert told.findings[0].sentence.endswith("it is node-b's pod subnet now.")


def test_a_subnet_that_nobody_has_is_a_warning() -> None:
    told = judge(case(leftover(state(A), "10.244.9.0/24")))
    assert [(f.rule, f.severity) for f in told.findings] == [
        ("stale-route-deleted-node", Severity.WARNING)
    ]
    assert told.verdict.exit_code == 0


def test_a_check_follows_the_part_that_is_taken() -> None:
    examination = examined(leftover(state(A), "10.244.2.128/25"))
    assert named(examination) == {("stale-route-deleted-node", A)}
    assert [(one.sender, one.receiver, one.rule) for one in examination.reach] == [
        (A, B, "stale-route-deleted-node")
    ]


def test_several_on_one_node_are_one_finding_the_worst_first() -> None:
    both = leftover(leftover(state(A), "10.244.2.128/25"), "10.244.9.0/24")
    finding = found(stale_route_deleted_node, case(both))
    assert "10.244.2.128/25" in finding.sentence
    assert sum(line.label == "route" for line in finding.evidence) == 2


@pytest.mark.parametrize(
    "harmless",
    [
        with_fdb(state(A), DEAD_MAC, DEAD),
        with_neighbour(state(A), "10.244.9.0", DEAD_MAC, "PERMANENT"),
        with_route(state(A), Route(destination="10.9.0.0/16", gateway="192.0.2.254", ifindex=ETH0)),
        with_route(
            state(A),
            Route(destination="10.244.2.0/25", gateway=vtep_ip(B), ifindex=FLANNEL, onlink=True),
        ),
    ],
)
def test_entries_without_a_route_and_routes_of_others_are_not_meant(harmless: NodeState) -> None:
    assert ask(stale_route_deleted_node, case(harmless)) is None


def test_the_route_of_a_node_that_lost_its_subnet_is_not_a_deleted_nodes() -> None:
    bare = replace(BARE, pod_cidrs=())
    assert ask(stale_route_deleted_node, case(cluster=cluster(nodes={B: bare}))) is None


def test_without_any_node_object_nobody_knows_who_was_deleted() -> None:
    assert ask(stale_route_deleted_node, case(cluster=replace(cluster(), nodes=()))) is None


# podcidr-moved-race


def test_a_peer_removed_whole_is_told_from_a_lost_route() -> None:
    told = judge(case(without(state(A), B), paths=[UNROUTED]))
    assert words(told) == ("DROPPED", "podcidr-moved-race", A, "cni0", "IP_INNOROUTES")
    assert rules_of(told) == {"podcidr-moved-race"}


def test_the_predecessors_fdb_entry_is_evidence() -> None:
    finding = found(podcidr_moved_race, case(with_fdb(without(state(A), B), DEAD_MAC, DEAD)))
    assert ("left over", f"{DEAD_MAC} dst 192.0.2.99") in shown(finding)


def test_a_check_says_who_has_the_entries() -> None:
    (finding,) = examined(without(state(A), B)).findings
    assert finding.rule == "podcidr-moved-race"
    assert "node-c routes" in {line.source for line in finding.evidence}


@pytest.mark.parametrize(
    "otherwise",
    [
        without_route(state(A), pod_cidr(B)),
        without_neighbours(without_route(state(A), pod_cidr(B)), vtep_ip(B)),
        # A device that was down, and one that was made anew: everything of every peer is gone.
        without_neighbours(without_route(without_route(state(A), pod_cidr(B)), pod_cidr(C))),
        without(without(state(A), B), C),
    ],
)
def test_with_one_entry_left_or_no_other_peer_whole_routes_were_lost(otherwise: NodeState) -> None:
    told = judge(case(otherwise, paths=[UNROUTED]))
    assert rules_of(told) == {"routes-lost"}


# own-flannel1-down


def down(node: str) -> NodeState:
    """flannel.1 was set down: routes and neighbours went, the FDB stayed."""
    peers = [peer for peer in NUMBER if peer != node]
    before = without_neighbours(with_link(state(node), "flannel.1", up=False))
    for peer in peers:
        before = without_route(before, pod_cidr(peer))
    return before


def test_the_senders_own_device_is_the_cause_and_not_its_routes() -> None:
    told = judge(case(down(A), paths=[UNROUTED]))
    assert words(told) == ("DROPPED", "own-flannel1-down", A, "cni0", "IP_INNOROUTES")
    assert rules_of(told) == {"own-flannel1-down"}
    assert ("fdb", "2 entries kept") in shown(told.findings[0])


def bare(last: int) -> Path:
    """A packet that left by the uplink without VXLAN around it."""
    leaked = path(last=last, outcome=Outcome.LOST)
    hop = leaked.hops[-1]
    assert hop.packet is not None
    return replace(
        leaked, hops=(*leaked.hops[:2], replace(hop, packet=replace(hop.packet, outer=None)))
    )


def test_with_a_default_route_its_packets_leave_bare() -> None:
    default = Route(destination="0.0.0.0/0", gateway="192.0.2.254", ifindex=ETH0)
    leaking = replace(down(A), routes=(*down(A).routes, default))
    told = judge(case(leaking, paths=[bare(UPLINK_OUT)]))
    assert words(told) == ("LOST", "own-flannel1-down", A, "eth0", "-")
    assert ("left bare", "10.244.1.2 > 10.244.2.2") in shown(told.findings[0])
    assert ("route", "default via 192.0.2.254 dev eth0") in shown(told.findings[0])


def test_one_device_that_is_down_is_one_finding_by_whichever_end_met_it() -> None:
    refused = dropped(
        freed_on(B, Device.UPLINK, "eth0"), "NO_SOCKET", "__udp4_lib_rcv", last=UPLINK_OUT + 1
    )
    assert rules_of(judge(case(down(B), paths=[refused]))) == {"peer-flannel1-down"}
    assert rules_of(judge(case(down(A), paths=[UNROUTED]))) == {"own-flannel1-down"}


def test_so_it_is_behind_another_fault_that_keeps_the_packets_from_it() -> None:
    lacking = without_neighbours(state(A), vtep_ip(B))
    told = diagnose(bundle(lacking, down(B), request=request(predict=True)))
    assert sorted((one.rule, one.node) for one in told.findings) == [
        ("neigh-missing", A),
        ("own-flannel1-down", B),
    ]


def test_two_devices_that_are_down_are_two_faults() -> None:
    told = judge(case(down(A), down(B), paths=[UNROUTED]))
    assert [(f.rule, f.node) for f in told.findings] == [
        ("own-flannel1-down", A),
        ("own-flannel1-down", B),
    ]


def test_a_device_that_is_down_and_a_node_without_annotations_are_both_named() -> None:
    api = cluster(nodes={B: BARE})
    told = judge(case(down(A), paths=[UNROUTED], cluster=api))
    assert {(f.rule, f.node) for f in told.findings} == {
        ("own-flannel1-down", A),
        ("annotations-missing", B),
    }


# Healthy


def test_the_rules_of_leases_are_silent_on_a_healthy_cluster() -> None:
    healthy = case(paths=all_well())
    rules = (
        annotations_missing,
        podcidr_not_assigned,
        podcidr_outside_network,
        duplicate_podcidr,
        stale_route_deleted_node,
        podcidr_moved_race,
        own_flannel1_down,
        routes_lost,
    )
    for rule in rules:
        for way in (Way.REQUEST, Way.REPLY):
            assert ask(rule, healthy, way) is None


def test_a_node_that_is_being_deleted_still_owns_its_subnet() -> None:
    leaving: Node = replace(api_node(C), deleting=True)
    examination = examined(cluster=cluster(nodes={C: leaving}))
    assert named(examination) == set()


def test_addresses_of_the_builders_are_what_these_tests_take_them_for() -> None:
    assert (underlay(B), pod_cidr(B)) == ("192.0.2.12", "10.244.2.0/24")
