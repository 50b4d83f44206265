"""A third node that every test may break, Nodes on paper, and the count afterwards."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from cluster.daemons import until
from cluster.node_objects import NodeObjects
from cluster.setup import NODES, Cluster
from cluster.spare import Spare
from cluster.tests.flannel.paper import Paper
from cluster.tests.flannel.seen import Tables, tables

SPARE_CIDR = "10.244.77.0/24"
ADDRESS = "192.168.79.13"
APART = "behaviour.test"
"""A prefix of annotations that the nodes of the cluster do not look at."""


@pytest.fixture(autouse=True)
def as_it_was(cluster: Cluster) -> Iterator[None]:
    """Every test leaves the tables of the two nodes as it found them."""
    before = _tables(cluster)
    yield
    until("the nodes' tables are as before", lambda: _tables(cluster) == before, 10)


@pytest.fixture(scope="session")
def nodes(cluster: Cluster) -> Iterator[NodeObjects]:
    """Node objects of the cluster."""
    with closing(NodeObjects(cluster.operator)) as found:
        yield found


@pytest.fixture
def spare(cluster: Cluster, nodes: NodeObjects) -> Iterator[Spare]:
    """node-c, with no peers but those that a test makes; its flanneld is for the test to start."""
    yield from _spare(Spare(cluster, nodes, "node-c", ADDRESS, prefix=APART))


@pytest.fixture
def observer(spare: Spare) -> Spare:
    """node-c with flanneld."""
    spare.start()
    return spare


@pytest.fixture
def peer(cluster: Cluster, nodes: NodeObjects) -> Iterator[Spare]:
    """node-c, a peer of node-a and node-b; its flanneld is for the test to start."""
    yield from _spare(Spare(cluster, nodes, "node-c", ADDRESS))


@pytest.fixture
def paper(nodes: NodeObjects, spare: Spare) -> Iterator[Paper]:
    """Makes peers of node-c."""
    one = Paper(nodes, APART)
    yield one
    spare.stop(patience_s=0.5)
    one.remove()


def _spare(one: Spare) -> Iterator[Spare]:
    try:
        one.register(SPARE_CIDR)
        yield one
    finally:
        one.remove()


def _tables(cluster: Cluster) -> dict[str, Tables]:
    return {node: tables(cluster.places[node]) for node in NODES}
