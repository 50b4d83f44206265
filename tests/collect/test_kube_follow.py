"""Objects are followed for days: over watches that end, versions that expire, servers that go."""

import json
import queue
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver import Server, serving
from tracer.collect import kube_follow
from tracer.collect.kube import Api
from tracer.collect.kube_follow import Change, Followed
from tracer.collect.kube_objects import NodeObject
from tracer.model.cluster import Node

PREFIX = "flannel.alpha.coreos.com"
PATIENCE_S = 10
THREE = {"node-a", "node-b", "node-c"}


def node(name: str, mac: str = "02:f1:00:00:00:01", **more: Any) -> dict[str, Any]:
    data = json.dumps({"VNI": 1, "VtepMAC": mac})
    meta = {"name": name, "annotations": {f"{PREFIX}/backend-data": data, "other": "1"}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": {}, "status": {}, **more}


class Written:
    """A server whose nodes are written by its own API."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._api = Api(server.kubeconfig, None, 5)

    def put(self, one: dict[str, Any]) -> None:
        path = "/api/v1/nodes"
        status, body = self._api.call("POST", path, one)
        if status == 409:
            merge = "application/merge-patch+json"
            path = f"{path}/{one['metadata']['name']}"
            status, body = self._api.call("PATCH", path, one, merge)
        assert status in (200, 201), body

    def remove(self, name: str) -> None:
        status, body = self._api.call("DELETE", f"/api/v1/nodes/{name}")
        assert status == 200, body


class Heard:
    """The nodes of a server, followed."""

    def __init__(self, server: Server, *, lean: bool) -> None:
        self.changes: queue.Queue[Change] = queue.Queue()
        self.followed: Followed[NodeObject, Node] = Followed(
            Api(server.kubeconfig, None, 5, lean=lean),
            "/api/v1/nodes",
            NodeObject,
            NodeObject.node,
            lambda one: one.name,
            "nodes",
            self.changes.put,
        )

    def next(self) -> Change:
        return self.changes.get(timeout=PATIENCE_S)

    def names(self) -> set[str]:
        return {one.name for one in self.followed.objects()}


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_follow, "PAUSES_S", (0.05,))
    monkeypatch.setattr(kube_follow, "ASKED_FOR_S", 1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as made:
        yield made


@pytest.fixture
def nodes(server: Server) -> Written:
    written = Written(server)
    written.put(node("node-a"))
    written.put(node("node-b"))
    return written


@pytest.fixture(params=[False, True], ids=["official", "lean"])
def lean(request: pytest.FixtureRequest) -> bool:
    """Which of the two ways to the API."""
    return bool(request.param)


@pytest.fixture
def heard(nodes: Written, lean: bool) -> Iterator[Heard]:
    made = Heard(nodes.server, lean=lean)
    assert made.followed.wait(PATIENCE_S)
    assert {made.next().now.name for _ in THREE} == THREE
    yield made
    made.followed.close()


def test_what_is_there_at_first_is_new(heard: Heard) -> None:
    assert heard.names() == THREE
    assert heard.followed.trouble is None


def test_a_lease_that_changes_is_told_with_what_it_was(nodes: Written, heard: Heard) -> None:
    nodes.put(node("node-b", "02:f1:00:00:00:99"))
    change = heard.next()
    assert "02:f1:00:00:00:01" in change.before.annotations[f"{PREFIX}/backend-data"]
    assert "02:f1:00:00:00:99" in change.now.annotations[f"{PREFIX}/backend-data"]
    assert 0 < change.time_ns <= time.monotonic_ns()


def test_a_change_of_what_we_do_not_keep_is_none(nodes: Written, heard: Heard) -> None:
    beating = node("node-b")
    beating["metadata"]["annotations"]["other"] = "2"
    nodes.put(beating)
    nodes.put(node("node-d"))
    assert heard.next().now.name == "node-d"


def test_a_node_that_goes(nodes: Written, heard: Heard) -> None:
    nodes.remove("node-b")
    change = heard.next()
    assert (change.before.name, change.now) == ("node-b", None)
    assert heard.names() == THREE - {"node-b"}


def test_the_next_watch_goes_on_where_the_last_one_ended(nodes: Written, heard: Heard) -> None:
    asked = nodes.server.asked
    until(lambda: sum("watch=1" in one for one in asked) >= 3)
    nodes.put(node("node-d"))
    assert heard.next().now.name == "node-d"
    assert sum("limit=" in one for one in asked) == 1, "the list was read once"


def test_while_the_server_is_away_the_last_that_was_heard_stands(
    nodes: Written, heard: Heard
) -> None:
    answers = nodes.server.answers
    answers["watch=1"] = 503
    until(lambda: heard.followed.trouble is not None)
    assert heard.names() == THREE
    age_ns = time.monotonic_ns() - heard.followed.heard_ns
    assert age_ns > 0
    nodes.put(node("node-d"))
    answers.clear()
    assert heard.next().now.name == "node-d"
    until(lambda: heard.followed.trouble is None)


def test_a_version_that_has_expired_means_to_read_the_list_anew(
    nodes: Written, heard: Heard
) -> None:
    answers = nodes.server.answers
    answers["watch=1"] = 410
    nodes.put(node("node-d"))
    nodes.remove("node-a")
    told = [heard.next(), heard.next()]
    assert {(one.before or one.now).name for one in told} == {"node-a", "node-d"}
    answers.clear()
    nodes.put(node("node-e"))
    assert heard.next().now.name == "node-e"


def test_a_server_that_never_answered_is_a_trouble_and_no_wait_for_ever(
    server: Server, lean: bool
) -> None:
    server.answers["/api/v1/nodes"] = 403
    heard = Heard(server, lean=lean)
    assert not heard.followed.wait(PATIENCE_S)
    assert "does not let us read nodes" in str(heard.followed.trouble)
    heard.followed.close()
