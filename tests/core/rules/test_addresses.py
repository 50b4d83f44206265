"""Whose address, whose MAC, whose backend: what nodes publish, and where it leads."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import (
    ETH0,
    NUMBER,
    PREFIX,
    api_node,
    bundle,
    cluster,
    flannel_pod,
    mac,
    pod_cidr,
    state,
    underlay,
    vtep_ip,
)
from tests.changes import with_fdb, with_link, with_neighbour, with_vxlan, without_route
from tests.core.rules.asking import ask, case, found, rules_of, words
from tests.paths import (
    BRIDGE_IN,
    UPLINK_IN,
    UPLINK_OUT,
    VTEP_IN,
    VTEP_OUT,
    all_well,
    delivered,
    dropped,
    freed_on,
    lost,
)
from tracer.core.diagnose import judge
from tracer.core.examine import examine
from tracer.core.rules.address import neigh_stale_one_node
from tracer.core.rules.backend import backend_type_mixed
from tracer.core.rules.destinations import fdb_wrong_dst_live
from tracer.core.rules.dualstack import dualstack_update_ignored
from tracer.core.rules.entries import fdb_wrong_dst_dead
from tracer.core.rules.interface import wrong_interface
from tracer.core.rules.nat import public_ip_nat
from tracer.core.rules.twins import vtepmac_duplicate
from tracer.model.cluster import Node
from tracer.model.diagnosis import Severity
from tracer.model.examination import Examination
from tracer.model.observation import Device
from tracer.model.path import Way
from tracer.model.request import CheckRequest
from tracer.model.state import Address, FdbEntry, Link, Neighbour, NodeState, Route, Vxlan

A, B, C = "node-a", "node-b", "node-c"
OLD = "02:f1:00:00:00:99"
MGMT = 9
OUTSIDE = {name: f"203.0.113.1{number}" for name, number in NUMBER.items()}
DEFAULT = Route(destination="0.0.0.0/0", gateway="192.0.2.1", ifindex=ETH0)
RULES = (
    fdb_wrong_dst_live,
    wrong_interface,
    vtepmac_duplicate,
    public_ip_nat,
    dualstack_update_ignored,
    backend_type_mixed,
)


def checked(*states: NodeState, **more: Any) -> Examination:
    nodes = {name: replace(state(name), pods=()) for name in NUMBER}
    nodes |= {changed.node: replace(changed, pods=()) for changed in states}
    return examine(bundle(nodes=nodes, request=None, check=CheckRequest(), agents={}, **more))


def named(examination: Examination) -> list[tuple[str, str, Severity]]:
    return [(each.rule, each.node, each.severity) for each in examination.findings]


@pytest.mark.parametrize("rule", RULES)
def test_nothing_is_said_of_a_healthy_cluster(rule: Any) -> None:
    healthy = case(state(C), paths=all_well())
    assert ask(rule, healthy) is None
    assert ask(rule, healthy, Way.REPLY) is None


# --- the FDB entry leads to another node


def led_to_c(node: str = A) -> NodeState:
    return with_fdb(state(node), mac(B), underlay(C))


def test_an_fdb_entry_to_another_node_explains_loss_behind_the_uplink() -> None:
    told = judge(case(led_to_c(), paths=[lost(UPLINK_OUT)]))
    assert words(told) == ("LOST", "fdb-wrong-dst-live", A, "eth0", "-")
    assert rules_of(told) == {"fdb-wrong-dst-live"}
    assert told.findings[0].node == A
    assert told.findings[0].fix[1] == (
        f"bridge fdb replace {mac(B)} dev flannel.1 dst 192.0.2.12 self permanent   # on node-a"
    )


def test_it_is_found_on_the_replys_way() -> None:
    back = with_fdb(state(B), mac(A), underlay(C))
    told = judge(case(back, paths=[delivered(), lost(UPLINK_OUT, Way.REPLY)]))
    assert words(told)[1:3] == ("fdb-wrong-dst-live", B)


def test_a_check_sees_what_the_other_node_does_with_the_frames() -> None:
    examination = checked(led_to_c())
    assert named(examination) == [("fdb-wrong-dst-live", A, Severity.ERROR)]
    assert [(one.node, one.reason) for one in examination.reach] == [(C, "OTHERHOST")]


def test_a_lease_that_names_another_nodes_address_is_put_right_at_the_lease() -> None:
    """node-c has two addresses and publishes the other one: nobody publishes this one twice."""
    second = Address(ifindex=ETH0, ip="192.0.2.33", prefix_length=24, scope="global")
    node_c = replace(state(C), addresses=(*state(C).addresses, second))
    api = cluster(nodes={B: api_node(B, public_ip="192.0.2.33")})
    led = with_fdb(state(A), mac(B), "192.0.2.33")
    finding = found(fdb_wrong_dst_live, case(led, node_c, paths=[lost(UPLINK_OUT)], cluster=api))
    assert finding.node == B
    assert finding.fix[1] == "kubectl -n kube-flannel delete pod kube-flannel-ds-bbbbb"


def test_an_address_of_nobody_is_not_a_live_nodes() -> None:
    dead = with_fdb(state(A), mac(B), "192.0.2.99")
    assert ask(fdb_wrong_dst_live, case(dead, paths=[lost(UPLINK_OUT)])) is None
    assert found(fdb_wrong_dst_dead, case(dead, paths=[lost(UPLINK_OUT)])).explains


def test_an_entry_for_the_sender_itself_is_another_rules() -> None:
    own = with_fdb(state(A), mac(B), underlay(A))
    assert ask(fdb_wrong_dst_live, case(own, paths=[lost(BRIDGE_IN)])) is None


def test_a_second_address_of_the_right_node_is_not_another_nodes() -> None:
    second = Address(ifindex=ETH0, ip="192.0.2.44", prefix_length=24, scope="global")
    node_b = replace(state(B), addresses=(*state(B).addresses, second))
    led = with_fdb(state(A), mac(B), "192.0.2.44")
    assert ask(fdb_wrong_dst_live, case(led, node_b)) is None


# --- the address of another interface


def managed() -> tuple[NodeState, dict[str, Any]]:
    """node-b published the address of its mgmt0."""
    healthy = with_vxlan(state(B), local="198.51.100.12", underlay_ifindex=MGMT)
    nic = Link(
        ifindex=MGMT, ifname="mgmt0", kind=None, mac="02:33:00:00:00:02", mtu=1500, up=True,
        carrier=True,
    )  # fmt: skip
    address = Address(ifindex=MGMT, ip="198.51.100.12", prefix_length=24, scope="global")
    node_b = replace(healthy, links=(*healthy.links, nic), addresses=(*healthy.addresses, address))
    return node_b, {"cluster": cluster(nodes={B: api_node(B, public_ip="198.51.100.12")})}


def sending_there(node: str = A, *more: Route) -> NodeState:
    led = with_fdb(state(node), mac(B), "198.51.100.12")
    return replace(led, routes=(*led.routes, *more))


def test_no_route_to_the_published_address_names_the_interface() -> None:
    node_b, api = managed()
    at = freed_on(A, Device.VTEP, "flannel.1")
    paths = [dropped(at, "IP_OUTNOROUTES", "vxlan_xmit_one", last=VTEP_OUT)]
    told = judge(case(sending_there(), node_b, paths=paths, **api))
    assert words(told) == ("DROPPED", "wrong-interface", A, "flannel.1", "IP_OUTNOROUTES")
    finding = told.findings[0]
    assert rules_of(told) == {"wrong-interface"}
    assert (finding.node, finding.device) == (B, "mgmt0")
    assert f"{PREFIX}/node-public-ip=192.0.2.12" in finding.fix[1]


def test_a_gateway_that_does_not_know_the_way_loses_it_and_no_security_group_is_blamed() -> None:
    node_b, api = managed()
    told = judge(case(sending_there(A, DEFAULT), node_b, paths=[lost(UPLINK_OUT)], **api))
    assert words(told) == ("LOST", "wrong-interface", A, "eth0", "-")
    assert rules_of(told) == {"wrong-interface"}


def test_where_a_router_knows_the_way_nothing_is_said() -> None:
    node_b, api = managed()
    assert rules_of(judge(case(sending_there(A, DEFAULT), node_b, **api))) == set()


def test_a_check_warns_of_an_address_behind_a_gateway_that_only_this_node_publishes() -> None:
    node_b, api = managed()
    examination = checked(sending_there(A, DEFAULT), node_b, sending_there(C, DEFAULT), **api)
    assert named(examination) == [("wrong-interface", B, Severity.WARNING)]
    assert examination.exit_code == 0


def test_without_a_gateway_a_check_knows() -> None:
    node_b, api = managed()
    examination = checked(sending_there(), sending_there(C), node_b, **api)
    assert named(examination) == [("wrong-interface", B, Severity.ERROR)]
    assert {one.rule for one in examination.reach} == {"wrong-interface"}


def test_a_network_of_the_nodes_own_is_not_a_wrong_interface() -> None:
    """All nodes publish eth1; a firewall drops VXLAN there."""
    inside = {name: f"10.9.0.{number}" for name, number in NUMBER.items()}
    nodes = {name: replace(api_node(name), internal_ips=(inside[name],)) for name in (A, B, C)}
    told = judge(case(paths=[lost(UPLINK_OUT)], cluster=cluster(nodes=nodes)))
    assert words(told)[1] == "cloud-sg-8472"


def test_without_any_route_to_the_nodes_it_is_the_senders_uplink_and_not_the_interface() -> None:
    node_b, api = managed()
    cut = replace(sending_there(), routes=without_route(sending_there(), "192.0.2.0/24").routes)
    at = freed_on(A, Device.VTEP, "flannel.1")
    paths = [dropped(at, "IP_OUTNOROUTES", "vxlan_xmit_one", last=VTEP_OUT)]
    assert not found(wrong_interface, case(cut, node_b, paths=paths, **api)).explains


# --- two nodes with one MAC


def twin_of(node: str, other: str) -> Node:
    return api_node(other, backend_data=f'{{"VNI":1,"VtepMAC":"{mac(node)}"}}')


def twins() -> tuple[NodeState, NodeState, dict[str, Any]]:
    """node-b has node-a's MAC, and all peers know it."""
    node_b = with_link(state(B), "flannel.1", mac=mac(A))
    node_a = with_neighbour(with_fdb(state(A), mac(A), underlay(B)), vtep_ip(B), mac(A),
                            "PERMANENT")  # fmt: skip
    return node_a, node_b, {"cluster": cluster(nodes={B: twin_of(A, B)})}


