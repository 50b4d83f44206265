"""`install --watch`: a second DaemonSet whose pods ask the API, and what they may do there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.apiserver import Server, serving
from tests.install.test_install import ALL, IMAGE, MADE, Typing, every, everything
from tests.install.test_roles import granted
from tracer.cli.amounts import bytes_of
from tracer.cli.main import flantrace, run
from tracer.core.access import NEEDS, Use
from tracer.install import apply, removal
from tracer.install.manifests import AGENT_LABELS, objects, pod_spec
from tracer.install.roles import WATCHER
from tracer.install.settings import METRICS_PORT, Settings
from tracer.install.watch import WATCH, WATCH_LABELS, watch_objects, whole
from tracer.lab.apiserver.resources import find
from tracer.watching.httpd import parse_address

SETTINGS = Settings(image=IMAGE, watch=True)
OWN = [
    "ServiceAccount flantrace-watch",
    "ClusterRoleBinding flantrace-watch-flantrace",
    "DaemonSet flantrace-watch",
]
READY = ["3 of 3 nodes are ready", "watch: 3 of 3 nodes are ready"]
UNITS = {"Mi": 1 << 20}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for module in (apply, removal):
        monkeypatch.setattr(module, "PAUSE_S", 0.01)
    with serving(tmp_path) as made:
        yield made


@pytest.fixture
def typed(server: Server, capsys: pytest.CaptureFixture[str]) -> Typing:
    return Typing(server, capsys)


def spec_of(settings: Settings = SETTINGS) -> dict[str, Any]:
    """Of its pods."""
    (daemon_set,) = (one for one in watch_objects(settings) if one["kind"] == "DaemonSet")
    return dict(daemon_set["spec"]["template"]["spec"])


def container() -> dict[str, Any]:
    (only,) = spec_of()["containers"]
    return dict(only)


def options(**node: str) -> dict[str, str]:
    """What the container is started with, where the kubelet has put a node's values in."""
    first, *words = container()["command"][1:]
    assert first == "watch"
    expanded = (re.sub(r"\$\((\w+)\)", lambda match: node[match[1]], word) for word in words)
    parts = (word.partition("=") for word in expanded)
    return {name: value for name, _, value in parts}


def running(server: Server, component: str) -> list[str]:
    """Nodes with such a pod."""
    return sorted(
        pod["spec"]["nodeName"]
        for pod in every(server, "pods")
        if pod["metadata"].get("labels", {}).get("app.kubernetes.io/component") == component
    )


def test_nothing_of_it_is_there_unless_it_is_asked_for() -> None:
    assert whole(Settings(image=IMAGE)) == objects(Settings(image=IMAGE))


def test_every_node_has_both_pods_when_install_returns(server: Server, typed: Typing) -> None:
    said = typed.install("--watch")
    assert (said.code, said.out) == (0, "flantrace runs on 3 nodes\n")
    assert said.err.splitlines() == [f"applied {one}" for one in (*MADE, *OWN)] + READY
    assert running(server, "agent") == running(server, "watch") == ALL


def test_a_second_install_changes_nothing(server: Server, typed: Typing) -> None:
    typed.install("--watch")
    before = everything(server)
    assert typed.install("--watch").code == 0
    assert everything(server) == before


def test_an_install_without_it_takes_it_away(server: Server, typed: Typing) -> None:
    typed.install()
    before = everything(server).keys()
    typed.install("--watch")
    said = typed.install()
    removed = [line for line in said.err.splitlines() if line.startswith("removed ")]
    assert removed == [f"removed {one}" for one in reversed(OWN)]
    assert running(server, "watch") == []
    pods = {name for name in everything(server) if name.startswith("pods ")}
    assert everything(server).keys() - pods == before - pods


def test_somebody_elses_daemon_set_of_that_name_is_left_alone(
    server: Server, typed: Typing
) -> None:
    typed.install("--watch")
    kind = find("apps", "v1", "daemonsets")
    assert kind is not None
    theirs = server.store.one(kind, ("flantrace", WATCH))
    meta = {**theirs["metadata"], "labels": {"team": "net"}}
    server.store.update(kind, ("flantrace", WATCH), {**theirs, "metadata": meta}, None)
    assert "removed DaemonSet" not in typed.install().err


def test_uninstall_leaves_nothing(server: Server, typed: Typing) -> None:
    before = everything(server)
    typed.install("--watch")
    said = typed.uninstall()
    assert said.out == (
        "removed ClusterRoleBinding flantrace-watch-flantrace, ClusterRole flantrace-operator,"
        " ClusterRole flantrace-watch, Namespace flantrace\n"
    )
    assert everything(server) == before


def test_a_watch_in_another_namespace_keeps_its_rights(server: Server, typed: Typing) -> None:
    typed.install("--watch")
    typed.install("--watch", "--flantrace-namespace", "second")
    typed.uninstall()
    (binding,) = every(server, "clusterrolebindings")
    assert [one["namespace"] for one in binding["subjects"]] == ["second"]
    assert WATCHER in {one["metadata"]["name"] for one in every(server, "clusterroles")}


