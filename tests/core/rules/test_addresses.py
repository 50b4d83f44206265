"""Whose address, whose MAC, whose backend: what nodes publish, and where it leads."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import (
    ETH0,
    NUMBER,
    api_node,
    bundle,
    cluster,
    mac,
    pod_cidr,
    state,
    underlay,
    vtep_ip,
)
from tests.changes import with_fdb, with_link, with_neighbour, without_route
from tests.core.rules.asking import ask, case, found, rules_of, words
from tests.paths import (
    BRIDGE_IN,
    UPLINK_IN,
    UPLINK_OUT,
    all_well,
    dropped,
    freed_on,
    lost,
)
from tracer.core.diagnose import judge
from tracer.core.examine import examine
from tracer.core.rules.backend import backend_type_mixed
from tracer.core.rules.twins import vtepmac_duplicate
from tracer.model.cluster import Node
from tracer.model.diagnosis import Severity
from tracer.model.examination import Examination
from tracer.model.observation import Device
from tracer.model.path import Way
from tracer.model.request import CheckRequest
from tracer.model.state import NodeState, Route

A, B, C = "node-a", "node-b", "node-c"
OLD = "02:f1:00:00:00:99"
MGMT = 9
OUTSIDE = {name: f"203.0.113.1{number}" for name, number in NUMBER.items()}
DEFAULT = Route(destination="0.0.0.0/0", gateway="192.0.2.1", ifindex=ETH0)
RULES = (
    vtepmac_duplicate,
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