@pytest.mark.parametrize("reason", ["LOCAL_MAC", None, "NOT_SPECIFIED"])
def test_between_twins_each_takes_the_frame_for_its_own(reason: str | None) -> None:
    node_a, node_b, api = twins()
    at = freed_on(B, Device.VTEP, "flannel.1")
    paths = [dropped(at, reason, "vxlan_rcv", last=UPLINK_IN, dst_mac=mac(A))]
    told = judge(case(node_a, node_b, paths=paths, **api))
    assert words(told) == ("DROPPED", "vtepmac-duplicate", B, "flannel.1", reason or "-")
    assert rules_of(told) == {"vtepmac-duplicate"}


def test_the_younger_node_is_the_clone() -> None:
    node_a, node_b, _ = twins()
    older = replace(twin_of(A, B), created="2026-01-01T00:00:00Z")
    younger = replace(api_node(A), created="2026-06-01T00:00:00Z")
    api = cluster(nodes={A: younger, B: older})
    assert found(vtepmac_duplicate, case(node_a, node_b, cluster=api)).node == A


@pytest.mark.parametrize("ready", [True, False, None])
def test_a_clone_whose_kubelet_is_silent_may_be_gone_for_good(ready: bool | None) -> None:
    node_a, node_b, _ = twins()
    api = cluster(nodes={B: replace(twin_of(A, B), created="2026-06-01", ready=ready)})
    told = found(vtepmac_duplicate, case(node_a, node_b, cluster=api))
    assert (f"kubectl delete node {B}" in told.fix) is (ready is not True)


