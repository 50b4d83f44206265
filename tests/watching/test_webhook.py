"""A webhook is told of findings: by a real server that takes, refuses, hangs, drips or is gone."""

import base64
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.watching.announced import Said, turned
from tests.watching.hook_server import dripping, hooks
from tracer.errors import UsageError
from tracer.watching.webhook import Webhook

SOON = (0.05, 0.1)


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def webhook(at: str, said: Said, *, limit_s: float = 5.0) -> Webhook:
    return Webhook(f"http://{at}/hooks/s3cr3t?key=s3cr3t", said, limit_s=limit_s, pauses_s=SOON)


def test_the_document_is_posted_as_json(said: Said) -> None:
    with hooks(204) as server:
        webhook(server.at, said).send(turned())
    (document,) = server.got
    assert document["schema"].startswith("flantrace/watch/")
    assert (document["turn"], document["finding"]["node"]) == ("opened", "node-1")
    ((_, method, path, headers),) = server.requests
    assert (method, path) == ("POST", "/hooks/s3cr3t?key=s3cr3t")
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("flantrace/")
    assert said.all == []


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_what_passes_is_tried_again(said: Said, status: int) -> None:
    with hooks(status, status, 200) as server:
        webhook(server.at, said).send(turned())
    times = [at for at, *_ in server.requests]
    assert len(times) == 3
    assert times[1] - times[0] >= SOON[0]
    assert times[2] - times[1] >= SOON[1]
    assert len(server.got) == 1
    assert said.all == []


def test_it_is_tried_so_often_and_no_more_and_said_once(said: Said) -> None:
    with hooks(502, said=b"bad\x1bgateway") as server:
        way = webhook(server.at, said)
        way.send(turned())
        way.send(turned())
    assert len(server.requests) == 6
    assert said.all == [
        f"the webhook at http://{server.at} answered 502; given up after 3 attempts:"
        r" bad\x1bgateway"
    ]


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_a_refusal_is_said_once_and_not_tried_again(said: Said, status: int) -> None:
    with hooks(status, said=b"invalid_payload") as server:
        way = webhook(server.at, said)
        way.send(turned())
        way.send(turned())
    assert len(server.requests) == 2
    assert said.all == [f"the webhook at http://{server.at} answered {status}: invalid_payload"]


def test_that_it_fails_again_is_news_once_it_has_worked(said: Said) -> None:
    with hooks(400, 200, 400) as server:
        way = webhook(server.at, said)
        for _ in range(3):
            way.send(turned())
    assert len(said.all) == 2


def test_a_server_that_asks_for_time_gets_it(said: Said) -> None:
    with hooks(429, 200, headers={"Retry-After": "1"}) as server:
        webhook(server.at, said).send(turned())
    times = [at for at, *_ in server.requests]
    assert times[1] - times[0] >= 1.0


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirection_is_not_followed(said: Said, status: int) -> None:
    with hooks(200) as other, hooks(status, headers={"Location": f"http://{other.at}/"}) as server:
        webhook(server.at, said).send(turned())
    assert other.requests == []
    assert f"answered {status}" in said.all[0]


def test_a_server_that_is_gone_is_said_and_its_path_is_not(said: Said) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        at = f"127.0.0.1:{free.getsockname()[1]}"
    webhook(at, said).send(turned())
    assert said.all == [
        f"the webhook at http://{at} cannot be reached; given up after 3 attempts:"
        " Connection refused"
    ]


def test_a_server_that_comes_back_gets_it(said: Said) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    way = Webhook(f"http://127.0.0.1:{port}/", said, pauses_s=[0.2] * 50)
    sending = threading.Thread(target=way.send, args=(turned(),))
    sending.start()
    time.sleep(0.5)
    with socket.create_server(("127.0.0.1", port)) as server:
        peer, _ = server.accept()
        with peer:
            assert peer.recv(65_536).startswith(b"POST / HTTP/1.1\r\n")
            peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            sending.join(10)
    assert said.all == []


