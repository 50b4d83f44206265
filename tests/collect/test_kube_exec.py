"""Exec into a pod carries an agent's lines whole, whatever the frames are, and ends in words."""

import json
import queue
import re
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.builders import state
from tests.execserver import (
    BINARY,
    CONTINUED,
    GOODBYE,
    PING,
    PONG,
    STATUS,
    STDERR,
    STDIN,
    STDOUT,
    SUCCESS,
    Peer,
    Script,
    kubeconfig,
    playing,
)  # fmt: skip
from tracer import __version__
from tracer.bundle import codec
from tracer.collect import kube_stream
from tracer.collect.kube import Api
from tracer.collect.kube_exec import ExecChannel
from tracer.collect.kube_ways import Inside, exec_into
from tracer.collect.transport import Item, Sink, StreamEnd
from tracer.model.message import PROTOCOL, Beat, Hello, Problem, Start, Stop
from tracer.model.state import NodeState

INSIDE = Inside(namespace="flantrace", container="agent", agent=("flantrace", "agent"))
HELLO = codec.line(Hello(protocol=PROTOCOL, version=__version__, node="node-a", pid=1))
START = Start(protocol=PROTOCOL, version=__version__, node="node-a", pair=None)
PATIENCE_S = 20


class Heard:
    """What arrives at a sink, up to the stream's end."""

    def __init__(self) -> None:
        self._items: queue.Queue[Item] = queue.Queue()

    def sink(self, node: str, item: Item) -> None:
        assert node == "node-a"
        self._items.put(item)

    def next(self) -> Item:
        return self._items.get(timeout=PATIENCE_S)

    def all(self) -> tuple[list[Item], StreamEnd]:
        items: list[Item] = []
        while not isinstance(item := self.next(), StreamEnd):
            items.append(item)
        return items, item


@contextmanager
def channel(folder: Path, script: Script, sink: Sink) -> Iterator[ExecChannel]:
    """A channel to a pod whose API server plays the script."""
    with playing(script) as server:
        api = Api(kubeconfig(folder, f"http://127.0.0.1:{server.port}"), None, 30.0)
        opened = ExecChannel(
            "node-a", lambda _: exec_into(api, "node-a", "agent-x", INSIDE), sink, "look at it"
        )
        try:
            yield opened
        finally:
            opened.close(1)


def ended(folder: Path, script: Script) -> StreamEnd:
    heard = Heard()
    with channel(folder, script, heard.sink):
        return heard.all()[1]


def test_the_request_is_that_of_kubectl_exec_and_carries_the_token(tmp_path: Path) -> None:
    requests: list[str] = []

    def script(peer: Peer) -> None:
        requests.append(peer.request)
        peer.end()

    ended(tmp_path, script)
    (request,) = requests
    path, *headers = request.splitlines()
    assert path == (
        "GET /api/v1/namespaces/flantrace/pods/agent-x/exec?command=flantrace&command=agent"
        "&container=agent&stdin=true&stdout=true&stderr=true HTTP/1.1"
    )
    assert "authorization: Bearer t0ken" in headers
    assert "sec-websocket-protocol: v4.channel.k8s.io" in headers


@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
def test_lines_and_characters_may_be_split_anywhere(tmp_path: Path, piece: int) -> None:
    problem = Problem(what="Kn\u00f6ten \u2192 \U0001f600 fehlt", hint="\u00e9" * 300)

    def script(peer: Peer) -> None:
        peer.say((HELLO + codec.line(problem)) * 3, piece=piece)
        peer.end()

    heard = Heard()
    with channel(tmp_path, script, heard.sink):
        items, end = heard.all()
    assert [item for item in items if isinstance(item, Problem)] == [problem] * 3
    assert (end.exit_code, end.said, end.garbage) == (0, "", None)


def test_the_streams_are_kept_apart_and_a_ping_in_between_is_answered(tmp_path: Path) -> None:
    answers: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        peer.say(HELLO[:20])
        peer.say(b"bcc: warn", STDERR)
        peer.frame(PING, b"are you there")
        peer.say(b"ing\n", STDERR)
        peer.say(HELLO[20:])
        answers.append(peer.told())
        peer.end()

    heard = Heard()
    with channel(tmp_path, script, heard.sink):
        items, end = heard.all()
    assert [type(item) for item in items] == [Hello]
    assert end.said == "bcc: warning"
    assert answers == [(PONG, b"are you there")]