def test_a_device_that_took_a_peers_mac_is_the_clone_and_its_annotation_no_other_fault() -> None:
    took = with_link(state(A), "flannel.1", mac=mac(B))
    told = judge(case(took, paths=[lost(UPLINK_OUT), lost(UPLINK_OUT, Way.REPLY)]))
    named_on = {one.node for one in told.findings if one.rule == "vtepmac-duplicate"}
    assert named_on == {A}
    assert "vtepmac-annotation-stale" not in rules_of(told)


def test_a_third_nodes_one_entry_leads_to_the_twin_and_no_wrong_destination_is_named() -> None:
    """node-b and node-c are twins; node-a's entry for their MAC leads to node-c."""
    node_a = with_fdb(state(A), mac(B), underlay(C))
    api = cluster(nodes={C: twin_of(B, C)})
    told = judge(case(node_a, paths=[lost(UPLINK_OUT)], cluster=api))
    assert words(told)[1] == "vtepmac-duplicate"
    assert rules_of(told) == {"vtepmac-duplicate"}


def test_where_the_one_entry_leads_to_the_receiver_this_way_works_and_it_is_a_warning() -> None:
    told = judge(case(cluster=cluster(nodes={C: twin_of(B, C)})))
    assert words(told)[0] == "DELIVERED"
    assert [f.severity for f in told.findings] == [Severity.WARNING]


