"""An installation is applied, brought up to date, and removed: all of it and nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.apiserver import Server, serving
from tracer.cli.main import run
from tracer.install import apply, removal
from tracer.install.as_yaml import as_yaml
from tracer.install.manifests import objects
from tracer.install.settings import K3S_PATHS, Settings
from tracer.lab.apiserver.resources import RESOURCES, Object, find

IMAGE = "registry.example/flantrace:1"
ALL = ["node-a", "node-b", "node-c"]
MADE = [
    "Namespace flantrace",
    "ServiceAccount flantrace-agent",
    "ClusterRole flantrace-operator",
    "ClusterRole flantrace-watch",
    "Role flantrace-operator",
    "Role flantrace-ephemeral",
    "DaemonSet flantrace-agent",
]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for module in (apply, removal):
        monkeypatch.setattr(module, "PAUSE_S", 0.01)
    with serving(tmp_path) as made:
        yield made


class Said:
    """What one command line printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def what(self) -> str:
        """Of an error."""
        lines = (line for line in self.err.splitlines() if line.startswith("flantrace: "))
        return next(lines).removeprefix("flantrace: ")


class Typing:
    def __init__(self, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
        self._server, self._capsys = server, capsys

    def __call__(self, *words: str) -> Said:
        self._capsys.readouterr()
        code = run([*words, "--kubeconfig", self._server.kubeconfig])
        said = self._capsys.readouterr()
        assert "Traceback" not in said.err
        return Said(code, said.out, said.err)

    def install(self, *words: str, image: str = IMAGE) -> Said:
        return self("install", "--image", image, *words)

    def uninstall(self, *words: str) -> Said:
        return self("uninstall", *words)


@pytest.fixture
def typed(server: Server, capsys: pytest.CaptureFixture[str]) -> Typing:
    return Typing(server, capsys)


def every(server: Server, plural: str) -> list[Object]:
    kind = next(one for one in RESOURCES if one.plural == plural)
    return server.store.every(kind)


def pods(server: Server) -> dict[str, Object]:
    """Node -> the agent's pod there."""
    return {
        pod["spec"]["nodeName"]: pod
        for pod in every(server, "pods")
        if pod["metadata"]["namespace"] == "flantrace"
    }


def everything(server: Server) -> dict[str, str]:
    """Every object, and its version."""
    return {
        f"{kind.plural} {one['metadata'].get('namespace')} {one['metadata']['name']}": one[
            "metadata"
        ]["resourceVersion"]
        for kind in RESOURCES
        for one in server.store.every(kind)
    }


def test_every_node_has_its_pod_when_install_returns(server: Server, typed: Typing) -> None:
    said = typed.install()
    assert (said.code, said.out) == (0, "flantrace runs on 3 nodes\n")
    assert said.err.splitlines() == [f"applied {one}" for one in MADE] + ["3 of 3 nodes are ready"]
    assert sorted(pods(server)) == ALL


def test_a_second_install_changes_nothing(server: Server, typed: Typing) -> None:
    typed.install()
    before = everything(server)
    assert typed.install().code == 0
    assert everything(server) == before


def test_an_upgrade_replaces_the_pods_where_they_are(server: Server, typed: Typing) -> None:
    typed.install()
    old = {node: pod["metadata"]["uid"] for node, pod in pods(server).items()}
    assert typed.install(image="registry.example/flantrace:2").code == 0
    new = pods(server)
    assert sorted(new) == ALL
    assert not {pod["metadata"]["uid"] for pod in new.values()} & set(old.values())
    assert {pod["spec"]["containers"][0]["image"] for pod in new.values()} == {
        "registry.example/flantrace:2"
    }


def added(server: Server) -> set[str]:
    """The capabilities of the agents' containers."""
    (daemon_set,) = every(server, "daemonsets")
    (container,) = daemon_set["spec"]["template"]["spec"]["containers"]
    return set(container["securityContext"]["capabilities"]["add"])


def test_what_is_no_longer_asked_for_is_taken_away(server: Server, typed: Typing) -> None:
    typed.install("--pull-policy", "Never")
    assert {"SYS_ADMIN", "SYS_PTRACE"} < added(server)
    typed.install("--passive-only")
    assert not {"SYS_ADMIN", "SYS_PTRACE"} & added(server)
    (daemon_set,) = every(server, "daemonsets")
    (container,) = daemon_set["spec"]["template"]["spec"]["containers"]
    assert "imagePullPolicy" not in container


def test_others_fields_stay(server: Server, typed: Typing) -> None:
    typed.install()
    (daemon_set,) = every(server, "daemonsets")
    meta = {**daemon_set["metadata"], "annotations": {"team": "net"}}
    kind = find("apps", "v1", "daemonsets")
    assert kind is not None
    server.store.update(
        kind, ("flantrace", "flantrace-agent"), {**daemon_set, "metadata": meta}, None
    )
    typed.install(image="registry.example/flantrace:2")
    (daemon_set,) = every(server, "daemonsets")
    assert daemon_set["metadata"]["annotations"] == {"team": "net"}


def test_a_node_that_is_not_ready_is_named_with_the_kubelets_words(typed: Typing) -> None:
    said = typed.install("--wait", "0", image="registry.example/absent:1")
    assert said.code == 4
    assert said.what.startswith(
        "flantrace does not run on 3 of 3 nodes: node-a: ErrImagePull: failed to pull and unpack"
    )
    assert "can node-a pull it?" in said.err
    assert "kubectl -n flantrace describe pod flantrace-agent-" in said.err
    assert "0 of 3 nodes are ready\nnode-a: ErrImagePull" in said.err


def test_an_install_that_failed_goes_on_from_where_it_was(typed: Typing) -> None:
    typed.install("--wait", "0", image="registry.example/absent:1")
    assert typed.install().out == "flantrace runs on 3 nodes\n"


def test_a_cluster_without_nodes_is_an_error(server: Server, typed: Typing) -> None:
    kind = find("", "v1", "nodes")
    assert kind is not None
    for node in ALL:
        server.store.delete(kind, ("", node))
    assert typed.install().what == "no node of the cluster is to have flantrace's pod"


@pytest.mark.parametrize(
    ("method", "path", "what", "question"),
    [
        (
            "PATCH", "/namespaces/flantrace?", "patch namespaces flantrace",
            "kubectl auth can-i patch namespaces",
        ),
        (
            "PATCH", "/clusterroles/", "patch clusterroles.rbac.authorization.k8s.io",
            "kubectl auth can-i patch clusterroles.rbac.authorization.k8s.io",
        ),
        (
            "PATCH", "/daemonsets/",
            "patch daemonsets.apps flantrace-agent in namespace flantrace",
            "kubectl auth can-i patch daemonsets.apps -n flantrace",
        ),
        (
            "GET", "/namespaces/flantrace/pods?", "list pods in namespace flantrace",
            "kubectl auth can-i list pods -n flantrace",
        ),
    ],
)  # fmt: skip
def test_what_may_not_be_done_is_named_by_verb_and_resource(
    server: Server, typed: Typing, method: str, path: str, what: str, question: str
) -> None:
    server.refusals[method, path] = (403, 'User "jdoe" cannot do that')
    said = typed.install()
    assert said.code == 4
    assert said.what.startswith(f"the API server does not let us {what}")
    assert said.what.endswith('User "jdoe" cannot do that')
    assert question in said.err


def test_events_that_may_not_be_read_are_done_without(server: Server, typed: Typing) -> None:
    server.refusals["GET", "/events"] = (403, "no")
    assert typed.install().code == 0


def test_the_api_servers_own_words_are_passed_on(server: Server, typed: Typing) -> None:
    server.refusals["PATCH", "/daemonsets/"] = (422, "spec.template.spec: Invalid value: 7")
    said = typed.install()
    assert said.code == 4
    assert said.what.endswith("flantrace: spec.template.spec: Invalid value: 7")


def test_a_namespace_of_others_is_refused_and_stays_as_it_was(
    server: Server, typed: Typing
) -> None:
    server.add("namespaces", "shop")
    server.pod("web", "node-a", "10.244.1.2")
    server.add("configmaps", "kube-root-ca.crt", "shop")
    before = everything(server)
    said = typed.install("--flantrace-namespace", "shop")
    assert said.code == 2
    assert said.what == "namespace shop holds other people's things: pods/web"
    assert everything(server) == before


def test_an_empty_namespace_is_taken(server: Server, typed: Typing) -> None:
    server.add("namespaces", "flantrace", labels={"team": "net"})
    server.add("configmaps", "kube-root-ca.crt", "flantrace")
    server.add("serviceaccounts", "default", "flantrace")
    assert typed.install().code == 0
    assert typed.uninstall().code == 0
    assert not pods(server)


def test_uninstall_leaves_nothing(server: Server, typed: Typing) -> None:
    before = everything(server)
    typed.install()
    said = typed.uninstall()
    assert said.out == (
        "removed ClusterRole flantrace-operator, ClusterRole flantrace-watch, Namespace flantrace\n"
    )
    assert everything(server) == before


def test_uninstall_takes_pods_of_single_traces_along(server: Server, typed: Typing) -> None:
    typed.install()
    labels = {"app.kubernetes.io/name": "flantrace", "flantrace/ephemeral": "x"}
    server.pod("flantrace-ephemeral-x", "node-a", namespace="flantrace", labels=labels)
    assert typed.uninstall().code == 0
    assert not pods(server)


def test_uninstall_a_second_time_finds_nothing(typed: Typing) -> None:
    typed.install()
    typed.uninstall()
    said = typed.uninstall()
    assert (said.code, said.out, said.err) == (0, "flantrace was not installed\n", "")


def test_a_namespace_that_was_never_installed_into_is_left_alone(
    server: Server, typed: Typing
) -> None:
    server.add("namespaces", "flantrace")
    assert typed.uninstall().out == "flantrace was not installed\n"
    assert "flantrace" in {one["metadata"]["name"] for one in every(server, "namespaces")}


def test_other_peoples_things_in_our_namespace_are_not_deleted(
    server: Server, typed: Typing
) -> None:
    typed.install()
    for name in "abcdefg":
        server.add("configmaps", f"notes-{name}", "flantrace")
    before = everything(server)
    said = typed.uninstall()
    assert said.code == 2
    assert said.what == (
        "namespace flantrace holds other people's things: configmaps/notes-a, configmaps/notes-b,"
        " configmaps/notes-c, configmaps/notes-d, configmaps/notes-e and 2 more"
    )
    assert everything(server) == before


def test_a_binding_to_our_role_goes_with_it(server: Server, typed: Typing) -> None:
    typed.install()
    for name, role in (("jdoe", "flantrace-operator"), ("else", "admin")):
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role}
        server.store.create(
            find("rbac.authorization.k8s.io", "v1", "rolebindings"),  # type: ignore[arg-type]
            {"metadata": {"name": name, "namespace": "flantrace"}, "roleRef": ref},
        )
    assert typed.uninstall().what.endswith(
        "other people's things: rolebindings.rbac.authorization.k8s.io/else"
    )


