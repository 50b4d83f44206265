"""A check of many nodes follows some pairs and judges all."""

from msgspec.structs import replace

from tests.thousand import large
from tracer.core.examine import examine
from tracer.model.bundle import Bundle
from tracer.model.examination import Examination
from tracer.model.request import CheckRequest
from tracer.model.state import NodeState

MANY = 40


def recording() -> Bundle:
    return replace(large(MANY), request=None, check=CheckRequest(), observations=(), agents={})


def examined(**states: NodeState) -> Examination:
    whole = recording()
    named = {name.replace("_", "-"): one for name, one in states.items()}
    return examine(replace(whole, nodes={**whole.nodes, **named}))


def node(number: int) -> NodeState:
    return recording().nodes[f"node-{number:04d}"]


def test_many_healthy_nodes_are_healthy() -> None:
    examination = examined()
    assert (examination.exit_code, examination.stopped) == (0, 0)
    assert examination.ways == MANY * (MANY - 1)


def test_one_entry_among_thousands_is_found() -> None:
    one = node(7)
    gone = one.fdb[20]
    examination = examined(node_0007=replace(one, fdb=(*one.fdb[:20], *one.fdb[21:])))
    assert [(f.rule, f.node) for f in examination.findings] == [("fdb-missing", "node-0007")]
    assert gone.mac in examination.findings[0].sentence
    assert [(r.sender, r.rule) for r in examination.reach] == [("node-0007", "fdb-missing")]


def test_a_node_that_cannot_forward_stops_all_its_ways() -> None:
    one = node(7)
    off = dict.fromkeys(one.sysctls, "0")
    examination = examined(node_0007=replace(one, sysctls=off))
    assert [(f.rule, f.node) for f in examination.findings] == [("ip-forward-off", "node-0007")]
    assert examination.stopped == 2 * (MANY - 1)


def test_a_node_that_all_peers_misaddress_stops_the_ways_to_it() -> None:
    one = node(7)
    links = tuple(
        replace(link, mac="02:00:00:00:00:77") if link.vxlan is not None else link
        for link in one.links
    )
    examination = examined(node_0007=replace(one, links=links))
    assert {(f.rule, f.node) for f in examination.findings} == {
        ("vtepmac-annotation-stale", "node-0007")
    }
    assert {one.receiver for one in examination.reach} == {"node-0007"}
    assert examination.stopped == MANY - 1
