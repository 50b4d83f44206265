"""A watch asks the API without the official client in its process, and as whom that would ask."""

import base64
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver import Server, Tls, serving
from tracer.collect import kube_lean
from tracer.collect.kube import Api
from tracer.errors import CollectFailed, NotPermitted

THREE = ["node-a", "node-b", "node-c"]
HEAVY = ("kubernetes", "requests", "pydantic", "yaml", "oauthlib")


@pytest.fixture(autouse=True)
def _read_anew_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_lean, "ANEW_EVERY_S", 0.0)
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(params=[False, True], ids=["official", "lean"])
def lean(request: pytest.FixtureRequest) -> bool:
    """Which of the two ways to the API."""
    return bool(request.param)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as made:
        yield made


def names(api: Api) -> list[str]:
    return [node.name for node in api.nodes()]


class Authority:
    """A CA, in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.path = self._made(name, "/CN=ca", ["basicConstraints=critical,CA:TRUE"])

    def issued(self, name: str, *extensions: str) -> tuple[Path, Path]:
        """A certificate and its key."""
        signed = ["-CA", str(self.path), "-CAkey", str(self.path.with_suffix(".key"))]
        path = self._made(name, f"/CN={name}", extensions, *signed)
        return path, path.with_suffix(".key")

    def _made(self, name: str, subject: str, extensions: Any, *words: str) -> Path:
        path = self._folder / f"{name}.crt"
        added = [word for one in extensions for word in ("-addext", one)]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", subject, *added, *words,
             "-keyout", path.with_suffix(".key"), "-out", path],
            check=True, capture_output=True,
        )  # fmt: skip
        return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "ca")


@pytest.fixture
def secure(tmp_path: Path, authority: Authority) -> Iterator[Server]:
    """One that wants a client's certificate."""
    own = authority.issued("server", "subjectAltName=IP:127.0.0.1", *LEAF)
    with serving(tmp_path, Tls(*own, authority.path)) as made:
        yield made


LEAF = ["basicConstraints=critical,CA:FALSE"]


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


@pytest.mark.parametrize("as_data", [False, True], ids=["paths", "data"])
def test_a_certificate_of_the_client_and_a_ca(
    secure: Server, authority: Authority, as_data: bool, lean: bool
) -> None:
    certificate, key = authority.issued("client", *LEAF)
    if as_data:
        user = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
        secure.write_kubeconfig(user, **{"certificate-authority-data": encoded(authority.path)})
    else:
        user = {"client-certificate": str(certificate), "client-key": str(key)}
        secure.write_kubeconfig(user, **{"certificate-authority": str(authority.path)})
    assert names(Api(secure.kubeconfig, None, 5, lean=lean)) == THREE


@pytest.mark.parametrize(
    ("cluster", "trusted"),
    [
        ({}, False),
        ({"insecure-skip-tls-verify": True}, True),
        ({"tls-server-name": "another.example"}, False),
    ],
    ids=["no CA", "not verified", "another name"],
)
def test_a_server_is_believed_as_the_kubeconfig_says(
    secure: Server, authority: Authority, cluster: dict[str, Any], trusted: bool, lean: bool
) -> None:
    certificate, key = authority.issued("client", *LEAF)
    if "tls-server-name" in cluster:
        cluster = {**cluster, "certificate-authority": str(authority.path)}
    user = {"client-certificate": str(certificate), "client-key": str(key)}
    secure.write_kubeconfig(user, **cluster)
    api = Api(secure.kubeconfig, None, 5, lean=lean)
    if trusted:
        assert names(api) == THREE
    else:
        with pytest.raises(CollectFailed, match="the API server does not answer"):
            api.nodes()
        assert secure.asked == []


