"""The points of a way, where it does not pass the usual eight."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import ETH0, agent, bundle, pod_end, request, state
from tracer.core.course import course, why_unsure
from tracer.model.bundle import AgentReport, Bundle
from tracer.model.observation import Device, Direction
from tracer.model.path import Place, Way
from tracer.model.state import NodeState, Rule

USUAL = ["veth1", "cni0", "flannel.1", "eth0", "eth0", "flannel.1", "cni0", "veth2"]
DIRECT = ["veth1", "cni0", "eth0", "eth0", "cni0", "veth2"]


def names(recording: Bundle, way: Way = Way.REQUEST) -> list[str]:
    return [place.ifname for place in course(recording, way)]


def directly(node: NodeState, **selector: Any) -> NodeState:
    """node-a routes straight to node-b for those packets that a rule picks."""
    return replace(
        node,
        routes=(
            *node.routes,
            *(
                replace(r, table=100, gateway="192.0.2.12", ifindex=ETH0, onlink=False)
                for r in node.routes
                if r.destination == "10.244.2.0/24"
            ),
        ),
        rules=(
            Rule(priority=0, table=255, action="table", family=4),
            Rule(priority=10, table=100, action="table", family=4, **selector),
            Rule(priority=32766, table=254, action="table", family=4),
        ),
    )


@pytest.mark.parametrize("selector", [{}, {"source": "10.244.1.0/24"}, {"iif": "cni0"}])
def test_a_rule_that_picks_the_pods_packets_decides_which_way_they_go(
    selector: dict[str, str],
) -> None:
    assert names(bundle(directly(state("node-a"), **selector))) == DIRECT


@pytest.mark.parametrize("selector", [{"source": "10.9.0.0/16"}, {"iif": "lo"}, {"iif": "eth0"}])
def test_a_rule_that_picks_others_leaves_them_to_the_vtep(selector: dict[str, str]) -> None:
    assert names(bundle(directly(state("node-a"), **selector))) == USUAL


def test_each_way_is_routed_by_its_own_sender() -> None:
    recording = bundle(directly(state("node-a")))
    assert len(names(recording)) == 6
    assert len(names(recording, Way.REPLY)) == 8


def test_a_hosts_packets_are_its_own_and_come_in_by_no_bridge() -> None:
    host = pod_end("node-a", host_network=True, ip="192.0.2.11")
    asked = replace(request(), source=host)
    by_bridge = bundle(directly(state("node-a"), iif="cni0"), request=asked)
    by_itself = bundle(directly(state("node-a"), iif="lo"), request=asked)
    assert names(by_bridge) == ["flannel.1", "eth0", "eth0", "flannel.1", "cni0", "veth2"]
    assert names(by_itself) == ["eth0", "eth0", "cni0", "veth2"]


def test_without_the_senders_state_the_usual_way_is_expected() -> None:
    assert names(bundle(nodes={}))[2] == "flannel.1"


@pytest.mark.parametrize(("family", "device"), [(4, "flannel.1"), (6, "flannel-v6.1")])
def test_a_dual_stack_nodes_packet_passes_the_vtep_of_its_family(family: int, device: str) -> None:
    def both(name: str) -> AgentReport:
        found = agent(name)
        (v4,) = (one for one in found.points if one.device is Device.VTEP)
        v6 = replace(v4, ifname="flannel-v6.1", ifindex=99)
        return replace(found, points=(v6, *found.points) if family == 4 else (*found.points, v6))

    agents = {name: both(name) for name in ("node-a", "node-b")}
    asked = request()
    if family == 6:
        asked = replace(
            asked,
            source=pod_end("node-a", ip="fd24:0:0:1::2"),
            destination=pod_end("node-b", ip="fd24:0:0:2::2"),
        )
    assert names(bundle(agents=agents, request=asked))[2] == device


def test_points_that_no_agent_named_stand_there_by_their_kind() -> None:
    assert names(bundle(agents={})) == [
        "pod", "bridge", "vtep", "uplink", "uplink", "vtep", "bridge", "pod"
    ]  # fmt: skip


def test_a_packet_may_pass_a_device_of_another_name_unseen() -> None:
    other = Place(node="node-b", device=Device.VTEP, direction=Direction.IN, ifname="flannel.9")
    assert why_unsure(agent("node-b"), other) == "flannel.9 on node-b was not watched"
    assert why_unsure(agent("node-b"), replace(other, ifname="flannel.1")) is None
