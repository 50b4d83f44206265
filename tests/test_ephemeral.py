"""Pods for one recording: on just the nodes concerned, and gone afterwards whatever happens."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver import Server, serving_agents
from tracer.collect import kube_ephemeral
from tracer.errors import UsageError
from tracer.lab.apiserver.resources import NAMESPACES, Object, find
from tracer.lab.apiserver.store import Change
from tracer.model.bundle import Bundle
from tracer.recording import survey
from tracer.recording.reach import Reach
from tracer.recording.survey import Survey, Surveyor

ROOT = Path(__file__).parents[1]
ALL = ("node-a", "node-b", "node-c")
PODS = find("", "v1", "pods")
assert PODS is not None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving_agents(tmp_path) as made:
        made.store.create(NAMESPACES, {"metadata": {"name": "flantrace"}})
        made.changes = made.store.follow()
        yield made


def surveyor(server: Server, *nodes: str, **reach: Any) -> Surveyor:
    reach = {"image": "registry.example/flantrace:1", "timeout_s": 10.0, **reach}
    order = Survey(nodes=nodes, reach=Reach(kubeconfig=server.kubeconfig, ephemeral=True, **reach))
    return Surveyor(order, lambda _: None)


def surveyed(server: Server, *nodes: str, **reach: Any) -> Bundle:
    made = surveyor(server, *nodes, **reach)
    made.run()
    return made.bundle()


def pods(server: Server) -> list[Object]:
    """The pods of flantrace's namespace that are there now."""
    assert PODS is not None
    return [one for one in server.store.every(PODS) if one["metadata"]["namespace"] == "flantrace"]


def history(server: Server) -> list[Change]:
    """Every creation and deletion of a pod, in order."""
    found = []
    while not server.changes.empty():
        change = server.changes.get_nowait()
        if change.resource == PODS and (change.before is None or change.after is None):
            found.append(change)
    return found


def until(condition: Any, what: str, patience_s: float = 15) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_a_pod_is_made_on_each_node_and_removed_when_it_has_been_read(server: Server) -> None:
    bundle = surveyed(server)
    assert tuple(bundle.nodes) == ALL
    assert bundle.troubles == ()
    until(lambda: not pods(server), "a pod stayed")
    made = [change.after for change in history(server) if change.after is not None]
    assert {pod["spec"]["nodeName"] for pod in made} == set(ALL)
    assert len({pod["metadata"]["labels"]["flantrace/ephemeral"] for pod in made}) == 1
    (container,) = made[0]["spec"]["containers"]
    assert container["image"] == "registry.example/flantrace:1"
    assert made[0]["spec"]["restartPolicy"] == "Never"
    assert 60 < made[0]["spec"]["activeDeadlineSeconds"] < 600
    deletions = [path for path in server.asked if "flantrace-ephemeral-" in path]
    assert deletions


def test_on_k3s_it_sees_the_folders_of_k3s(server: Server) -> None:
    kind = find("", "v1", "nodes")
    assert kind is not None
    node = server.store.one(kind, ("", "node-a"))
    status = {**node["status"], "nodeInfo": {"kubeletVersion": "v1.34.1+k3s1"}}
    server.store.update(kind, ("", "node-a"), {**node, "status": status}, None)
    surveyed(server, "node-a")
    (made,) = [change.after for change in history(server) if change.after is not None]
    paths = [one["hostPath"]["path"] for one in made["spec"]["volumes"] if "hostPath" in one]
    assert "/var/lib/rancher/k3s/agent/etc/cni/net.d" in paths
    assert "/etc/cni/net.d" not in paths


def test_only_the_nodes_concerned_get_one(server: Server) -> None:
    assert tuple(surveyed(server, "node-b").nodes) == ("node-b",)
    made = [change.after for change in history(server) if change.after is not None]
    assert [pod["spec"]["nodeName"] for pod in made] == ["node-b"]


def test_no_more_at_a_time_than_agents(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "AT_ONCE", 2)
    for number in range(4, 9):
        server.node(f"node-{number}", number)
    assert len(surveyed(server).nodes) == 8
    there, most = 0, 0
    for change in history(server):
        there += 1 if change.after is not None else -1
        most = max(most, there)
    # One that is being removed while the next is made may stand beside two others.
    assert 2 <= most <= 4
    assert there == 0


def test_an_image_that_cannot_be_pulled_is_said_at_once_in_the_kubelets_words(
    server: Server,
) -> None:
    begun = time.monotonic()
    bundle = surveyed(server, "node-a", image="registry.example/absent:1")
    assert time.monotonic() - begun < 10
    (trouble,) = bundle.troubles
    assert trouble.what == (
        "the pod on node-a does not start: ErrImagePull: failed to pull and unpack image"
        ' "registry.example/absent:1": failed to resolve reference: not found'
    )
    assert trouble.hint == (
        "can node-a pull it? --image REF; loaded on the node by hand: --pull-policy Never"
    )
    assert pods(server) == []


def test_a_node_that_takes_no_pod_is_said_after_a_while(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_ephemeral, "START_S", 1.0)
    made = server.store.create

    def create(resource: Any, each: Object) -> Object:
        if each["metadata"]["name"].startswith("flantrace-ephemeral-"):
            each = {**each, "status": {"phase": "Pending"}}
        return made(resource, each)

    monkeypatch.setattr(server.store, "create", create)
    bundle = surveyed(server, "node-a")
    (trouble,) = bundle.troubles
    assert trouble.what == (
        "the pod on node-a does not start: after 1 s: Pending: no kubelet has taken it"
    )
    assert trouble.hint == "is node-a up? kubectl describe node node-a"
    assert pods(server) == []


