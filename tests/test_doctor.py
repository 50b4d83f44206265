"""`flantrace doctor` on a cluster: an API server that refuses, nodes that do not answer."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver import Server, serving
from tracer.cli.main import run

ROOT = Path(__file__).parents[1]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Two nodes, on which an installed flantrace runs this checkout's real agent."""
    with serving(tmp_path) as made:
        made.agent = lambda _node: ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "tracer"]
        for node in ("node-a", "node-b"):
            made.agent_pod(node)
        yield made


@pytest.fixture
def ask(server: Server, capsys: pytest.CaptureFixture[str]) -> Any:
    """The document that a command line prints; its exit code is the process's."""

    def asking(*words: str) -> dict[str, Any]:
        code = run(["doctor", "--kubeconfig", server.kubeconfig, "--json", *words])
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert document["exit_code"] == code
        return document

    return asking


def operators(document: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["name"]: (one["standing"], one["said"]) for one in document["operator"]["items"]}


def at(document: dict[str, Any], node: str) -> dict[str, dict[str, str]]:
    (found,) = [one for one in document["nodes"] if one["node"] == node]
    return {item["name"]: item for item in found["items"]}


def test_every_node_is_asked_by_its_own_pod(ask: Any, server: Server) -> None:
    document = ask("node-a", "node-b")
    assert at(document, "node-a")["flantrace"]["standing"] == "ok"
    assert at(document, "node-b")["clock"]["said"] == "as ours"
    execs = [path for path in server.asked if "/exec?" in path]
    assert len(execs) == 2
    assert operators(document)["access"] == ("ok", "to all that flantrace asks for")


def test_a_node_without_a_pod_is_not_known_and_the_others_are_asked(ask: Any) -> None:
    document = ask("node-a", "node-c")
    assert at(document, "node-c")["agent"]["standing"] == "unknown"
    assert "not installed" in at(document, "node-c")["agent"]["said"]
    assert "flantrace install" in at(document, "node-c")["agent"]["remedy"]
    assert at(document, "node-a")["flantrace"]["standing"] == "ok"
    assert document["exit_code"] != 0


def test_who_may_not_exec_is_told_so_by_the_access_review(ask: Any, server: Server) -> None:
    server.may = lambda asked: asked.get("subresource") != "exec"
    document = ask("node-a")
    refused = [one for one in document["operator"]["items"] if one["standing"] == "missing"]
    assert [one["said"] for one in refused] == [
        "you may not get, create pods/exec in namespace flantrace"
    ]
    assert document["exit_code"] == 1


def test_each_right_is_asked_for_in_the_place_where_it_is_needed(ask: Any, server: Server) -> None:
    asked: list[dict[str, str]] = []

    def may(attributes: dict[str, str]) -> bool:
        asked.append(attributes)
        return True

    server.may = may
    ask("node-a")
    assert {
        "verb": "create", "group": "", "resource": "pods", "subresource": "exec",
        "namespace": "flantrace",
    } in asked  # fmt: skip
    assert {
        "verb": "list", "group": "discovery.k8s.io", "resource": "endpointslices", "subresource": ""
    } in asked  # fmt: skip
    assert len(asked) == len({json.dumps(one) for one in asked}), "one question twice"


def test_a_server_without_access_reviews_leaves_them_unknown(ask: Any, server: Server) -> None:
    server.answers["selfsubjectaccessreviews"] = 404
    document = ask("node-a")
    assert operators(document)["access"][0] == "unknown"
    assert document["exit_code"] == 3


def test_an_older_agent_is_told_from_a_dead_one(ask: Any, server: Server) -> None:
    # what an agent says that does not know the question
    line = '{"kind":"problem","what":"the line is not understood","hint":"install"}'
    server.agent = lambda _node: ["sh", "-c", f"read line; echo '{line}'", "sh"]
    document = ask("node-a")
    assert "not understood" in at(document, "node-a")["agent"]["said"]
    assert document["exit_code"] == 3


def test_an_agent_that_says_nothing_is_given_up(ask: Any, server: Server) -> None:
    server.agent = lambda _node: ["sh", "-c", "sleep 60", "sh"]
    document = ask("node-a", "--timeout", "1")
    assert at(document, "node-a")["agent"]["said"] == "the agent said nothing in 1 s"


def test_without_a_cluster_the_answer_is_that(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["doctor", "--kubeconfig", str(tmp_path / "none")]) == 3
    out = capsys.readouterr().out
    assert out.startswith("The cluster could not be asked: cannot load a kubeconfig")
    assert "--kubeconfig FILE" in out


def test_a_node_and_this_machine_are_two_questions() -> None:
    assert run(["doctor", "--here", "node-a"]) == 2


def test_a_node_that_does_not_exist_is_named(server: Server) -> None:
    assert run(["doctor", "--kubeconfig", server.kubeconfig, "nope"]) == 4
