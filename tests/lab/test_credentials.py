"""No credential and no Secret enters a recording, an answer or a report: every byte is looked at.

Marks lie wherever credentials lie in a cluster; what lies beside them must be there, so that it is
known to have been read.
"""

import base64
import gzip
import io
import json
import secrets
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from tests.lab.universe import Universe

pytestmark = pytest.mark.lab

BESIDE = "seen-beside-the-token"
"""A word in the CNI configuration that does get into a recording."""

NET_D = "/etc/cni/net.d"
FORMS = ("json", "markdown", "html", "mermaid", "summary", "text", "pcapng")
CHECKS = ("json", "markdown", "summary", "text")


class Marks:
    """One unmistakable text for each place."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}

    def __call__(self, place: str) -> str:
        return self.made.setdefault(place, f"M4RK{secrets.token_hex(12)}")

    def found_in(self, data: bytes) -> set[str]:
        """The places whose mark is there, plain or within base64 at any of its three offsets."""
        return {
            place
            for place, mark in self.made.items()
            if any(form in data for form in _forms(mark.encode()))
        }


def _forms(mark: bytes) -> Iterator[bytes]:
    yield mark
    yield mark.hex().encode()
    for offset in range(3):
        # The first and last characters depend on what stands beside the mark.
        yield base64.b64encode(b"\0" * offset + mark)[4:-4]


def test_a_mark_is_found_in_any_form() -> None:
    marks = Marks()
    mark = marks("x").encode()
    for beside in (b"", b"a", b"ab", b"abc"):
        assert marks.found_in(b"...." + base64.b64encode(beside + mark + b"tail")) == {"x"}
    assert marks.found_in(b"before " + mark) == {"x"}
    assert not marks.found_in(b"M4RK" + base64.b64encode(b"M4RKelse"))


def kubeconfig(lab: Universe, marks: Marks, folder: Path) -> str:
    """The lab's, with a credential of every kind."""
    conf = json.loads(lab.output(["cat", lab.lab("kubeconfig").strip()]))
    key = f"-----BEGIN EC PRIVATE KEY-----\n{marks('client key')}\n-----END EC PRIVATE KEY-----\n"
    conf["users"][0]["user"] = {
        "token": marks("token"),
        "username": "jdoe",
        "password": marks("password"),
        "client-key-data": base64.b64encode(key.encode()).decode(),
        "client-certificate-data": base64.b64encode(marks("certificate").encode()).decode(),
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(conf))
    return str(path)


def on_nodes(marks: Marks) -> dict[str, str]:
    """Files as other programs leave them on nodes."""
    token = f"    token: {marks('kubeconfig of a CNI')}\n"
    user = f"users:\n- name: cni\n  user:\n{token}"
    policy = {"type": "k8s", "k8s_auth_token": marks("CNI configuration")}
    return {
        f"{NET_D}/calico-kubeconfig": user,
        f"{NET_D}/99-kubeconfig.conf": user,
        f"{NET_D}/multus.d/multus.kubeconfig": user,
        f"{NET_D}/90-other.conflist": json.dumps(
            {"name": BESIDE, "plugins": [{"type": "calico", "policy": policy}]}
        ),
        "/run/secrets/kubernetes.io/serviceaccount/token": marks("ServiceAccount"),
        "/run/flannel/etcd.key": marks("flannel's folder"),
        "/var/lib/cni/networks/cbr0/token": marks("host-local's folder"),
    }


def in_the_api(lab: Universe, marks: Marks) -> None:
    """What objects hold besides what a trace is about."""
    core: Any = client.CoreV1Api(client.ApiClient(client.Configuration(host=lab.server())))
    private = {"acme.example/token": marks("annotation")}
    core.patch_node("node-a", {"metadata": {"annotations": private}})
    core.patch_namespaced_pod("pod-a", "default", {"metadata": {"annotations": private}})
    config = core.read_namespaced_config_map("kube-flannel-cfg", "kube-flannel").data
    net_conf = {**json.loads(config["net-conf.json"]), "PSK": marks("net-conf.json")}
    changed = {"net-conf.json": json.dumps(net_conf), "password": marks("ConfigMap")}
    core.patch_namespaced_config_map("kube-flannel-cfg", "kube-flannel", {"data": changed})
    env = [{"name": "DB_PASSWORD", "value": marks("environment of a pod")}]
    command = ["x", marks("command of a pod")]
    container = {"name": "c", "image": "x", "env": env, "command": command}
    core.create_namespaced_pod("default", {
        "metadata": {"name": "env-a", "labels": {"app": "flannel"}},
        "spec": {"nodeName": "node-a", "containers": [container]},
        "status": {"phase": "Running"},
    })  # fmt: skip


@pytest.fixture(scope="module")
def marked(
    lab: Universe, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Marks, list[str]]]:
    """The lab with marks everywhere, and the words that use it."""
    folder, marks = tmp_path_factory.mktemp("marked"), Marks()
    config = kubeconfig(lab, marks, folder)
    in_the_api(lab, marks)
    files = on_nodes(marks)
    for node in ("node-a", "node-b", "node-c"):
        for path, text in files.items():
            script = 'mkdir -p "${0%/*}" && printf %s "$1" > "$0"'
            lab.lab("exec", node, "--", "sh", "-c", script, path, text)
    environment = f"FLANTRACE_TEST_TOKEN={marks('environment of flantrace')}"
    yield (
        marks,
        ["env", environment, sys.executable, "-m", "tracer", "--lab", "--kubeconfig", config],
    )
    for node in ("node-a", "node-b", "node-c"):
        lab.lab("exec", node, "--", "rm", "-r", *files)
        made = (f"{NET_D}/multus.d", "/run/secrets/kubernetes.io/serviceaccount")
        lab.lab("exec", node, "--", "rmdir", "-p", "--ignore-fail-on-non-empty", *made)
    lab.lab("heal")


def unpacked(bundle: Path) -> bytes:
    """Every name and every byte of it, compressed and not."""
    packed = bundle.read_bytes()
    parts = [packed, gzip.decompress(packed)]
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            file = archive.extractfile(member)
            parts += [member.name.encode(), file.read() if file is not None else b""]
    return b"\n".join(parts)


@pytest.mark.parametrize(
    ("words", "forms"),
    [
        (["pod-a", "pod-b"], FORMS),
        (["check"], CHECKS),
        (["check", "--no-agents"], CHECKS),
        (["predict", "pod-a", "pod-b"], FORMS[:-1]),
    ],
    ids=lambda words: " ".join(words),
)
def test_no_mark_is_in_what_flantrace_writes(
    lab: Universe,
    marked: tuple[Marks, list[str]],
    tmp_path: Path,
    words: list[str],
    forms: tuple[str, ...],
) -> None:
    marks, command = marked
    bundle = tmp_path / "all.tgz"
    reports = [f"--report={form}={tmp_path / form}" for form in forms]
    done = lab.run([*command, *words, "--save", str(bundle), "--json", *reports])
    assert done.returncode in (0, 1, 3), done.stderr
    held = unpacked(bundle)
    if "--no-agents" not in words:
        assert BESIDE.encode() in held
    assert b"[removed]" in held
    written = {form: (tmp_path / form).read_bytes() for form in forms}
    written |= {"bundle": held, "stdout": done.stdout.encode(), "stderr": done.stderr.encode()}
    found = {name: marks.found_in(data) for name, data in written.items()}
    assert {name: places for name, places in found.items() if places} == {}
