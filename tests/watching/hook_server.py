"""A real HTTP server that takes announcements, refuses them, hangs or drips."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hooks(ThreadingHTTPServer):
    """Answers by what `answers` says, one after the other; the last one from then on."""

    daemon_threads = True

    def __init__(self, answers: list[int], headers: dict[str, str], said: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.headers = headers
        self.said = said
        self.got: list[Any] = []
        self.requests: list[tuple[float, str, str, dict[str, str]]] = []
        """(time, method, path, headers)"""

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """Whoever is cut off is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: Hooks

    def do_POST(self) -> None:
        hooks = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        hooks.requests.append((time.monotonic(), self.command, self.path, dict(self.headers)))
        status = hooks.answers.pop(0) if len(hooks.answers) > 1 else hooks.answers[0]
        if status < 300:
            hooks.got.append(json.loads(body))
        self.send_response(status)
        for name, value in hooks.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(hooks.said)))
        self.end_headers()
        self.wfile.write(hooks.said)

    def do_GET(self) -> None:
        self.server.requests.append((time.monotonic(), "GET", self.path, {}))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hooks(
    *answers: int, headers: dict[str, str] | None = None, said: bytes = b""
) -> Iterator[Hooks]:
    """A server on a free port of this machine's loopback."""
    server = Hooks(list(answers) or [204], headers or {}, said)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def dripping(text: bytes, every_s: float) -> Iterator[str]:
    """`127.0.0.1:PORT` of who takes connections and answers byte by byte; of b"": never."""
    listening = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []

    def drip(peer: socket.socket) -> None:
        try:
            for byte in text:
                peer.sendall(bytes([byte]))
                time.sleep(every_s)
        except OSError:
            pass

    def serve() -> None:
        while True:
            try:
                peer, _ = listening.accept()
            except OSError:
                return
            taken.append(peer)
            threading.Thread(target=drip, args=(peer,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for peer in taken:
            peer.close()