def test_the_cluster_role_stays_while_another_namespace_has_flantrace(
    server: Server, typed: Typing
) -> None:
    typed.install()
    typed.install("--flantrace-namespace", "second")
    assert typed.uninstall("--flantrace-namespace", "second").out == "removed Namespace second\n"
    assert len(every(server, "clusterroles")) == 2
    assert sorted(pods(server)) == ALL


@pytest.mark.parametrize("held", ["install", "uninstall"])
def test_a_namespace_that_does_not_go_is_told_in_kubernetes_words(
    server: Server, typed: Typing, held: str
) -> None:
    typed.install()
    kind = find("", "v1", "namespaces")
    assert kind is not None
    space = server.store.one(kind, ("", "flantrace"))
    message = "Some content in the namespace has finalizers remaining: x in 1 resource instances"
    condition = {"type": "NamespaceFinalizersRemaining", "status": "True", "message": message}
    server.store.update(
        kind,
        ("", "flantrace"),
        {
            **space,
            "metadata": {**space["metadata"], "finalizers": ["x"]},
            "status": {"conditions": [condition]},
        },
        None,
    )
    said = typed.uninstall("--wait", "0")
    if held == "install":
        said = typed.install("--wait", "0")
    assert said.code == 4
    assert said.what == f"namespace flantrace is being deleted, and still there: {message}"


