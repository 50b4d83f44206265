"""The cluster's intent, as it changes."""

from tests.builders import cluster
from tracer.core.known import Known


def test_leases_that_another_one_in_this_process_has_read_are_not_read_again() -> None:
    nodes = cluster().nodes
    first = Known()
    first.take(nodes)
    again = Known(like=first)
    assert len(again.take(nodes)) == len(nodes)
    for node in nodes:
        assert again.leases_of(node.name) is first.leases_of(node.name) != ()


def test_of_a_node_that_the_other_one_has_not_it_reads_itself() -> None:
    nodes = cluster().nodes
    again, alone = Known(like=Known()), Known()
    again.take(nodes)
    alone.take(nodes)
    assert again.leases() == alone.leases() != ()
