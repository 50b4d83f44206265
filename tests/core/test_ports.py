"""A pod's veth is known by its namespace, or by what the bridge knows of the pod."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import CNI0, ETH0, FLANNEL, POD, VETH, mac, state
from tracer.core.ports import closed, host_end
from tracer.model.state import FdbEntry, Neighbour, NodeState, NotRead

IP = POD["node-a"]
MAC = mac("node-a", "pod")
LEARNED = FdbEntry(ifindex=VETH, mac=MAC, state="reachable", flags=("master",))
REFUSED = NotRead(what="pods", why="Operation not permitted, it takes CAP_SYS_ADMIN")


def unentered(**overrides: Any) -> NodeState:
    node = state("node-a")
    return replace(
        node, **{"pods": (), "fdb": (*node.fdb, LEARNED), "not_read": (REFUSED,), **overrides}
    )


def test_by_its_namespace() -> None:
    assert host_end(state("node-a"), IP) == VETH


def test_by_the_bridges_neighbour_and_fdb_entry_where_no_namespace_was_entered() -> None:
    assert host_end(unentered(), IP) == VETH
    assert closed(unentered()) == REFUSED.why


def test_the_namespace_counts_before_the_bridge() -> None:
    elsewhere = replace(LEARNED, ifindex=ETH0)
    assert host_end(replace(state("node-a"), fdb=(elsewhere,)), IP) == VETH


def test_entries_of_a_pod_that_is_gone_are_not_believed() -> None:
    gone = NotRead(what=f"pod {IP}", why="no network namespace of this node holds the address")
    assert host_end(unentered(not_read=(gone,)), IP) is None
    assert closed(unentered(not_read=(gone,))) is None


@pytest.mark.parametrize(
    "change",
    [
        {"neighbours": ()},
        {"neighbours": (Neighbour(ifindex=CNI0, ip=IP, mac=None, state="FAILED"),)},
        {"fdb": ()},
        {"fdb": (replace(LEARNED, ifindex=99),)},
        {"fdb": (replace(LEARNED, ifindex=CNI0),)},
        {"fdb": (FdbEntry(ifindex=FLANNEL, mac=MAC, dst="192.0.2.12"),)},
    ],
    ids=["silent", "unresolved", "aged", "no such port", "the bridge's own", "a vtep's"],
)
def test_what_the_bridge_does_not_know_is_not_known(change: dict[str, Any]) -> None:
    assert host_end(unentered(**change), IP) is None