def test_dry_run_prints_what_install_applies_and_asks_no_api_server(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["install", "--image", IMAGE, "--dry-run", "--kubeconfig", "/nonexistent", "--k3s"]
    assert run(words) == 0
    printed = list(yaml.safe_load_all(capsys.readouterr().out))
    assert printed == objects(Settings(image=IMAGE, paths=K3S_PATHS))
    assert [f"{one['kind']} {one['metadata']['name']}" for one in printed] == MADE


def test_strings_that_yaml_would_read_as_something_else_come_back_as_strings() -> None:
    strange: list[dict[str, Any]] = [{"a": "yes", "b": "1.10", "c": "0x1", "d": "", "e": "null"}]
    assert list(yaml.safe_load_all(as_yaml(strange))) == strange


def test_a_cluster_of_k3s_is_recognised(server: Server, typed: Typing) -> None:
    kind = find("", "v1", "nodes")
    assert kind is not None
    node = server.store.one(kind, ("", "node-a"))
    info = {**node["status"], "nodeInfo": {"kubeletVersion": "v1.34.1+k3s1"}}
    server.store.update(kind, ("", "node-a"), {**node, "status": info}, None)
    typed.install()
    (daemon_set,) = every(server, "daemonsets")
    volumes = daemon_set["spec"]["template"]["spec"]["volumes"]
    assert tuple(one["hostPath"]["path"] for one in volumes if "hostPath" in one) == K3S_PATHS


def test_nodes_that_may_not_be_listed_are_taken_for_usual_ones(
    server: Server, typed: Typing
) -> None:
    server.refusals["GET", "/nodes"] = (403, "no")
    assert typed.install().code == 0


def test_an_image_has_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["install", "--dry-run"]) == 2
    assert "--image" in capsys.readouterr().err


def test_a_namespace_has_to_be_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["install", "--image", "x", "--dry-run", "--flantrace-namespace", "A b"]) == 2
    assert "'A b' is no name of a namespace" in capsys.readouterr().err