def test_a_server_that_gets_another_ca_is_believed_when_the_file_says_so(
    secure: Server, authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.issued("client", *LEAF)
    user = {"client-certificate": str(certificate), "client-key": str(key)}
    before = Authority(tmp_path, "before").path
    secure.write_kubeconfig(user, **{"certificate-authority": str(before)})
    api = Api(secure.kubeconfig, None, 5, lean=True)
    with pytest.raises(CollectFailed, match="SSLError"):
        api.nodes()
    before.write_bytes(authority.path.read_bytes())
    assert names(api) == THREE


def test_a_token_that_is_replaced_is_read_anew_once(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    server.write_kubeconfig({"tokenFile": str(file)})
    server.token = "first"
    api = Api(server.kubeconfig, None, 5, lean=True)
    assert names(api) == THREE
    server.token = "second"
    with pytest.raises(NotPermitted):
        api.nodes()
    file.write_text("second\n")
    server.asked.clear()
    assert names(api) == THREE
    assert len(server.asked) == 2, "refused, and then answered"
    with api.streamed("/api/v1/nodes?watch=1&timeoutSeconds=1", "nodes", 5) as pieces:
        assert b"node-a" in next(pieces)


def test_a_token_that_stays_refused_is_not_read_with_every_request(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_lean, "ANEW_EVERY_S", 60.0)
    server.write_kubeconfig({"token": "wrong"})
    server.token = "right"
    api = Api(server.kubeconfig, None, 5, lean=True)
    for _ in range(3):
        with pytest.raises(NotPermitted):
            api.nodes()
    assert len(server.asked) == 3


def plugin(tmp_path: Path, script: str) -> dict[str, Any]:
    path = tmp_path / "plugin"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": version, "command": str(path), "interactiveMode": "Never"}}


def test_a_plugin_gives_the_token_and_another_when_that_has_expired(
    server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "TOKEN"},
    }
    replaced = f"s/TOKEN/$(cat {shlex.quote(str(file))})/"
    user = plugin(tmp_path, f"echo '{json.dumps(credential)}' | sed \"{replaced}\"")
    server.write_kubeconfig(user)
    server.token = "first"
    api = Api(server.kubeconfig, None, 5, lean=True)
    assert names(api) == THREE
    server.token = "second"
    file.write_text("second")
    assert names(api) == THREE


def test_a_plugin_that_fails_is_named(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server.write_kubeconfig(plugin(tmp_path, "echo no ticket >&2; exit 3"))
    server.token = "right"
    api = Api(server.kubeconfig, None, 5, lean=True)
    with pytest.raises(NotPermitted):
        api.nodes()
    assert "exec: process returned 3" in capfd.readouterr().err


def test_what_is_no_kubeconfig_is_said_as_ever(tmp_path: Path, lean: bool) -> None:
    broken = tmp_path / "broken"
    broken.write_text("{")
    with pytest.raises(CollectFailed, match="cannot load a kubeconfig: it is not YAML") as said:
        Api(str(broken), None, 5, lean=lean)
    assert said.value.where == str(broken)
    with pytest.raises(CollectFailed, match=r"cannot load a kubeconfig: Invalid kube-config file"):
        Api(str(tmp_path / "none"), None, 5, lean=lean)


def test_a_certificate_that_is_none_is_said(secure: Server, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("x")
    secure.write_kubeconfig(None, **{"certificate-authority": str(wrong)})
    with pytest.raises(CollectFailed, match="cannot load a kubeconfig: it cannot be used"):
        Api(secure.kubeconfig, None, 5, lean=True)


def test_a_server_that_is_away_and_one_that_is_silent(server: Server, lean: bool) -> None:
    api = Api(server.kubeconfig, None, 0.5, lean=lean)
    assert api.server == f"http://127.0.0.1:{server.port}"
    began = time.monotonic()
    with (
        pytest.raises(CollectFailed, match="does not answer: ReadTimeoutError"),
        api.streamed("/api/v1/nodes?watch=1&timeoutSeconds=9", "nodes", 0.5) as pieces,
    ):
        list(pieces)
    assert 0.5 < time.monotonic() - began < 5
    server.stop()
    with pytest.raises(CollectFailed, match="the API server does not answer"):
        api.nodes()


def test_what_is_written_and_pages_and_refusals_are_the_same(server: Server, lean: bool) -> None:
    api = Api(server.kubeconfig, None, 5, lean=lean)
    for number in range(700):
        server.pod(f"web-{number:04}", "node-a", "10.244.1.2")
    assert len(api.pods()) == 700
    status, _ = api.call(
        "PATCH",
        "/api/v1/nodes/node-a",
        {"metadata": {"labels": {"a": "b"}}},
        "application/merge-patch+json",
    )
    assert status == 200
    server.answers["/pods"] = 403
    with pytest.raises(NotPermitted, match="does not let us read pods"):
        api.pods()


@pytest.mark.kernel
def test_nothing_of_the_official_client_is_in_a_watch_of_this_node(server: Server) -> None:
    words = ["watch", "--here", "--node", "node-a", "--kubeconfig", server.kubeconfig]
    command = [sys.executable, "-X", "importtime", "-m", "tracer", *words, "--for", "3s"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0]
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert any("watch=1" in path for path in server.asked), done.stderr
    assert "urllib3" in imported
    assert imported.isdisjoint(HEAVY)
