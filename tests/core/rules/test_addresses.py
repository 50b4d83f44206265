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
    pod_cidr,
    state,
)
from tests.changes import without_route
from tests.core.rules.asking import ask, case, found, rules_of, words
from tests.paths import (
    BRIDGE_IN,
    UPLINK_IN,
    all_well,
    dropped,
    freed_on,
)
from tracer.core.diagnose import judge
from tracer.core.examine import examine
from tracer.core.rules.backend import backend_type_mixed
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
RULES = (backend_type_mixed,)


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
