"""The entries where policy rules choose the table, and where an old VTEP was left behind."""

from msgspec.structs import replace

from tests import changes as c
from tests.builders import state
from tests.core.entries import bad, of
from tests.packets import (
    BRIDGE_IN,
    UPLINK_IN,
)
from tracer.model.path import Mark
from tracer.model.state import NodeState, Rule

A = state("node-a")
B = state("node-b")
PEER = "10.244.2.0"
ROUTE, NEIGHBOUR, FDB = "a bridge in route", "a vtep out neighbour", "a vtep out fdb"


def ruled(node: NodeState, destination: str, iif: str) -> NodeState:
    """One route of the node stands in a table that only packets from `iif` are shown."""
    return replace(
        node,
        routes=tuple(
            replace(r, table=100) if r.destination == destination else r for r in node.routes
        ),
        rules=(
            Rule(priority=0, table=255, action="table", family=4),
            Rule(priority=10, table=100, action="table", family=4, iif=iif),
            Rule(priority=32766, table=254, action="table", family=4),
        ),
    )


def test_a_policy_rule_for_the_bridge_counts_at_every_hop_of_a_pods_packet() -> None:
    entries = of(ruled(A, "10.244.2.0/24", "cni0"))
    assert {entries[key].mark for key in (ROUTE, NEIGHBOUR, FDB)} == {Mark.OK}
    waiting = of(ruled(c.without_neighbours(A, PEER), "10.244.2.0/24", "cni0"), last=BRIDGE_IN)
    assert list(bad(waiting)) == ["a bridge in neighbour"]


def test_a_policy_rule_for_the_vtep_counts_where_the_receiver_delivers() -> None:
    entries = of(ruled(B, "10.244.2.0/24", "flannel.1"))
    assert entries["b bridge out route"].mark is Mark.OK


def leftover(node: NodeState) -> NodeState:
    """The node with the VTEP of an earlier VNI, which flanneld leaves behind, first."""
    now = next(link for link in node.links if link.vxlan is not None)
    assert now.vxlan is not None
    old = replace(now, ifindex=30, ifname="flannel.7", vxlan=replace(now.vxlan, vni=7))
    return replace(node, links=(old, *node.links))


def test_a_vtep_of_an_earlier_vni_is_not_taken_for_todays() -> None:
    assert bad(of(leftover(A))) == {}
    assert bad(of(leftover(B), last=UPLINK_IN)) == {}
