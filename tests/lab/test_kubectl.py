"""Debian's own kubectl, of two releases, works against the lab's API."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.debian import NoPackage
from tests.lab.debian_kubectl import PACKAGES, kubectl
from tests.lab.universe import Universe

pytestmark = pytest.mark.lab

VERSIONS = {"bookworm": "v1.20.", "trixie": "v1.32."}
PREFIX = "flannel.alpha.coreos.com"


@dataclass
class Kubectl:
    """One release's kubectl, with a home of its own (it caches discovery there)."""

    lab: Universe
    release: str
    command: list[str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.lab.run([*self.command, *words])

    def __call__(self, *words: str) -> str:
        return self.lab.output([*self.command, *words])


@pytest.fixture(scope="module", params=PACKAGES)
def kube(
    request: pytest.FixtureRequest, lab: Universe, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubectl]:
    try:
        binary = kubectl(request.param)
    except NoPackage as reason:
        pytest.skip(f"no kubectl of {request.param}: {reason}")
    home = tmp_path_factory.mktemp("home")
    conf = lab.lab("kubeconfig").strip()
    command = ["env", f"HOME={home}", f"KUBECONFIG={conf}", binary]
    yield Kubectl(lab, request.param, command)
    lab.lab("heal")


def rows(text: str) -> list[list[str]]:
    """A table's cells: columns are two or more spaces apart."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


def test_it_is_the_release_that_was_meant(kube: Kubectl) -> None:
    shown = json.loads(kube("version", "-o", "json"))
    assert shown["clientVersion"]["gitVersion"].startswith(VERSIONS[kube.release])
    assert shown["serverVersion"]["gitVersion"].endswith("flantrace.lab")


def test_get_shows_nodes_as_a_table(kube: Kubectl) -> None:
    shown = rows(kube("get", "nodes", "-o", "wide"))
    assert shown[0][:6] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION", "INTERNAL-IP"]
    assert [(row[0], row[1], row[5]) for row in shown[1:]] == [
        ("node-a", "Ready", "192.0.2.11"),
        ("node-b", "Ready", "192.0.2.12"),
        ("node-c", "Ready", "192.0.2.13"),
    ]


def test_get_shows_pods_of_all_namespaces_by_node_and_by_label(kube: Kubectl) -> None:
    shown = rows(kube("get", "pods", "-A", "--field-selector", "spec.nodeName=node-b"))
    assert [row[1].split("-ds-")[0] for row in shown[1:]] == ["host-b", "pod-b", "kube-flannel"]
    shown = rows(kube("get", "pods", "-A", "-l", "app=flannel", "-o", "wide"))
    assert [row[7] for row in shown[1:]] == ["node-a", "node-b", "node-c"]
    shown = rows(kube("get", "pods", "--chunk-size=2", "-o", "wide"))
    pods = {row[0]: row[5] for row in shown[1:]}
    assert pods["pod-a"] == "10.244.1.2"
    assert pods["pod-b"] == "10.244.2.2"
    assert pods["pod-pending"] == "<none>"


def test_get_gives_json_that_holds_the_annotations_and_net_conf(kube: Kubectl) -> None:
    node = json.loads(kube("get", "node", "node-b", "-o", "json"))
    assert node["spec"]["podCIDR"] == "10.244.2.0/24"
    data = json.loads(node["metadata"]["annotations"][f"{PREFIX}/backend-data"])
    assert re.fullmatch("([0-9a-f]{2}:){5}[0-9a-f]{2}", data["VtepMAC"])
    words = ["get", "cm", "kube-flannel-cfg", "-n", "kube-flannel", "-o"]
    conf = kube(*words, r"jsonpath={.data.net-conf\.json}")
    assert json.loads(conf)["Backend"] == {"Type": "vxlan"}
    shown = rows(kube("get", "daemonsets", "-A"))
    assert shown[1][:3] == ["kube-flannel", "kube-flannel-ds", "3"]


def test_watch_shows_a_change_as_it_happens(kube: Kubectl) -> None:
    words = ["get", "node", "node-c", "--watch", "-o", "json", "--output-watch-events"]
    with subprocess.Popen(
        [*kube.lab.inside, *kube.command, *words], stdout=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        try:
            assert _next_event(watching.stdout)["type"] == "ADDED"
            kube("annotate", "node", "node-c", "test/watched=yes")
            event = _next_event(watching.stdout)
            assert event["type"] == "MODIFIED"
            assert event["object"]["metadata"]["annotations"]["test/watched"] == "yes"
        finally:
            watching.terminate()
            kube("annotate", "node", "node-c", "test/watched-")


def test_watch_shows_a_table_that_grows(kube: Kubectl) -> None:
    command = [*kube.lab.inside, *kube.command, "get", "pods", "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        try:
            assert watching.stdout.readline().split()[:3] == ["NAME", "READY", "STATUS"]
            while watching.stdout.readline().split()[0] != "pod-pending":
                pass
            kube("label", "pod", "pod-c", "test=watched")
            assert watching.stdout.readline().split()[:3] == ["pod-c", "1/1", "Running"]
        finally:
            watching.terminate()
            kube("label", "pod", "pod-c", "test-")


def _next_event(stream: Iterator[str]) -> dict[str, Any]:
    """The next JSON document of a stream, however it is broken into lines."""
    text = ""
    for line in stream:
        text += line
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError:
            continue
        return found
    raise AssertionError(f"the watch ended: {text}")


def test_describe_node_shows_flannels_annotations_addresses_and_pods(kube: Kubectl) -> None:
    shown = kube("describe", "node", "node-b")
    for expected in (
        f'{PREFIX}/backend-data: {{"VNI":1,"VtepMAC":"',
        f"{PREFIX}/public-ip: 192.0.2.12",
        "PodCIDR:",
        "InternalIP:  192.0.2.12",
        "FlannelIsUp",
        "HolderIdentity:  node-b",
        "pod-b",
        "kube-flannel-ds-",
    ):
        assert expected in shown


def test_annotate_sets_and_removes_what_flannel_reads(kube: Kubectl) -> None:
    key = f"{PREFIX}/public-ip-overwrite"
    kube("annotate", "node", "node-b", f"{key}=198.51.100.7")
    assert _annotations(kube)[key] == "198.51.100.7"
    refused = kube.run("annotate", "node", "node-b", f"{key}=198.51.100.8")
    assert refused.returncode != 0
    kube("annotate", "--overwrite", "node", "node-b", f"{key}=198.51.100.8")
    assert _annotations(kube)[key] == "198.51.100.8"
    kube("annotate", "node", "node-b", f"{key}-")
    assert key not in _annotations(kube)


def _annotations(kube: Kubectl) -> dict[str, str]:
    found: dict[str, str] = json.loads(kube("get", "node", "node-b", "-o", "json"))["metadata"][
        "annotations"
    ]
    return found


@pytest.mark.parametrize(
    ("kind", "set_it", "remove_it"),
    [
        (
            "strategic",
            {"metadata": {"annotations": {"test/kind": "x"}}},
            {"metadata": {"annotations": {"test/kind": None}}},
        ),
        (
            "merge",
            {"metadata": {"annotations": {"test/kind": "x"}}},
            {"metadata": {"annotations": {"test/kind": None}}},
        ),
        (
            "json",
            [{"op": "add", "path": "/metadata/annotations/test~1kind", "value": "x"}],
            [{"op": "remove", "path": "/metadata/annotations/test~1kind"}],
        ),
    ],
)
def test_patch_of_every_kind(kube: Kubectl, kind: str, set_it: object, remove_it: object) -> None:
    kube("patch", "node", "node-b", "--type", kind, "-p", json.dumps(set_it))
    assert _annotations(kube)["test/kind"] == "x"
    kube("patch", "node", "node-b", "--type", kind, "-p", json.dumps(remove_it))
    assert "test/kind" not in _annotations(kube)


def test_a_strategic_patch_merges_containers_by_name_and_a_merge_patch_replaces_them(
    kube: Kubectl,
) -> None:
    container = {"name": "kube-flannel", "image": "other"}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    words = ["patch", "ds", "kube-flannel-ds", "-n", "kube-flannel", "-p", json.dumps(patch)]
    found = json.loads(kube(*words, "-o", "json"))["spec"]["template"]["spec"]["containers"]
    assert (found[0]["image"], len(found[0]["args"])) == ("other", 4)
    found = json.loads(kube(*words, "--type", "merge", "-o", "json"))
    assert found["spec"]["template"]["spec"]["containers"] == [container]
    kube.lab.lab("heal")


def test_what_is_not_there_is_not_found_and_what_may_not_be_is_refused(kube: Kubectl) -> None:
    missing = kube.run("get", "pod", "pod-z")
    assert missing.returncode == 1
    assert 'Error from server (NotFound): pods "pod-z" not found' in missing.stderr
    refused = kube.run("patch", "node", "node-b", "-p", '{"spec":{"podCIDR":"10.9.9.0/24"}}')
    assert refused.returncode == 1
    assert "spec.podCIDR: Forbidden" in refused.stderr


def test_a_deleted_pod_is_gone_until_the_lab_is_healed(kube: Kubectl) -> None:
    kube("delete", "pod", "pod-pending")
    assert kube.run("get", "pod", "pod-pending").returncode == 1
    kube.lab.lab("heal")
    assert kube.run("get", "pod", "pod-pending").returncode == 0


def test_the_kubectl_is_not_one_that_happens_to_be_on_the_path(kube: Kubectl) -> None:
    assert str(Path(kube.command[-1]).resolve()) not in {
        str(Path(part, "kubectl").resolve()) for part in os.environ["PATH"].split(":")
    }


def test_exec_runs_commands_in_pods_and_passes_their_streams(kube: Kubectl) -> None:
    if kube.release == "bookworm":
        pytest.skip("kubectl 1.20 execs by SPDY only; the lab serves WebSockets")
    assert "10.244.1.2/24" in kube("exec", "pod-a", "--", "ip", "-4", "-o", "address")
    words = ["exec", "-i", "host-b", "--", "sh", "-c", "cat; echo bad >&2; exit 7"]
    done = kube.lab.run([*kube.command, *words], text="hello\n")
    assert (done.returncode, done.stdout) == (7, "hello\n")
    assert done.stderr.splitlines()[0] == "bad"
