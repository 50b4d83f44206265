"""Many nodes are read at once, so many and no more; what one does is no concern of the others."""

import os
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.apiserver import Server, serving
from tests.builders import cluster, state
from tracer.bundle.archive import read, write
from tracer.core.leases import leases
from tracer.errors import CollectFailed, NotFound
from tracer.model.bundle import AgentEnd, Bundle
from tracer.model.request import CheckRequest
from tracer.recording import survey
from tracer.recording.reach import Reach
from tracer.recording.survey import Survey, Surveyor

ROOT = Path(__file__).parents[1]
ALL = ("node-a", "node-b", "node-c")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as made:
        yield made


def order(server: Server, folder: Path) -> Survey:
    start = f"env PYTHONPATH={ROOT} {sys.executable} -m tests.fake_agent"
    return Survey(
        reach=Reach(
            kubeconfig=server.kubeconfig,
            timeout_s=10.0,
            node_exec=f"{start} {shlex.quote(str(folder))} {{node}}",
            agent="flantrace",
        )
    )


def reaching(order: Survey, **changes: Any) -> Survey:
    return replace(order, reach=replace(order.reach, **changes))


def surveyed(order: Survey, said: list[str] | None = None) -> Bundle:
    surveyor = Surveyor(order, (said if said is not None else []).append)
    surveyor.run()
    return surveyor.bundle()


def test_every_node_is_read_and_told_which_pods_it_should_have(
    server: Server, tmp_path: Path
) -> None:
    server.pod("web", "node-a", "10.244.1.2", "fd00:1::2")
    server.pod("old", "node-a", "10.244.1.3", phase="Succeeded")
    server.pod("proxy", "node-a", "192.0.2.1", spec={"hostNetwork": True, "containers": []})
    server.pod("db", "node-b", "10.244.2.2")
    said: list[str] = []
    bundle = surveyed(order(server, tmp_path), said)
    assert {node: state.hostname for node, state in bundle.nodes.items()} == {
        "node-a": "10.244.1.2 fd00:1::2",
        "node-b": "10.244.2.2",
        "node-c": "",
    }
    assert (bundle.request, bundle.check) == (None, CheckRequest())
    assert {agent.end for agent in bundle.agents.values()} == {AgentEnd.BYE}
    assert bundle.troubles == ()
    assert len(bundle.cluster.pods) == 4
    assert said[0] == "reading nodes, pods and leases"
    assert said[1] == "reading 0 of 3 nodes"
    assert said[-1] in ("reading 2 of 3 nodes", "reading 3 of 3 nodes")


def test_a_check_is_kept_in_a_file_as_a_trace_is(server: Server, tmp_path: Path) -> None:
    bundle = surveyed(order(server, tmp_path))
    write(bundle, tmp_path / "check.tgz")
    assert read(tmp_path / "check.tgz") == bundle


def test_only_so_many_run_at_once_and_nothing_stays_open(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "AT_ONCE", 2)
    for number in range(4, 9):
        server.node(f"node-{number}", number)
    surveyor = Surveyor(order(server, tmp_path), lambda _: None)
    before = len(os.listdir("/proc/self/fd"))
    surveyor.run()
    assert len(surveyor.bundle().nodes) == 8
    assert max(map(int, (tmp_path / "counts").read_text().split())) == 2
    assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_a_node_that_hangs_raves_or_breaks_is_a_trouble_and_the_others_are_read(
    server: Server, tmp_path: Path
) -> None:
    for number, node in enumerate(("hanging-a", "raving-a", "broken-a"), 4):
        server.node(node, number)
    begun = time.monotonic()
    bundle = surveyed(reaching(order(server, tmp_path), timeout_s=4.0))
    assert time.monotonic() - begun < 10
    assert set(bundle.nodes) == set(ALL)
    assert {trouble.node: trouble.what for trouble in bundle.troubles} == {
        "hanging-a": "the agent on hanging-a was not ready in 4 s",
        "raving-a": "the agent on raving-a said something that is not understood: Segmentation"
        " fault (JSON is malformed: invalid character (byte 0))",
        "broken-a": "no agent could be started on broken-a: bcc: no such thing",
    }
    assert len(bundle.troubles) == 3
    assert bundle.agents["hanging-a"].end is AgentEnd.SILENT


def test_a_template_that_leads_nowhere_leaves_what_the_api_said(
    server: Server, tmp_path: Path
) -> None:
    bundle = surveyed(reaching(order(server, tmp_path), node_exec="no-such-command {node}"))
    assert bundle.nodes == {}
    assert len(bundle.cluster.nodes) == 3
    assert [trouble.node for trouble in bundle.troubles] == list(ALL)


@pytest.mark.parametrize(("many", "left_out"), [(32, 0), (3, 2)])
def test_of_many_nodes_only_what_is_not_as_promised_travels(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int, left_out: int
) -> None:
    monkeypatch.setattr(survey, "MANY", many)
    monkeypatch.setattr(survey, "leases", lambda _: leases(cluster()))
    node, whole = surveyed(order(server, tmp_path)).nodes["node-a"], state("node-a")
    assert node.machine == f"{left_out} peers left out"
    assert node.promised == ()
    for part in ("routes", "neighbours", "fdb"):
        assert set(getattr(node, part)) == set(getattr(whole, part))


def test_only_the_named_nodes_are_read(server: Server, tmp_path: Path) -> None:
    bundle = surveyed(replace(order(server, tmp_path), nodes=("node-c", "node-a")))
    assert list(bundle.nodes) == ["node-c", "node-a"]
    assert bundle.check == CheckRequest(nodes=("node-c", "node-a"))
    assert len(bundle.cluster.nodes) == 3
    with pytest.raises(NotFound, match="node node-z does not exist"):
        surveyed(replace(order(server, tmp_path), nodes=("node-z",)))


def test_without_agents_nothing_is_started(server: Server, tmp_path: Path) -> None:
    bundle = surveyed(replace(order(server, tmp_path), agents=False))
    assert (bundle.nodes, bundle.agents, bundle.troubles) == ({}, {}, ())
    assert bundle.check == CheckRequest(agents=False)
    assert not (tmp_path / "counts").exists()


def test_where_nodes_may_not_be_listed_named_ones_can_still_be_read(
    server: Server, tmp_path: Path
) -> None:
    server.answers["/api/v1/nodes"] = 403
    bundle = surveyed(replace(order(server, tmp_path), nodes=("node-a",)))
    assert list(bundle.nodes) == ["node-a"]
    assert [one.what for one in bundle.troubles] == ["the API server does not let us read nodes"]
    with pytest.raises(CollectFailed, match="does not let us read nodes"):
        surveyed(order(server, tmp_path))