def test_a_namespace_that_is_not_there_is_said_with_what_to_type(server: Server) -> None:
    (trouble,) = surveyed(server, "node-a", flantrace_namespace="elsewhere").troubles
    assert trouble.what == "namespace elsewhere does not exist"
    assert trouble.hint == (
        "kubectl create namespace elsewhere && kubectl label namespace elsewhere"
        " pod-security.kubernetes.io/enforce=privileged; or --flantrace-namespace NAME"
    )


POD_SECURITY = (
    'pods "flantrace-ephemeral-x" is forbidden: violates PodSecurity "baseline:latest": host'
    " namespaces (hostNetwork=true, hostPID=true)"
)


@pytest.mark.parametrize(
    ("code", "said", "what", "hint"),
    [
        (
            403,
            POD_SECURITY,
            f"no pod could be made on node-a: {POD_SECURITY}",
            "kubectl label namespace flantrace pod-security.kubernetes.io/enforce=privileged"
            " --overwrite",
        ),
        (
            400,
            'admission webhook "policy.example" denied the request: no host namespaces',
            'no pod could be made on node-a: admission webhook "policy.example" denied the'
            " request: no host namespaces",
            "exempt namespace flantrace from that policy; --node-exec 'ssh {node} sudo' needs no"
            " pod",
        ),
        (
            403,
            'pods is forbidden: User "jane" cannot create resource "pods"',
            "the API server does not let us create pods in namespace flantrace: pods is"
            ' forbidden: User "jane" cannot create resource "pods"',
            "kubectl auth can-i create pods -n flantrace says no; ask whoever administers the"
            " cluster",
        ),
    ],
)
def test_a_pod_that_the_cluster_does_not_admit_is_said_in_its_words(
    server: Server, code: int, said: str, what: str, hint: str
) -> None:
    server.refusals[("POST", "/namespaces/flantrace/pods")] = (code, said)
    (trouble,) = surveyed(server, "node-a").troubles
    assert (trouble.what, trouble.hint) == (what, hint)


def test_a_new_namespace_gets_its_account_a_moment_later(server: Server) -> None:
    place = ("POST", "/namespaces/flantrace/pods")
    said = "error looking up service account flantrace/default"
    server.refusals[place] = (403, f'{said}: serviceaccount "default" not found')
    threading.Timer(1, lambda: server.refusals.clear()).start()
    assert tuple(surveyed(server, "node-a").nodes) == ("node-a",)


def test_what_ended_runs_have_left_is_removed_and_what_runs_is_not(server: Server) -> None:
    label = {"flantrace/ephemeral": "other"}
    for name, phase in (("ended", "Failed"), ("running", "Running")):
        parts = {"spec": {"nodeName": "node-a", "containers": []}, "status": {"phase": phase}}
        server.add("pods", f"flantrace-ephemeral-{name}", "flantrace", labels=label, **parts)
    surveyed(server, "node-a")
    until(lambda: len(pods(server)) == 1, "the ended one stayed")
    assert [pod["metadata"]["name"] for pod in pods(server)] == ["flantrace-ephemeral-running"]


def test_a_pod_whose_creation_was_never_confirmed_is_removed_too(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = server.api.__class__.call

    def call(self: Any, method: str, path: str, *rest: Any) -> tuple[int, bytes]:
        answer = create(self, method, path, *rest)
        return (500, b"{}") if method == "POST" else answer

    monkeypatch.setattr("tracer.collect.kube.Api.call", call)
    bundle = surveyed(server, "node-a")
    assert bundle.nodes == {}
    assert len(history(server)) == 2
    assert pods(server) == []


def test_pods_that_cannot_be_removed_are_named_with_what_to_type(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_ephemeral, "REMOVE_S", 1.0)
    server.refusals[("DELETE", "flantrace-ephemeral-")] = (503, "not now")
    bundle = surveyed(server, "node-a")
    (pod,) = pods(server)
    name = pod["metadata"]["name"]
    (trouble,) = bundle.troubles
    assert trouble.what == (f"pod flantrace/{name} could not be removed; it ends by its deadline")
    assert trouble.hint == f"kubectl -n flantrace delete pod {name}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_removes_its_pods(server: Server, number: int, tmp_path: Path) -> None:
    server.node("hanging-a", 9)
    started = subprocess.Popen(
        [sys.executable, "-m", "tracer", "check", "hanging-a", "--kubeconfig", server.kubeconfig,
         "--ephemeral", "--image", "x"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: (tmp_path / "running-hanging-a").exists(), "the agent did not start")
    assert len(pods(server)) == 1
    started.send_signal(number)
    _, err = started.communicate(timeout=20)
    assert started.returncode == 130, err
    assert pods(server) == []


@pytest.mark.parametrize(
    ("reach", "said"),
    [
        ({"ephemeral": True}, "--ephemeral needs an image"),
        ({"ephemeral": True, "image": "x", "node_exec": "ssh {node}"}, "two ways"),
        ({"image": "x"}, "an image is for pods that are to be made"),
        ({"agent": "'x"}, "--agent cannot be read"),
    ],
)
def test_words_that_cannot_be_meant_are_said(
    server: Server, reach: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        Reach(kubeconfig=server.kubeconfig, **reach).way(server.api)


def test_the_pods_deadline_is_after_the_longest_watch(server: Server) -> None:
    reach = Reach(kubeconfig=server.kubeconfig, ephemeral=True, image="x")
    way: Any = reach.way(server.api, 3600.0, sends=False)
    pod = json.loads(json.dumps(way._make("node-a")))
    assert pod["spec"]["activeDeadlineSeconds"] > 3600 + 60
    (container,) = pod["spec"]["containers"]
    assert "SYS_ADMIN" not in container["securityContext"]["capabilities"]["add"]
