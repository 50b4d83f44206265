"""The streams of one exec, over one WebSocket: frames in and out, none of them ever waited for.

The kubernetes client opens the connection. What its WSClient does afterwards is no use here: it
reads on as long as anything arrives (kubernetes 37.0.2, ws_client.py, update), holds all of it, and
its writes wait for the peer.
"""

from __future__ import annotations

import collections
import contextlib
import select
import socket
import ssl
import struct
import time
from typing import Any

from websocket import (
    ABNF,
    WebSocketBadStatusException,
    WebSocketConnectionClosedException,
    WebSocketException,
)

from tracer.collect.kube import Api
from tracer.errors import CollectFailed

STDIN, STDOUT, STDERR, STATUS = range(4)
"""Channels of exec: the first byte of a message."""

CLOSE = 255
"""Since v5: the second byte says which channel ends."""

V5 = "v5.channel.k8s.io"

PIECE = 32 << 10
"""Bytes of stdin in one message, as kubectl has it: an API server may refuse large ones."""

MOST_WAITING = 64 << 20
"""Bytes that wait to go out. The longest line to an agent, ten thousand leases, has some 3 MB."""

STALLED_S = 8.0
"""If nothing can be sent for so long, nothing ever will."""

_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class StreamBroken(Exception):
    """The connection is over; the text says how it ended. `closed`: the server said goodbye."""

    def __init__(self, how: str, *, closed: bool = False) -> None:
        super().__init__(how)
        self.closed = closed


class Refused(Exception):
    """The API server's answer was no stream, but an HTTP status and what goes with it."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body


def opened(api: Api, path: str) -> ExecStream:
    """Connect. Refused, or CollectFailed: the API server does not answer."""
    try:
        return ExecStream(api.websocket(path))
    except WebSocketBadStatusException as error:
        raise Refused(error.status_code, error.resp_body or b"") from None
    except Exception as error:  # of the client, its plug-ins, the WebSocket library, ssl, socket
        raise CollectFailed(
            f"the API server does not answer: {_words(error)}",
            where=api.server,
            hint="is the cluster up, and does a proxy on the way let WebSockets pass?",
        ) from None


class ExecStream:
    """For one thread alone, but for `wake`."""

    def __init__(self, connected: Any) -> None:
        """`connected`: a websocket.WebSocket."""
        self._connected = connected
        self._socket = connected.sock
        self._socket.settimeout(0)
        headers = connected.getheaders() or {}
        self.closes_stdin = headers.get("sec-websocket-protocol", "").lower() == V5
        self._out: collections.deque[memoryview] = collections.deque()
        self._waiting = 0
        self._moved = 0.0
        self._refused = ""
        self._channel = STATUS
        self._bell, self._listener = socket.socketpair()
        self._bell.setblocking(False)
        self._listener.setblocking(False)

    def write(self, text: bytes) -> None:
        """Queue something for stdin. StreamBroken: far too much is queued already."""
        for start in range(0, len(text), PIECE):
            self._put(bytes((STDIN,)) + text[start : start + PIECE])

    def end_stdin(self) -> None:
        """Queue the end of stdin, where the protocol has one (`closes_stdin`)."""
        if self.closes_stdin:
            self._put(bytes((CLOSE, STDIN)))

    def wake(self) -> None:
        """Make `read` return. From any thread."""
        with contextlib.suppress(OSError):
            self._bell.send(b"!")

    def read(self, patience_s: float) -> tuple[int, bytes] | None:
        """Send what can go out, and take one piece of what came in: its channel and its bytes.

        None: nothing came in so long, or somebody called `wake`. StreamBroken: the end.
        """
        self._send()
        try:
            frame = self._connected.recv_frame()
        except _NOT_NOW:
            if self._refused:
                raise StreamBroken(self._refused) from None
            self._wait(patience_s)
            return None
        except (WebSocketException, OSError, ValueError, struct.error) as error:
            raise StreamBroken(_words(error)) from None
        return self._taken(frame)

    def close(self) -> None:
        """Say goodbye, as far as that goes out at once, and hang up."""
        with contextlib.suppress(StreamBroken, OSError, ValueError):
            self._put(struct.pack("!H", 1000), ABNF.OPCODE_CLOSE)
            self._send()
        for end in (self._connected.shutdown, self._bell.close, self._listener.close):
            with contextlib.suppress(OSError):
                end()

    def _taken(self, frame: Any) -> tuple[int, bytes] | None:
        data: bytes = frame.data
        if frame.opcode == ABNF.OPCODE_CLOSE:
            raise StreamBroken(_goodbye(data), closed=True)
        if frame.opcode == ABNF.OPCODE_PING:
            self._put(data, ABNF.OPCODE_PONG)
            return None
        if frame.opcode in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT):
            if not data:
                return None
            self._channel, data = data[0], data[1:]
        elif frame.opcode != ABNF.OPCODE_CONT:
            return None
        return self._channel, data

    def _put(self, data: bytes, kind: int = ABNF.OPCODE_BINARY) -> None:
        if self._refused:
            return
        if self._waiting > MOST_WAITING:
            raise StreamBroken("it takes nothing that is sent to it")
        if not self._out:
            self._moved = time.monotonic()
        frame = ABNF.create_frame(data, kind).format()
        self._out.append(memoryview(frame))
        self._waiting += len(frame)

    def _send(self) -> None:
        """What the socket takes now. A frame that has begun goes on before any other."""
        while self._out:
            try:
                count = self._socket.send(self._out[0])
            except _NOT_NOW:
                if time.monotonic() - self._moved > STALLED_S:
                    raise StreamBroken("nothing can be sent to it") from None
                return
            except (OSError, ValueError) as error:
                # What it said before it hung up, its exit status perhaps, is still to be read.
                self._refused = _words(error)
                self._out.clear()
                return
            self._moved = time.monotonic()
            self._waiting -= count
            rest = self._out[0][count:]
            if rest:
                self._out[0] = rest
            else:
                self._out.popleft()

    def _wait(self, patience_s: float) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._out else 0))
        poll.poll(patience_s * 1000)
        with contextlib.suppress(BlockingIOError):
            self._listener.recv(4096)


def _words(error: Exception) -> str:
    if isinstance(error, WebSocketConnectionClosedException):
        return "it hung up"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error) or type(error).__name__


def _goodbye(data: bytes) -> str:
    """What a close frame says."""
    if len(data) < 2:
        return "the API server ended it"
    (code,) = struct.unpack("!H", data[:2])
    reason = data[2:].decode(errors="replace")
    return f"the API server ended it ({code}{f', {reason}' if reason else ''})"