def test_a_check_follows_frames_through_the_twin() -> None:
    node_a, node_b, api = twins()
    node_c = with_neighbour(with_fdb(state(C), mac(A), underlay(B)), vtep_ip(B), mac(A),
                            "PERMANENT")  # fmt: skip
    examination = checked(node_a, node_b, node_c, **api)
    assert named(examination) == [("vtepmac-duplicate", B, Severity.ERROR)]
    assert {(one.sender, one.receiver) for one in examination.reach} == {(A, B), (B, A), (C, A)}


# --- a NAT


def natted(overwritten: tuple[str, ...]) -> dict[str, Any]:
    """All nodes are behind NATs; these are published by the NAT's address."""
    nodes = {}
    for name in NUMBER:
        notes = {}
        if name in overwritten:
            notes = {"public_ip": OUTSIDE[name], "public_ip_overwrite": OUTSIDE[name]}
        nodes[name] = replace(api_node(name, **notes), external_ips=(OUTSIDE[name],))
    return {"cluster": cluster(nodes=nodes)}


def far_away(node: str = A) -> NodeState:
    """node-b is reached by the router."""
    healthy = state(node)
    by_router = Route(destination=f"{underlay(B)}/32", gateway="192.0.2.1", ifindex=ETH0)
    return replace(healthy, routes=(by_router, *healthy.routes))


def test_a_private_address_among_translated_ones_does_not_lead_there() -> None:
    told = judge(case(far_away(), paths=[lost(UPLINK_OUT)], **natted((A, C))))
    assert words(told) == ("LOST", "public-ip-nat", A, "eth0", "-")
    assert rules_of(told) == {"public-ip-nat"}
    assert told.findings[0].node == B
    assert f"{PREFIX}/public-ip-overwrite=203.0.113.12" in told.findings[0].fix[1]


def test_a_port_that_the_nat_does_not_hand_on_may_be_a_firewall_too() -> None:
    node_a = with_fdb(state(A), mac(B), OUTSIDE[B])
    told = judge(case(node_a, paths=[lost(UPLINK_OUT)], **natted((A, B, C))))
    assert words(told)[1] == "public-ip-nat"
    assert told.findings[0].also == ("cloud-sg-8472",)
    assert rules_of(told) == {"public-ip-nat"}