def test_a_message_may_come_in_fragments_with_other_frames_between(tmp_path: Path) -> None:
    """gorilla's server splits a large write, and a ping may stand between the parts."""

    def script(peer: Peer) -> None:
        peer.frame(BINARY, bytes((STDOUT,)) + HELLO[:5], final=False)
        peer.frame(PING, b"")
        peer.frame(CONTINUED, HELLO[5:9], final=False)
        peer.frame(CONTINUED, HELLO[9:])
        peer.frame(BINARY, b"")
        peer.end()

    heard = Heard()
    with channel(tmp_path, script, heard.sink):
        items, end = heard.all()
    assert [type(item) for item in items] == [Hello], end


@pytest.mark.parametrize("piece", [32 << 10, 8 << 20])
def test_a_line_of_many_megabytes_arrives(tmp_path: Path, piece: int) -> None:
    large = codec.line(Problem(what="x" * (20 << 20), hint=""))

    def script(peer: Peer) -> None:
        peer.say(HELLO + large, piece=piece)
        peer.end()

    heard = Heard()
    begun = time.monotonic()
    with channel(tmp_path, script, heard.sink):
        items, _ = heard.all()
    print(f"{len(large) >> 20} MB in pieces of {piece >> 10} KiB: {time.monotonic() - begun:.2f} s")
    assert isinstance(items[1], Problem)
    assert len(items[1].what) == 20 << 20


def test_a_line_beyond_the_longest_ends_the_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracer.collect.transport.Lines.__init__.__defaults__", (1 << 20,))

    def script(peer: Peer) -> None:
        peer.say(HELLO)
        while True:
            peer.say(b"x" * 10_000)

    end = ended(tmp_path, script)
    assert end.garbage is not None
    assert end.garbage.startswith("xxx")


def test_a_large_order_goes_out_in_pieces_while_others_wait(tmp_path: Path) -> None:
    many = tuple(f"10.{n >> 8}.{n & 255}.1" for n in range(60_000))
    start = Start(protocol=PROTOCOL, version=__version__, node="node-a", pair=None, peers=many)
    told: list[bytes] = []

    def script(peer: Peer) -> None:
        time.sleep(0.3)  # everything is sent before anything is read
        told.append(peer.line())
        peer.say(HELLO)
        told.append(peer.line())
        peer.end()

    heard = Heard()
    with channel(tmp_path, script, heard.sink) as opened:
        opened.send(start)
        assert isinstance(heard.next(), Hello)
        opened.send(Stop())
        heard.all()
    assert codec.to_agent(told[0]) == start
    assert codec.to_agent(told[1]) == Stop()


def resident() -> int:
    """KiB of memory that this process has."""
    (line,) = re.findall(r"VmRSS:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(line)


def test_a_sink_that_takes_nothing_stops_the_sender_and_memory_stays_small(tmp_path: Path) -> None:
    """The agent's side can hand over no more than the two sockets hold."""
    line = codec.line(Problem(what="x" * 10_000, hint=""))
    sent = 0

    def script(peer: Peer) -> None:
        nonlocal sent
        peer.say(HELLO)
        for _ in range(10_000):
            peer.say(line)
            sent += len(line)
        peer.end()

    gate, taken = threading.Event(), 0

    def sink(_node: str, item: Item) -> None:
        nonlocal taken
        gate.wait(PATIENCE_S)
        taken += isinstance(item, Problem)

    before = resident()
    with channel(tmp_path, script, sink):
        time.sleep(1)
        held, grown = sent, resident() - before
        time.sleep(0.5)
        assert sent == held, "the sender goes on while nobody takes anything"
        assert held < 20 << 20
        gate.set()
        deadline = time.monotonic() + PATIENCE_S
        while taken < 10_000 and time.monotonic() < deadline:
            time.sleep(0.01)
    print(
        f"held back at {held / 1e6:.1f} MB of {len(line) / 100:.0f} MB; grown by {grown >> 10} MiB"
    )
    assert taken == 10_000
    assert grown < 16 << 10


def test_what_cannot_be_sent_holds_up_neither_the_caller_nor_the_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_stream, "STALLED_S", 1.0)
    hold = threading.Event()

    def script(peer: Peer) -> None:
        peer.say(HELLO)
        hold.wait(PATIENCE_S)  # reads nothing, ever
        peer.reset()

    heard = Heard()
    with channel(tmp_path, script, heard.sink) as opened:
        assert isinstance(heard.next(), Hello)
        begun = time.monotonic()
        many = tuple(f"10.{n >> 8}.{n & 255}.1" for n in range(60_000))
        for _ in range(20):
            opened.send(Start(
                protocol=PROTOCOL, version=__version__, node="node-a", pair=None, peers=many,
            ))  # fmt: skip
        assert time.monotonic() - begun < 1
        _, end = heard.all()
        hold.set()
    assert end.why == "the connection to it broke: nothing can be sent to it"