def test_a_watch_that_somebody_removes_meanwhile_is_named(server: Server, typed: Typing) -> None:
    server.refusals["GET", f"/daemonsets/{WATCH}?"] = (404, "not found")
    said = typed.install("--watch")
    assert said.code == 4
    assert said.what == "somebody removed DaemonSet flantrace/flantrace-watch"


def test_dry_run_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["install", "--image", IMAGE, "--watch", "--dry-run"]) == 0
    assert list(yaml.safe_load_all(capsys.readouterr().out)) == whole(SETTINGS)


def test_on_the_node_it_may_do_what_an_agent_may() -> None:
    (agent,) = pod_spec(SETTINGS)["containers"]
    assert container()["securityContext"] == agent["securityContext"]
    passive = Settings(image=IMAGE, watch=True, passive_only=True)
    (confined,) = spec_of(passive)["containers"]
    assert "SYS_ADMIN" not in confined["securityContext"]["capabilities"]["add"]
    assert confined["securityContext"]["allowPrivilegeEscalation"] is False


def test_what_it_writes_to_is_its_own_and_goes_with_the_pod() -> None:
    spec = spec_of()
    written = {one["name"] for one in container()["volumeMounts"] if not one.get("readOnly")}
    volumes = {one["name"]: one for one in spec["volumes"]}
    assert all("emptyDir" in volumes[name] for name in written)
    assert options(NODE_NAME="n", NODE_IP="192.0.2.11")["--record"] in {
        one["mountPath"] for one in container()["volumeMounts"] if one["name"] in written
    }


def test_its_recordings_stay_below_the_size_at_which_the_pod_is_evicted() -> None:
    limit = next(
        one["emptyDir"]["sizeLimit"] for one in spec_of()["volumes"] if one["name"] == "recordings"
    )
    number, unit = int(limit[:-2]), limit[-2:]
    ring = options(NODE_NAME="n", NODE_IP="192.0.2.11")["--record-size"]
    assert bytes_of(ring, "--record-size") <= 0.9 * number * UNITS[unit]


@pytest.mark.parametrize("address", ["192.0.2.11", "2001:db8::11"])
def test_it_listens_where_the_kubelet_and_prometheus_ask_and_nowhere_else(address: str) -> None:
    words = options(NODE_NAME="node-a", NODE_IP=address)
    assert parse_address(words["--metrics"]) == (address, METRICS_PORT)
    assert words["--node"] == "node-a"
    (port,) = container()["ports"]
    assert port["containerPort"] == METRICS_PORT
    probes = {key: one["httpGet"] for key, one in container().items() if key.endswith("Probe")}
    assert len(probes) == 3
    assert all(one["port"] == port["name"] for one in probes.values())


def test_it_is_given_the_options_that_flantrace_watch_has() -> None:
    command = flantrace.get_command(None, "watch")  # type: ignore[arg-type]
    assert command is not None
    known = {word for option in command.params for word in option.opts}
    assert options(NODE_NAME="n", NODE_IP="192.0.2.11").keys() <= known


def test_prometheus_is_told_by_annotations_and_its_operator_by_a_file() -> None:
    (daemon_set,) = (one for one in watch_objects(SETTINGS) if one["kind"] == "DaemonSet")
    notes = daemon_set["spec"]["template"]["metadata"]["annotations"]
    assert notes["prometheus.io/port"] == str(METRICS_PORT)
    file = Path(__file__).parents[2] / "deploy" / "prometheus" / "podmonitor.yaml"
    (monitor,) = yaml.safe_load_all(file.read_text())
    assert monitor["spec"]["selector"]["matchLabels"] == WATCH_LABELS
    assert [one["port"] for one in monitor["spec"]["podMetricsEndpoints"]] == ["metrics"]


def test_neither_daemon_set_takes_the_others_pods() -> None:
    assert not WATCH_LABELS.items() <= AGENT_LABELS.items()
    assert not AGENT_LABELS.items() <= WATCH_LABELS.items()


def test_only_its_own_account_has_its_role() -> None:
    (binding,) = (one for one in whole(SETTINGS) if one["kind"].endswith("Binding"))
    assert binding["roleRef"]["name"] == WATCHER
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": WATCH, "namespace": "flantrace"}
    ]
    assert spec_of()["serviceAccountName"] == WATCH
    assert pod_spec(SETTINGS)["serviceAccountName"] != WATCH


def test_the_role_only_reads_and_the_doctor_asks_for_all_of_it() -> None:
    role = granted("ClusterRole", WATCHER)
    assert {one.verb for one in role} == {"get", "list", "watch"}
    asked = {(need.verb, need.resource, need.name or "") for need in NEEDS if need.use is Use.WATCH}
    # The doctor asks for one of the ConfigMaps that flannel's manifests make.
    assert asked == {
        (one.verb, one.resource, one.name) for one in role if one.name != "canal-config"
    }