def test_a_translated_address_that_works_is_as_it_should_be() -> None:
    node_a = with_fdb(state(A), mac(B), OUTSIDE[B])
    node_b = with_fdb(state(B), mac(A), OUTSIDE[A])
    assert rules_of(judge(case(node_a, node_b, **natted((A, B, C))))) == set()


def test_a_private_address_of_the_same_site_is_no_fault_where_packets_arrive() -> None:
    back = with_fdb(state(B), mac(A), OUTSIDE[A])
    assert rules_of(judge(case(far_away(), back, **natted((A, C))))) == set()


def test_where_nobody_is_translated_a_lost_packet_is_a_firewalls() -> None:
    """Clouds give every node an external address, and flannel does not need it."""
    told = judge(case(far_away(), paths=[lost(UPLINK_OUT)], **natted(())))
    assert words(told)[1] == "cloud-sg-8472"
    assert told.findings[0].also == ("nsx-intercepts-8472", "public-ip-nat")
    assert f"{PREFIX}/public-ip-overwrite=203.0.113.12" in told.findings[0].fix[-2]
    near = judge(case(paths=[lost(UPLINK_OUT)], **natted(())))
    assert near.findings[0].also == ("nsx-intercepts-8472",)


def test_a_check_cannot_follow_what_leads_behind_a_nat_and_says_why() -> None:
    nodes = (
        with_fdb(far_away(), mac(C), OUTSIDE[C]),
        with_fdb(with_fdb(state(B), mac(A), OUTSIDE[A]), mac(C), OUTSIDE[C]),
        with_fdb(far_away(C), mac(A), OUTSIDE[A]),
    )
    online = [replace(node, routes=(*node.routes, DEFAULT)) for node in nodes]
    examination = checked(*online, **natted((A, C)))
    assert named(examination) == [("public-ip-nat", B, Severity.WARNING)]
    assert (examination.exit_code, examination.stopped) == (3, 2)


# --- dual stack


SIX = 6
V6_MAC = {name: f"02:f6:00:00:00:0{number}" for name, number in NUMBER.items()}


def net6(node: str) -> str:
    return f"fd00:10:244:{NUMBER[node]}::"


def own6(node: str) -> str:
    return f"2001:db8::1{NUMBER[node]}"


def both(node: str) -> NodeState:
    """A node with flannel-v6.1 and its entries."""
    healthy = state(node)
    peers = [peer for peer in NUMBER if peer != node]
    vxlan = Vxlan(
        vni=1, local=own6(node), port=8472, learning=False, gbp=False, underlay_ifindex=ETH0
    )
    vtep = Link(
        ifindex=SIX, ifname="flannel-v6.1", kind="vxlan", mac=V6_MAC[node], mtu=1430, up=True,
        carrier=True, vxlan=vxlan,
    )  # fmt: skip
    address = Address(ifindex=ETH0, ip=own6(node), prefix_length=64, scope="global")
    return replace(
        healthy,
        links=(*healthy.links, vtep),
        addresses=(*healthy.addresses, address),
        neighbours=(
            *healthy.neighbours,
            *(
                Neighbour(ifindex=SIX, ip=net6(peer), mac=V6_MAC[peer], state="PERMANENT")
                for peer in peers
            ),
        ),
        fdb=(
            *healthy.fdb,
            *(
                FdbEntry(ifindex=SIX, mac=V6_MAC[peer], dst=own6(peer), flags=("self",))
                for peer in peers
            ),
        ),
    )