def cut(peer: Peer) -> None:
    peer.line()  # what is unread when a socket is closed makes a reset of it
    peer.say(HELLO)
    peer.say(codec.line(state("node-a"))[:500])


def reset(peer: Peer) -> None:
    cut(peer)
    time.sleep(0.2)
    peer.reset()


def half_a_frame(peer: Peer) -> None:
    peer.line()
    peer.say(HELLO)
    peer.connection.sendall(struct.pack("!BBH", 0x82, 126, 5000) + b"\x01" + b"x" * 100)


def going_away(peer: Peer) -> None:
    cut(peer)
    peer.frame(GOODBYE, struct.pack("!H", 1001) + b"shutting down")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (cut, "it hung up"),
        (reset, "Connection reset by peer"),
        (half_a_frame, "it hung up"),
        (going_away, "the API server ended it (1001, shutting down)"),
    ],
)
def test_a_connection_that_breaks_keeps_what_was_heard_and_says_how(
    tmp_path: Path, script: Script, said: str
) -> None:
    heard = Heard()
    with channel(tmp_path, script, heard.sink) as opened:
        opened.send(START)
        items, end = heard.all()
    assert [type(item) for item in items] == [Hello]
    assert end.exit_code is None
    assert end.why == f"the connection to it broke: {said}"
    assert end.hint == "trace again; did the API server, or node-a, restart?"
    assert end.garbage is None, "half a line is no garbage"


def status(code: str) -> bytes:
    causes = [{"reason": "ExitCode", "message": code}]
    said = {"status": "Failure", "reason": "NonZeroExitCode", "message": "it ended with non-zero"}
    return json.dumps({**said, "details": {"causes": causes}}).encode()


NO_COMMAND = (
    b'{"status":"Failure","reason":"InternalError","message":"Internal error occurred: error'
    b" executing command in container: failed to exec in container: failed to start exec"
    b' \\"1\\": OCI runtime exec failed: exec failed: unable to start container process: exec:'
    b' \\"flantrace\\": executable file not found in $PATH: unknown"}'
)


@pytest.mark.parametrize(
    ("told", "code", "why", "hint"),
    [
        (status("137"), 137, "it was killed (exit code 137)", "look at it"),
        (status("3"), 3, "exit code 3", "look at it"),
        (
            NO_COMMAND,
            None,
            'exec: "flantrace": executable file not found in $PATH',
            "is that an image of flantrace? --agent CMD says how it is called there",
        ),
        (b"not json", None, "not json", "look at it"),
    ],
)
def test_the_last_word_says_how_the_agent_ended(
    tmp_path: Path, told: bytes, code: int | None, why: str, hint: str
) -> None:
    end = ended(tmp_path, lambda peer: peer.end(told))
    assert (end.exit_code, end.why, end.hint) == (code, why, hint)


