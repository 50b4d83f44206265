"""A check of one node: its peers were not read, and it finds what stands in that node's tables."""

import pytest
from msgspec.structs import replace

from tests.builders import (
    api_node,
    bundle,
    cluster,
    mac,
    pod_cidr,
    state,
    underlay,
    vtep_ip,
)
from tests.cases import CHECK, bundle_of, names
from tests.changes import (
    with_fdb,
    with_link,
    with_neighbour,
    with_vxlan,
    without_fdb,
    without_neighbours,
    without_route,
)
from tracer.bundle.archive import read
from tracer.core.examine import examine
from tracer.model.bundle import Bundle
from tracer.model.cluster import ClusterState
from tracer.model.diagnosis import Finding
from tracer.model.examination import Examination
from tracer.model.request import CheckRequest
from tracer.model.state import NodeState, Route

A, B, C = "node-a", "node-b", "node-c"
OTHER_MAC = "02:bb:00:00:00:99"


def alone(one: NodeState, known: ClusterState | None = None) -> Bundle:
    """`flantrace check NODE`: the API is known, and one node."""
    nodes = {one.node: replace(one, pods=())}
    check = CheckRequest(nodes=(one.node,))
    return bundle(nodes=nodes, request=None, check=check, agents={}, cluster=known or cluster())


def examined(one: NodeState, known: ClusterState | None = None) -> Examination:
    return examine(alone(one, known))


def named(examination: Examination) -> set[tuple[str, str]]:
    return {(finding.rule, finding.node) for finding in examination.findings}


def of_case(name: str, node: str) -> Examination:
    """A recorded check of all nodes, as a check of this one would have recorded it."""
    whole = read(bundle_of(name, CHECK))
    nodes = {node: whole.nodes[node]}
    return examine(replace(whole, nodes=nodes, check=CheckRequest(nodes=(node,)), agents={}))


STALE = with_neighbour(state(A), vtep_ip(B), OTHER_MAC, "PERMANENT")


@pytest.mark.parametrize("node", [A, B, C])
def test_a_healthy_node_by_itself_is_healthy(node: str) -> None:
    examination = examined(state(node))
    assert (examination.findings, examination.exit_code) == ((), 0)
    assert examination.sentence == "no fault on 1 node: its tables are what the leases promise."
    others = ", ".join(sorted({A, B, C} - {node}))
    assert f"Not read, and taken to be as their leases say: {others}." in examination.notes


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (with_fdb(STALE, OTHER_MAC, underlay(B)), "neigh-stale-one-node"),
        (without_fdb(state(A), mac(B)), "fdb-missing"),
        (without_neighbours(state(A), vtep_ip(B)), "neigh-missing"),
        (without_route(state(A), pod_cidr(B)), "routes-lost"),
        (with_fdb(state(A), mac(B), "192.0.2.99"), "fdb-wrong-dst-dead"),
        (with_fdb(state(A), mac(B), underlay(C)), "fdb-wrong-dst-live"),
        (with_link(state(A), "flannel.1", mac=OTHER_MAC), "vtepmac-annotation-stale"),
        (with_vxlan(state(A), vni=7), "vni-mismatch"),
        (with_vxlan(state(A), port=4789), "port-mismatch"),
    ],
)
def test_what_is_wrong_in_its_own_tables_is_named(broken: NodeState, rule: str) -> None:
    examination = examined(broken)
    assert named(examination) == {(rule, A)}
    assert examination.findings[0].explains
    assert examination.exit_code == 1
    assert "ways to and from its peers do not work by their leases." in examination.sentence


def test_a_route_that_no_rule_knows_is_told_at_the_node_that_has_it() -> None:
    narrow = Route(destination="10.244.2.128/25", kind="blackhole")
    before = state(A)
    (finding,) = examined(replace(before, routes=(*before.routes, narrow))).findings
    assert (finding.node, finding.explains) == (A, True)


def quoted(finding: Finding) -> list[str]:
    return [f"{one.label}: {one.source}" for one in finding.evidence]