def dual_nodes(**changed: str) -> Mapping[str, Node]:
    """Node objects with leases of both families; `changed`: of node-b."""
    nodes = {}
    for name in NUMBER:
        notes = {
            "backend_v6_data": f'{{"VNI":1,"VtepMAC":"{V6_MAC[name]}"}}',
            "public_ipv6": own6(name),
        } | (changed if name == B else {})
        nodes[name] = replace(
            api_node(name, **notes), pod_cidrs=(pod_cidr(name), f"{net6(name)}/64")
        )
    return nodes


NEW = "02:f1:00:00:00:77"
CHANGED = {"backend_data": f'{{"VNI":1,"VtepMAC":"{NEW}"}}'}


def misaddressed() -> list[Any]:
    at = freed_on(B, Device.VTEP, "flannel.1")
    return [dropped(at, "OTHERHOST", "ip_rcv_core", last=VTEP_IN)]


def one_family_changed(*others: NodeState, **more: Any) -> Any:
    """node-b's IPv4 MAC is another one, device and lease; node-a has the old one."""
    node_b = with_link(both(B), "flannel.1", mac=NEW)
    api = cluster(nodes=dual_nodes(**CHANGED), **more)
    return case(both(A), node_b, *others, paths=misaddressed(), cluster=api)


def test_one_stale_family_beside_a_right_one_is_an_update_that_flannel_dropped() -> None:
    told = judge(one_family_changed())
    assert words(told) == ("DROPPED", "dualstack-update-ignored", B, "flannel.1", "OTHERHOST")
    assert rules_of(told) == {"dualstack-update-ignored"}
    assert told.findings[0].fix[1].endswith("rollout restart daemonset/kube-flannel-ds")


def test_with_one_family_only_the_node_missed_the_change() -> None:
    node_b = with_link(state(B), "flannel.1", mac=NEW)
    api = cluster(nodes={B: api_node(B, **CHANGED)})
    broken = case(node_b, paths=misaddressed(), cluster=api)
    assert ask(dualstack_update_ignored, broken) is None
    assert found(neigh_stale_one_node, broken).explains


def test_with_both_families_stale_the_node_missed_the_change() -> None:
    node_b = with_link(with_link(both(B), "flannel.1", mac=NEW), "flannel-v6.1", mac=OLD)
    six = {"backend_v6_data": f'{{"VNI":1,"VtepMAC":"{OLD}"}}'}
    api = cluster(nodes=dual_nodes(**CHANGED, **six))
    told = judge(case(both(A), node_b, paths=misaddressed(), cluster=api))
    assert words(told)[1] == "neigh-stale-one-node"


def right(node: str) -> NodeState:
    known = with_neighbour(both(node), vtep_ip(B), NEW, "PERMANENT")
    return with_fdb(known, NEW, underlay(B))


def restarted(node: str) -> dict[str, Any]:
    """flanneld of that node started after node-b's."""
    pods = [replace(flannel_pod(name), started="2026-11-23T03:00:00Z") for name in NUMBER]
    late = "2026-11-23T03:10:00Z"
    return {
        "flannel_pods": tuple(
            replace(pod, started=late) if pod.node == node else pod for pod in pods
        )
    }


def test_a_third_node_that_ran_before_and_is_right_got_the_update() -> None:
    assert words(judge(one_family_changed(right(C))))[1] == "neigh-stale-one-node"


def test_a_third_node_that_was_restarted_since_is_right_in_any_case() -> None:
    told = judge(one_family_changed(right(C), **restarted(C)))
    assert words(told)[1] == "dualstack-update-ignored"


def test_a_third_node_that_is_as_stale_agrees() -> None:
    assert words(judge(one_family_changed(both(C))))[1] == "dualstack-update-ignored"


def test_a_changed_address_of_one_family_is_dropped_as_well() -> None:
    moved = replace(
        both(B),
        addresses=tuple(
            replace(each, ip="192.0.2.55") if each.ip == underlay(B) else each
            for each in both(B).addresses
        ),
    )
    moved = with_vxlan(moved, local="192.0.2.55")
    nodes = dict(dual_nodes(public_ip="192.0.2.55"))
    nodes[B] = replace(nodes[B], internal_ips=("192.0.2.55",))
    told = judge(case(both(A), moved, paths=[lost(UPLINK_OUT)], cluster=cluster(nodes=nodes)))
    assert words(told)[1] == "dualstack-update-ignored"
    assert rules_of(told) == {"dualstack-update-ignored"}


