"""What is as promised need not travel, and comes back whole."""

import random

from msgspec.structs import replace

from tests.builders import bundle, mac, state, underlay
from tests.changes import with_fdb, without_neighbours
from tests.thousand import large
from tracer.core.leases import leases
from tracer.core.promised import with_promised, without_promised
from tracer.model.lease import Lease
from tracer.model.state import NodeState

LEASES = leases(bundle().cluster)


def tables(node: NodeState) -> list[set[object]]:
    return [set(node.routes), set(node.neighbours), set(node.fdb)]


def there_and_back(node: NodeState, known: tuple[Lease, ...] = LEASES) -> NodeState:
    sent = without_promised(node, known)
    back = with_promised(sent, known)
    assert tables(back) == tables(node)
    assert back.promised == ()
    return sent


def test_a_healthy_node_names_its_peers_and_keeps_its_own() -> None:
    sent = there_and_back(state("node-a"))
    assert sent.promised == ("node-b", "node-c")
    assert sent.fdb == ()
    assert all(route.gateway is None for route in sent.routes)
    assert [entry.state for entry in sent.neighbours] == ["REACHABLE"]


def test_what_differs_travels() -> None:
    for odd in (
        with_fdb(state("node-a"), mac("node-b"), underlay("node-c")),
        without_neighbours(state("node-a"), "10.244.2.0"),
    ):
        sent = there_and_back(odd)
        assert sent.promised == ("node-c",)


def test_a_node_without_its_vtep_is_sent_whole() -> None:
    bare = replace(state("node-a"), links=())
    assert there_and_back(bare) == replace(bare, promised=())


def test_of_a_thousand_entries_only_the_odd_ones_are_left() -> None:
    whole = large(300)
    known = leases(whole.cluster)
    node = whole.nodes["node-0007"]
    dice = random.Random(7)
    torn = replace(node, fdb=tuple(entry for entry in node.fdb if dice.random() > 0.02))
    sent = there_and_back(torn, known)
    missing = len(node.fdb) - len(torn.fdb)
    assert len(sent.promised) == 299 - missing
    assert len(sent.routes) + len(sent.neighbours) + len(sent.fdb) < 3 * missing + 10


def test_of_a_peer_whose_entries_are_being_written_nothing_is_said() -> None:
    torn = without_neighbours(
        with_fdb(state("node-a"), mac("node-b"), underlay("node-c")), "10.244.2.0"
    )
    sent = without_promised(torn, LEASES, {"node-b"})
    assert sent == without_promised(state("node-a"), LEASES)
