"""A cluster comes beside another one, and goes without leaving anything."""

import pytest

from cluster.paths import name
from cluster.setup import Cluster, down, up
from cluster.tests.clock import Clock
from cluster.tests.flantrace import Flantrace
from cluster.tests.remains import Machine, remains
from cluster.tests.ways import by_a_command


def test_a_second_cluster_stands_beside_the_first_and_leaves_nothing(
    cluster: Cluster, flantrace: Flantrace, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as other:
        other.setenv("FLANTRACE_CLUSTER", f"{name()[:11]}2")
        before = Machine.now()
        try:
            with clock("up"):
                second = up()
            with clock("trace"):
                answer = Flantrace(second, by_a_command).trace("web-a", "web-b")
            assert answer.healthy, answer
            assert second.places["node-a"].pid != cluster.places["node-a"].pid
        finally:
            with clock("down"):
                down()
        assert remains(before) == []
    answer = flantrace.trace("web-a", "web-b")
    assert answer.healthy, answer
