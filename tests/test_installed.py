"""Nodes are reached by exec into the pods of an installation; who is not there is named."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver import Server, fake_agent, serving_agents
from tracer.bundle.archive import read
from tracer.cli.main import run
from tracer.model.bundle import AgentEnd, Bundle
from tracer.recording.reach import Reach
from tracer.recording.survey import Survey, Surveyor

ROOT = Path(__file__).parents[1]
ALL = ("node-a", "node-b", "node-c")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving_agents(tmp_path) as made:
        yield made


def surveyed(server: Server, **reach: Any) -> Bundle:
    order = Survey(reach=Reach(kubeconfig=server.kubeconfig, timeout_s=10.0, **reach))
    surveyor = Surveyor(order, lambda _: None)
    surveyor.run()
    return surveyor.bundle()


def troubles(bundle: Bundle) -> dict[str | None, tuple[str, str]]:
    return {one.node: (one.what, one.hint) for one in bundle.troubles}


def test_every_node_is_read_by_its_own_pod(server: Server) -> None:
    for node in ALL:
        server.agent_pod(node)
    bundle = surveyed(server)
    assert bundle.troubles == ()
    assert tuple(bundle.nodes) == ALL
    assert {agent.end for agent in bundle.agents.values()} == {AgentEnd.BYE}
    execs = [path for path in server.asked if "/exec?" in path]
    assert sorted(path.split("/")[6] for path in execs) == [f"flantrace-agent-{n}" for n in ALL]


def test_the_command_line_needs_no_word_about_nodes(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for node in ("node-a", "node-b"):
        server.agent_pod(node)
    saved = tmp_path / "check.tgz"
    code = run(["check", "--kubeconfig", server.kubeconfig, "--save", str(saved)])
    assert code in (1, 3)
    assert "2 of 3 nodes read" in capsys.readouterr().out
    assert troubles(read(saved)) == {
        "node-c": (
            "flantrace is not installed on node-c",
            "flantrace install --image REF; for once, without: --ephemeral --image REF;"
            " by another way: --node-exec 'ssh {node} sudo'",
        )
    }


def test_no_way_to_a_cluster_is_said_and_is_exit_code_4(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-m", "tracer", "pod-a", "pod-b"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert "flantrace: cannot load a kubeconfig: Invalid kube-config file." in done.stderr
    assert "pass --kubeconfig FILE (or --lab" in done.stderr


def test_a_pod_that_does_not_run_is_told_of_in_the_kubelets_words(server: Server) -> None:
    server.agent_pod("node-a")
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x": not found'}
    container = {"name": "agent", "state": {"waiting": waiting}}
    server.agent_pod("node-b", phase="Pending", containerStatuses=[container])
    server.agent_pod("node-c", phase="Failed", reason="Evicted", message="The node was low on disk")
    assert troubles(surveyed(server)) == {
        "node-b": (
            "flantrace's pod on node-b does not run: ImagePullBackOff: Back-off pulling image"
            ' "x": not found',
            "kubectl -n flantrace describe pod flantrace-agent-node-b",
        ),
        "node-c": (
            "flantrace's pod on node-c does not run: Evicted: The node was low on disk",
            "kubectl -n flantrace describe pod flantrace-agent-node-c",
        ),
    }


@pytest.mark.parametrize(
    ("code", "what", "hint"),
    [
        (
            403,
            "the API server does not let us exec into pod flantrace/flantrace-agent-node-b: the"
            " test says no",
            "flantrace needs get and create of pods/exec in namespace flantrace",
        ),
        (
            404,
            "pod flantrace/flantrace-agent-node-b on node-b is gone",
            "kubectl -n flantrace get pods -o wide",
        ),
        (
            500,
            "the API server cannot exec into pod flantrace/flantrace-agent-node-b on node-b: the"
            " test says no",
            "is node-b up, and can the API server reach its kubelet (TCP 10250)? --node-exec 'ssh"
            " {node} sudo' goes another way",
        ),
        (
            200,
            "the API server answered 200 instead of a WebSocket: the test says no",
            "do proxies on the way let WebSockets pass? --node-exec 'ssh {node} sudo' needs none",
        ),
    ],
)
def test_an_exec_that_is_refused_is_one_nodes_trouble(
    server: Server, code: int, what: str, hint: str
) -> None:
    for node in ALL:
        server.agent_pod(node)
    server.answers["flantrace-agent-node-b/exec"] = code
    bundle = surveyed(server)
    assert troubles(bundle) == {"node-b": (what, hint)}
    assert set(bundle.nodes) == {"node-a", "node-c"}


def test_a_pod_that_a_rollout_has_replaced_is_looked_up_anew(server: Server) -> None:
    for node in ALL:
        server.agent_pod(node)
    server.answers["flantrace-agent-node-b/exec"] = 404
    way = Reach(kubeconfig=server.kubeconfig).way(server.api)
    way._found(anew=False)  # type: ignore[attr-defined]
    server.agent_pod("node-b", "flantrace-agent-newer")
    from tracer.lab.apiserver.resources import find

    pods = find("", "v1", "pods")
    assert pods is not None
    server.store.delete(pods, ("flantrace", "flantrace-agent-node-b"))
    stream = way._connected("node-b")  # type: ignore[attr-defined]
    stream.close()
    execs = [path.split("/")[6] for path in server.asked if "/exec?" in path]
    assert execs == ["flantrace-agent-node-b", "flantrace-agent-newer"]


def test_the_agents_command_may_be_another(server: Server, tmp_path: Path) -> None:
    server.agent_pod("node-a")
    words = fake_agent(tmp_path)
    bundle = surveyed(server, agent=f"{shlex.join(words)} node-a")
    assert list(bundle.nodes) == ["node-a"]


def test_an_image_without_flantrace_is_said_to_be_one(server: Server) -> None:
    for node in ALL:
        server.agent_pod(node)
    assert set(troubles(surveyed(server, agent="no-such-flantrace")).values()) == {
        (
            f'no agent could be started on {node}: exec: "no-such-flantrace": executable file not'
            " found in $PATH",
            "is that an image of flantrace? --agent CMD says how it is called there",
        )
        for node in ALL
    }