def test_a_healthy_dual_stack_has_nothing_to_be_said_about_it() -> None:
    healthy = case(both(A), both(B), both(C), cluster=cluster(nodes=dual_nodes()))
    assert rules_of(judge(healthy)) == set()


# --- backends


HOST_GW = {"backend_type": "host-gw", "backend_data": "null"}


def without_vtep(node: str) -> NodeState:
    kept = tuple(link for link in state(node).links if link.ifname != "flannel.1")
    routes = tuple(route for route in state(node).routes if route.gateway is None)
    return replace(state(node), links=kept, routes=routes, neighbours=(), fdb=())


def test_a_node_that_has_nothing_for_a_peer_of_another_backend_has_not_lost_it() -> None:
    api = cluster(nodes={B: api_node(B, **HOST_GW)})
    at = freed_on(A, Device.BRIDGE, "cni0")
    paths = [dropped(at, "IP_INNOROUTES", "ip_error", last=BRIDGE_IN)]
    gone = without_route(state(A), pod_cidr(B))
    told = judge(case(gone, without_vtep(B), paths=paths, cluster=api))
    assert words(told) == ("DROPPED", "backend-type-mixed", A, "cni0", "IP_INNOROUTES")
    assert rules_of(told) == {"backend-type-mixed"}
    assert told.findings[0].node == B


def test_entries_of_before_lead_to_a_device_that_is_gone() -> None:
    api = cluster(nodes={B: api_node(B, **HOST_GW)})
    at = freed_on(B, Device.UPLINK, "eth0")
    paths = [dropped(at, "NO_SOCKET", "__udp4_lib_rcv", last=UPLINK_IN)]
    told = judge(case(without_vtep(B), paths=paths, cluster=api))
    assert words(told) == ("DROPPED", "backend-type-mixed", B, "eth0", "NO_SOCKET")
    assert rules_of(told) == {"backend-type-mixed"}


def test_entries_that_still_carry_packets_are_a_warning() -> None:
    told = judge(case(cluster=cluster(nodes={B: api_node(B, **HOST_GW)})))
    assert (words(told)[0], told.verdict.exit_code) == ("DELIVERED", 0)
    assert [(f.rule, f.severity) for f in told.findings] == [
        ("backend-type-mixed", Severity.WARNING)
    ]


def test_the_odd_node_is_that_of_which_there_are_fewer() -> None:
    others = {name: api_node(name, **HOST_GW) for name in (A, C)}
    assert found(backend_type_mixed, case(cluster=cluster(nodes=others))).node == B


def test_a_third_node_of_another_backend_is_not_this_traces_affair() -> None:
    assert rules_of(judge(case(cluster=cluster(nodes={C: api_node(C, **HOST_GW)})))) == set()


def test_a_check_names_the_odd_node_once() -> None:
    gone = {name: without_route(state(name), pod_cidr(B)) for name in (A, C)}
    examination = checked(
        *gone.values(), without_vtep(B), cluster=cluster(nodes={B: api_node(B, **HOST_GW)})
    )
    assert named(examination) == [("backend-type-mixed", B, Severity.ERROR)]
    assert examination.stopped == 4


def test_two_faults_at_once_are_both_named() -> None:
    """node-a's entry for node-b leads to node-c; node-c runs another backend."""
    api = cluster(nodes={C: api_node(C, **HOST_GW)})
    gone = without_route(state(B), pod_cidr(C))
    examination = checked(
        without_route(led_to_c(), pod_cidr(C)), gone, without_vtep(C), cluster=api
    )
    assert [rule for rule, *_ in named(examination)] == ["backend-type-mixed", "fdb-wrong-dst-live"]