@pytest.mark.parametrize("text", [b"", b"HTTP/1.1 200 OK\r\n" + b"X-Long: 1\r\n" * 99])
def test_one_that_hangs_or_drips_is_left_in_time(said: Said, text: bytes) -> None:
    with dripping(text, every_s=0.05) as at:
        began = time.monotonic()
        webhook(at, said, limit_s=0.4).send(turned())
        took = time.monotonic() - began
    assert 1.2 <= took < 4, "three attempts"
    assert "did not answer within 0.4 s; given up after 3 attempts" in said.all[0]


def test_one_that_ends_the_connection_is_tried_again(said: Said) -> None:
    with dripping(b"H", every_s=0) as at:
        webhook(at, said, limit_s=0.3).send(turned())
    assert "given up after 3 attempts" in said.all[0]


def test_what_is_given_up_ends_soon(said: Said) -> None:
    with dripping(b"", every_s=0) as at:
        way = webhook(at, said, limit_s=60)
        threading.Timer(0.3, way.give_up).start()
        began = time.monotonic()
        way.send(turned())
        assert time.monotonic() - began < 3
    assert "was not waited for; given up after 1 attempt" in said.all[0]


def test_a_pause_ends_when_it_is_given_up(said: Said) -> None:
    with hooks(503) as server:
        way = Webhook(f"http://{server.at}/", said, pauses_s=[60])
        threading.Timer(0.3, way.give_up).start()
        began = time.monotonic()
        way.send(turned())
        assert time.monotonic() - began < 3


def test_user_and_password_of_the_url_authorize_and_are_never_said(said: Said) -> None:
    with hooks(204, 403) as server:
        way = Webhook(f"http://jd%6Fe:hunter%402@{server.at}/", said)
        way.send(turned())
        way.send(turned())
    header = server.requests[0][3]["Authorization"]
    assert base64.b64decode(header.removeprefix("Basic ")) == b"jdoe:hunter@2"
    assert server.requests[0][3]["Host"] == server.at
    assert said.all == [f"the webhook at http://{server.at} answered 403"]


def test_the_environments_proxy_is_used(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    with hooks(200) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy.at}")
        Webhook("http://alerts.example.com/hook", said).send(turned())
    assert proxy.requests[0][2] == "http://alerts.example.com/hook"
    assert said.all == []


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", f"{path}.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    with path.open("ab") as file:
        file.write(Path(f"{path}.crt").read_bytes())
    return path


def test_over_tls_and_only_where_its_certificate_is_trusted(
    certificate: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hooks(200) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = f"https://{server.at}/"
        began = time.monotonic()
        Webhook(url, said, pauses_s=[60]).send(turned())
        assert time.monotonic() - began < 30, "no other attempt helps"
        assert server.got == []
        assert "has a wrong certificate: self-signed certificate" in said.all[0]
        monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
        Webhook(url, said).send(turned())
        assert len(server.got) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "alerts.example.com/s3cr3t",
        "file:///etc/s3cr3t",
        "ftp://s3cr3t@example.com/",
        "http://",
        "http:///s3cr3t",
        "http://s3cr3t@:80/",
        "http://example.com:99999/s3cr3t",
        "http://example.com:x/s3cr3t",
        "http://[::1/s3cr3t",
        "http://example.com/s3cr3t\r\nX: y",
        "http://example.com/s3cr3t path",
        "http://ex\u00e4mple.com/s3cr3t",
        "http://" + "s3cr3t" * 20 + ".com/",
    ],
)
def test_what_is_no_url_of_http_is_a_usage_error_that_quotes_nothing(url: str, said: Said) -> None:
    with pytest.raises(UsageError, match="the webhook's URL cannot be meant") as caught:
        Webhook(url, said)
    assert "s3cr3t" not in f"{caught.value.what} {caught.value.where} {caught.value.hint}"
