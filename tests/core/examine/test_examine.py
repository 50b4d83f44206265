"""A check of a small cluster: every node read, one thing broken."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import (
    FLANNEL,
    NUMBER,
    POD,
    api_node,
    bundle,
    cluster,
    mac,
    pod_cidr,
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
from tracer.core.examine import examine
from tracer.model.bundle import Bundle, Trouble
from tracer.model.examination import Examination, Step
from tracer.model.request import CheckRequest
from tracer.model.state import NodeState, Route, TcFilter

A, B, C = "node-a", "node-b", "node-c"


def checked(*states: NodeState, check: CheckRequest | None = None, **more: Any) -> Bundle:
    """All three nodes read, as `flantrace check` records them."""
    nodes = {name: replace(state(name), pods=()) for name in NUMBER}
    nodes |= {changed.node: changed for changed in states}
    return bundle(nodes=nodes, request=None, check=check or CheckRequest(), agents={}, **more)


def examined(*states: NodeState, **more: Any) -> Examination:
    return examine(checked(*states, **more))


def named(examination: Examination) -> set[tuple[str, str]]:
    return {(finding.rule, finding.node) for finding in examination.findings}


def stopped(examination: Examination) -> set[str]:
    """`a>b`: node-a's pods do not reach node-b's."""
    return {f"{one.sender[-1]}>{one.receiver[-1]}" for one in examination.reach}


def test_a_healthy_cluster_has_no_finding_and_every_way_works() -> None:
    examination = examined()
    assert examination.exit_code == 0
    assert (
        examination.sentence == "no fault on 3 nodes: all 6 ways between them work by the tables."
    )
    assert (examination.findings, examination.reach, examination.skipped) == ((), (), ())
    assert (examination.ways, examination.stopped) == (6, 0)


@pytest.mark.parametrize(
    ("broken", "rule", "node", "ways"),
    [
        (without_fdb(state(A), mac(B)), "fdb-missing", A, {"a>b"}),
        (without_neighbours(state(A), vtep_ip(B)), "neigh-missing", A, {"a>b"}),
        (without_route(state(A), pod_cidr(B)), "routes-lost", A, {"a>b"}),
        (with_fdb(state(A), mac(B), "192.0.2.99"), "fdb-wrong-dst-dead", A, {"a>b"}),
        (
            with_link(state(B), "flannel.1", mac="02:00:00:00:00:99"),
            "vtepmac-annotation-stale",
            B,
            {"a>b", "c>b"},
        ),
    ],
)
def test_a_fault_is_named_with_the_ways_that_it_stops(
    broken: NodeState, rule: str, node: str, ways: set[str]
) -> None:
    examination = examined(broken)
    assert named(examination) == {(rule, node)}
    assert stopped(examination) == ways
    assert examination.exit_code == 1
    assert examination.sentence.startswith(examination.findings[0].sentence.rstrip("."))
    assert examination.sentence.endswith(f"{len(ways)} of 6 ways between nodes do not work.")
    assert {one.rule for one in examination.reach} == {rule}


def test_a_fault_of_one_node_is_one_finding_however_many_peers_meet_it() -> None:
    examination = examined(with_link(state(B), "flannel.1", mac="02:00:00:00:00:99"))
    assert len(examination.findings) == 1
    assert examination.findings[0].way is None


def test_two_faults_are_both_named_in_the_order_of_causes() -> None:
    examination = examined(
        without_fdb(state(A), mac(B)), with_link(state(C), "flannel.1", mac="02:00:00:00:00:99")
    )
    assert [f.rule for f in examination.findings] == ["vtepmac-annotation-stale", "fdb-missing"]
    assert stopped(examination) == {"a>b", "a>c", "b>c"}
    assert examination.sentence == (
        "2 faults on node-c, node-a: 3 of 6 ways between nodes do not work."
    )


def test_a_neighbour_entry_that_no_probe_would_use_is_still_compared() -> None:
    """Every pair is; not only those of two pods that somebody asked about."""
    wrong = with_neighbour(with_fdb(state(C), "02:00:00:00:00:77", underlay(A)), vtep_ip(A),
                           "02:00:00:00:00:77", "PERMANENT")  # fmt: skip
    assert named(examined(wrong)) == {("neigh-stale-one-node", C)}


def test_a_fault_that_no_rule_knows_is_still_located() -> None:
    narrow = Route(destination="10.244.2.128/25", kind="blackhole")
    examination = examined(replace(state(A), routes=(*state(A).routes, narrow)))
    assert stopped(examination) == {"a>b"}
    one = examination.reach[0]
    assert (one.node, one.device, one.reason) == (A, "cni0", "NOT_SPECIFIED")
    assert examination.findings
    assert examination.exit_code == 1


def test_a_node_that_sends_its_own_pods_packets_away_is_found() -> None:
    before = state(B, pods=())
    back = Route(destination="10.244.2.0/25", gateway="10.244.1.0", ifindex=FLANNEL, onlink=True)
    examination = examined(replace(before, routes=(*before.routes, back)))
    assert {finding.node for finding in examination.findings} == {B}
    assert stopped(examination) == {"a>b"}


def test_a_narrower_route_is_found_whatever_part_of_the_subnet_it_takes() -> None:
    for half in ("10.244.2.0/26", "10.244.2.64/26", "10.244.2.192/27"):
        narrow = Route(destination=half, kind="unreachable")
        examination = examined(replace(state(A), routes=(*state(A).routes, narrow)))
        assert stopped(examination) == {"a>b"}, half


def test_a_node_that_was_not_read_makes_a_clean_answer_unknown() -> None:
    recording = checked(troubles=(Trouble(node=C, what="ssh: no route to host", hint=""),))
    nodes = {name: one for name, one in recording.nodes.items() if name != C}
    examination = examine(replace(recording, nodes=nodes))
    assert examination.exit_code == 3
    assert examination.sentence == (
        "no fault was found, but node-c was not read: ssh: no route to host."
    )
    assert (examination.asked, examination.read) == ((A, B, C), (A, B))


def test_what_keeps_several_nodes_from_being_read_is_noted_once() -> None:
    why = {"what": "namespace flantrace does not exist", "hint": "kubectl create namespace it"}
    recording = checked(troubles=tuple(Trouble(node=node, **why) for node in (A, B, C)))
    notes = examine(replace(recording, nodes={})).notes
    assert sum("does not exist" in note for note in notes) == 1


def test_but_a_fault_is_a_fault_whoever_was_silent() -> None:
    recording = checked(without_fdb(state(A), mac(B)))
    nodes = {name: one for name, one in recording.nodes.items() if name != C}
    assert examine(replace(recording, nodes=nodes)).exit_code == 1


def test_without_agents_the_api_alone_is_compared_and_says_so() -> None:
    recording = replace(checked(check=CheckRequest(agents=False)), nodes={})
    examination = examine(recording)
    assert examination.exit_code == 0
    assert examination.sentence == "no fault in what the API shows of 3 nodes."
    assert examination.notes == ("Nothing ran on the nodes: only what the API shows was compared.",)


def test_a_lease_that_peers_pass_over_is_said() -> None:
    node = api_node(B, kube_subnet_manager="")
    examination = examined(cluster=cluster(nodes={B: node}))
    assert any(note.startswith("Peers ignore the lease of node-b") for note in examination.notes)


def test_the_steps_say_how_much_was_compared() -> None:
    steps = {one.step: one for one in examined(without_fdb(state(A), mac(B))).steps}
    assert list(steps) == list(Step)
    assert steps[Step.CLUSTER].compared == "3 Node objects"
    assert steps[Step.ROUTES].compared == "6 routes"
    assert steps[Step.ENTRIES].compared == "12 entries"
    assert (steps[Step.ENTRIES].errors, steps[Step.ROUTES].errors) == (1, 0)


def test_the_named_nodes_alone_are_asked_for() -> None:
    examination = examined(check=CheckRequest(nodes=(A, B)))
    assert (examination.asked, examination.ways) == ((A, B), 2)


def test_directly_routed_peers_need_no_entries() -> None:
    def direct(node: str) -> NodeState:
        peers = [peer for peer in NUMBER if peer != node]
        own = [route for route in state(node).routes if route.ifindex != FLANNEL]
        routes = [
            Route(destination=pod_cidr(peer), gateway=underlay(peer), ifindex=2) for peer in peers
        ]
        return replace(state(node), routes=(*own, *routes), neighbours=(), fdb=(), pods=())

    examination = examined(*(direct(node) for node in NUMBER), cluster=cluster(net_conf=None))
    assert (examination.exit_code, examination.stopped) == (0, 0)
    entries = next(one for one in examination.steps if one.step is Step.ENTRIES)
    assert entries.compared == "0 entries"


def test_a_trace_can_be_examined_too() -> None:
    examination = examine(bundle())
    assert examination.read == (A, B)
    assert POD[A] not in {finding.sentence for finding in examination.findings}


def test_programs_that_no_table_shows_are_said_and_change_nothing() -> None:
    program = TcFilter(ifindex=FLANNEL, hook="tcx ingress", name="cil_from_overlay")
    examination = examined(replace(state(B), filters=(program,)))
    assert examination.exit_code == 0
    assert (
        "What cil_from_overlay (tcx ingress) on flannel.1 of node-b does is in no table."
        in examination.notes
    )


def test_frames_for_another_mac_are_a_note_where_nothing_explains_them_now() -> None:
    link = next(link for link in state(B).links if link.ifname == "flannel.1")
    counted = replace(link.counters, rx_otherhost=7)
    examination = examined(with_link(state(B), "flannel.1", counters=counted))
    assert examination.findings == ()
    assert any("has counted 7 frames for another MAC" in note for note in examination.notes)