def test_nothing_is_quoted_of_a_node_that_nobody_read() -> None:
    (finding,) = examined(with_fdb(STALE, OTHER_MAC, underlay(B))).findings
    assert finding.sentence == (
        "node-a's neighbour entry for node-b has a MAC that node-b's lease has not."
    )
    assert "node-b link" not in " ".join(quoted(finding))
    assert finding.evidence[-1].label == "not read"
    assert finding.evidence[-1].value == B


def test_nor_does_a_third_node_that_was_not_read_bear_witness() -> None:
    (finding,) = examined(with_fdb(STALE, OTHER_MAC, underlay(B))).findings
    assert not any(one.label == "elsewhere" for one in finding.evidence)


def test_a_peer_of_another_vni_is_named_from_the_leases() -> None:
    data = f'{{"VNI":7,"VtepMAC":"{mac(B)}"}}'
    known = cluster(nodes={B: api_node(B, backend_data=data)})
    assert named(examined(state(A), known)) == {("vni-mismatch", B)}


def test_a_node_whose_lease_is_gone_explains_what_its_peer_sends_to_it() -> None:
    for node in (A, C):
        (finding,) = of_case("annotations-missing", node).findings
        assert (finding.rule, finding.node, finding.explains) == ("annotations-missing", B, True)


def test_two_peers_with_one_address_are_both_looked_at() -> None:
    known = cluster(nodes={C: api_node(C, public_ip=underlay(B))})
    assert ("public-ip-duplicate", C) in named(examined(state(A), known))


HEALTHY = [name for name in names(CHECK) if name.startswith("healthy")]


@pytest.mark.parametrize("name", HEALTHY)
@pytest.mark.parametrize("node", [A, B, C])
def test_every_node_of_a_healthy_recording_is_healthy_by_itself(name: str, node: str) -> None:
    assert of_case(name, node).findings == ()


SAME = {"peer-flannel1-down": "own-flannel1-down"}
"""What the other end of the way calls it."""

AT_ONE = {"podcidr-outside-network"}
"""It is told of the cluster as a whole, too: kube-controller-manager gives such CIDRs."""


@pytest.mark.parametrize("name", names(CHECK))
@pytest.mark.parametrize("node", [A, B, C])
def test_one_node_by_itself_never_tells_what_all_together_do_not(name: str, node: str) -> None:
    whole = {
        (SAME.get(one.rule, one.rule), one.node)
        for one in examine(read(bundle_of(name, CHECK))).findings
    }
    found = {(one.rule, one.node) for one in of_case(name, node).findings}
    assert {one for one in found if one[0] not in AT_ONE} <= whole


@pytest.mark.parametrize("name", names(CHECK))
def test_the_node_at_which_a_check_finds_a_fault_finds_it_by_itself(name: str) -> None:
    for finding in examine(read(bundle_of(name, CHECK))).findings:
        found = {(one.rule, one.node) for one in of_case(name, finding.node).findings}
        assert (SAME.get(finding.rule, finding.rule), finding.node) in found or (
            finding.node == B and name in BY_OTHERS
        ), found


BY_OTHERS = {
    "dualstack-update-ignored": "only the peers' tables are behind",
    "public-ip-nat": "only from outside is the address a wrong one",
    "wrong-interface": "only its peers have no way to the address",
}
"""Faults of a node that its peers show: told there."""


@pytest.mark.parametrize("name", BY_OTHERS)
def test_what_only_peers_show_of_a_node_is_told_at_the_peers(name: str) -> None:
    assert (name, B) in named(of_case(name, A))


def test_a_peer_that_should_have_been_read_is_not_made_up() -> None:
    recording = replace(alone(state(A)), check=CheckRequest(nodes=(A, B)))
    notes = " ".join(examine(recording).notes)
    assert "taken to be as their leases say: node-c." in notes


def test_a_check_of_all_nodes_makes_nobody_up() -> None:
    recording = replace(alone(state(A)), check=CheckRequest())
    assert not any("taken to be" in note for note in examine(recording).notes)
