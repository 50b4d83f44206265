"""An API server's end of pods/exec, frame by frame as a test wants it: real sockets, no manners."""

import base64
import hashlib
import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

STDIN, STDOUT, STDERR, STATUS = range(4)
CONTINUED, TEXT, BINARY, GOODBYE, PING, PONG = 0, 1, 2, 8, 9, 10
SUCCESS = b'{"metadata":{},"status":"Success"}'


class Peer:
    """One connection, after its handshake."""

    def __init__(self, connection: socket.socket, request: str) -> None:
        self.connection = connection
        self.request = request
        self._stream = connection.makefile("rb")

    def frame(self, kind: int, data: bytes, *, final: bool = True) -> None:
        first = kind | (0x80 if final else 0)
        if len(data) < 126:
            head = struct.pack("!BB", first, len(data))
        elif len(data) < 1 << 16:
            head = struct.pack("!BBH", first, 126, len(data))
        else:
            head = struct.pack("!BBQ", first, 127, len(data))
        self.connection.sendall(head + data)

    def say(self, data: bytes, channel: int = STDOUT, piece: int = 1 << 20) -> None:
        """Bytes on a channel, in messages of so many bytes."""
        for start in range(0, len(data), piece):
            self.frame(BINARY, bytes((channel,)) + data[start : start + piece])

    def told(self) -> tuple[int, bytes]:
        """The next frame from the client: opcode and data. EOFError: it hung up."""
        first, second = self._exactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        key = self._exactly(4)
        data = self._exactly(length)
        mask = key * (length // 4 + 1)
        whole = int.from_bytes(data, "big") ^ int.from_bytes(mask[:length], "big")
        return first & 0x0F, whole.to_bytes(length, "big")

    def line(self) -> bytes:
        """The next line on stdin."""
        line = b""
        while not line.endswith(b"\n"):
            kind, data = self.told()
            if kind == BINARY and data[:1] == bytes((STDIN,)):
                line += data[1:]
        return line

    def end(self, status: bytes = SUCCESS) -> None:
        """As an agent's own end: its status, a close frame."""
        self.say(status, STATUS)
        self.frame(GOODBYE, struct.pack("!H", 1000))

    def reset(self) -> None:
        """Break the connection, as a machine does that goes down and comes back."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self._stream.close()

    def _exactly(self, count: int) -> bytes:
        data = self._stream.read(count)
        if len(data) < count:
            raise EOFError
        return data


Script = Callable[[Peer], None]


def _part(connection: socket.socket) -> None:
    """Hang up when the client has: what it still says would make close() throw away our words."""
    connection.settimeout(10)
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(4096):
        pass


class ExecServer:
    """Accepts connections and plays a script on each, in a thread of its own."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.requests: list[str] = []
        self.failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                thread = threading.Thread(target=self._play, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def close(self) -> None:
        # A thread that waits in accept() does not notice close().
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(10)
        for failure in self.failures:
            raise failure

    def _play(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                self._script(Peer(connection, self._shake_hands(connection)))
                _part(connection)
        except (EOFError, OSError):
            pass
        except BaseException as failure:
            self.failures.append(failure)

    def _shake_hands(self, connection: socket.socket) -> str:
        text = b""
        while not text.endswith(b"\r\n\r\n"):
            text += connection.recv(1)
        request = text.decode()
        self.requests.append(request)
        (key,) = re.findall(r"(?i)^sec-websocket-key: (.*)\r$", request, re.M)
        digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        connection.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n"
            "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n".encode()
        )
        return request


def kubeconfig(folder: Path, server: str, **cluster: str) -> str:
    """A kubeconfig for that server, with a token as its user."""
    conf = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": {"token": "t0ken"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(conf))
    return str(path)


@contextmanager
def playing(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[ExecServer]:
    """A server that plays the script; what its script asserted is raised at the end."""
    server = ExecServer(script, tls)
    accepting = threading.Thread(target=server.serve, daemon=True)
    accepting.start()
    try:
        yield server
    finally:
        server.close()
        accepting.join(5)