def test_what_it_said_before_it_failed_says_more_than_the_number(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.say(b"bcc: no such module\n", STDERR)
        peer.end(status("1"))

    end = ended(tmp_path, script)
    assert (end.exit_code, end.why, end.said) == (1, "", "bcc: no such module")


def test_the_status_counts_even_where_the_server_then_just_hangs_up(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.say(status("137"), 3)
        peer.reset()

    assert ended(tmp_path, script).exit_code == 137


def test_closing_sends_what_waits_and_hangs_up(tmp_path: Path) -> None:
    told: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        peer.say(HELLO)
        told.append(peer.told())
        told.append(peer.told())
        peer.connection.recv(1)

    heard = Heard()
    with channel(tmp_path, script, heard.sink) as opened:
        assert isinstance(heard.next(), Hello)
        opened.send(Stop())
        begun = time.monotonic()
        opened.close(5)
        assert time.monotonic() - begun < 1
    stop = (BINARY, bytes((STDIN,)) + codec.line(Stop()))
    assert told == [stop, (GOODBYE, struct.pack("!H", 1000))]


def test_the_last_lines_may_come_after_the_status(tmp_path: Path) -> None:
    """However slowly they are taken."""

    def script(peer: Peer) -> None:
        peer.say(HELLO)
        peer.say(SUCCESS, STATUS)
        for number in range(20):
            peer.say(codec.line(Problem(what=str(number), hint="")))
            time.sleep(0.2)
        peer.frame(GOODBYE, struct.pack("!H", 1000))

    heard = Heard()
    with channel(tmp_path, script, heard.sink):
        items, end = heard.all()
    assert (len(items), end.exit_code) == (21, 0)


def test_heartbeats_do_not_pile_up_before_the_connection_is_there(tmp_path: Path) -> None:
    told: list[bytes] = []
    ready = threading.Event()

    def script(peer: Peer) -> None:
        ready.wait(PATIENCE_S)
        told.extend((peer.line(), peer.line()))
        peer.end()

    heard = Heard()
    with playing(script) as server:
        api = Api(kubeconfig(tmp_path, f"http://127.0.0.1:{server.port}"), None, 5.0)

        def connect(_: threading.Event) -> kube_stream.ExecStream:
            ready.wait(PATIENCE_S)
            return exec_into(api, "node-a", "agent-x", INSIDE)

        opened = ExecChannel("node-a", connect, heard.sink, "")
        opened.send(START)
        for _ in range(50):
            opened.send(Beat())
        opened.send(Stop())
        ready.set()
        heard.all()
        opened.close(1)
    assert [type(codec.to_agent(line)) for line in told] == [Start, Stop]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its key for 127.0.0.1, signed by itself."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", path, "-out", path.with_suffix(".crt")],
        check=True, capture_output=True,
    )  # fmt: skip
    with path.open("a") as both:
        both.write(path.with_suffix(".crt").read_text())
    return path


def over_tls(folder: Path, certificate: Path, script: Script, **cluster: str) -> StreamEnd:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    heard = Heard()
    with playing(script, tls=context) as server:
        conf = kubeconfig(folder, f"https://127.0.0.1:{server.port}", **cluster)
        api = Api(conf, None, 5.0)
        opened = ExecChannel(
            "node-a", lambda _: exec_into(api, "node-a", "agent-x", INSIDE), heard.sink, ""
        )
        opened.send(START)
        items, end = heard.all()
        opened.close(1)
    assert [type(item) for item in items] in ([], [Hello, NodeState, Problem])
    return end


def test_tls_carries_both_ways_at_once(tmp_path: Path, certificate: Path) -> None:
    def script(peer: Peer) -> None:
        assert codec.to_agent(peer.line()) == START
        peer.say(HELLO + codec.line(state("node-a")), piece=1000)
        peer.say(codec.line(Problem(what="x" * (5 << 20), hint="")), piece=100_000)
        peer.end()

    trusted = str(certificate.with_suffix(".crt"))
    end = over_tls(tmp_path, certificate, script, **{"certificate-authority": trusted})
    assert end.exit_code == 0


def test_a_certificate_that_nobody_vouches_for_is_refused(
    tmp_path: Path, certificate: Path
) -> None:
    end = over_tls(tmp_path, certificate, lambda _: None)
    assert end.refused is not None
    assert "the API server does not answer: " in end.refused.what
    assert "certificate" in end.refused.what.lower()
