"""One agent in a pod, by exec through the Kubernetes API."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

from tracer.bundle import codec
from tracer.collect import exec_status
from tracer.collect.kube_stream import STATUS, STDERR, STDOUT, ExecStream, StreamBroken
from tracer.collect.transport import Hearing, Lines, Sink, StreamEnd
from tracer.errors import FlantraceError
from tracer.model.message import Beat, ToAgent

Connect: TypeAlias = Callable[[threading.Event], ExecStream]
"""May take its time, and may raise FlantraceError; ends soon when the event is set."""

TURN_S = 1.0
"""How long the channel's thread sleeps at most; what is to be sent wakes it."""

MOST_ORDERS = 1000
"""Lines to one agent that wait for the connection; a trace sends a few dozen."""

FAREWELL_S = 2.0
"""How long the connection may take to end once the agent's exit status is known."""


class ExecChannel:
    """One agent in a pod. A thread of its own connects, sends, and hands over what arrives.

    It reads the next frame when the sink has taken all of the last one: a reader that is slow slows
    the agent, and nothing piles up here.
    """

    def __init__(
        self,
        node: str,
        connect: Connect,
        sink: Sink,
        hint: str,
        closed: Callable[[], None] = lambda: None,
    ) -> None:
        """`hint`: what to try when the agent is not well. `closed` is called by `close`."""
        self._node = node
        self._connect = connect
        self._sink = sink
        self._hint = hint
        self._closed = closed
        self._hearing = Hearing(node, sink)
        self._out, self._err = Lines(), Lines()
        self._status = b""
        self._orders: queue.Queue[ToAgent] = queue.Queue(MOST_ORDERS)
        self._stream: ExecStream | None = None
        self._leaving = threading.Event()
        self._hang_up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def send(self, message: ToAgent) -> None:
        """Hand one line to the agent. One that has gone is found out by its stream's end."""
        if isinstance(message, Beat) and not self._orders.empty():
            return  # what waits to be sent is as good a sign of life
        with contextlib.suppress(queue.Full):
            self._orders.put_nowait(message)
        self._wake()

    def close(self, patience_s: float = 2.0) -> None:
        """End stdin where the protocol can, and wait; then hang up, which ends it as well."""
        self._leaving.set()
        self._wake()
        self._thread.join(patience_s)
        self._hang_up.set()
        self._wake()
        self._closed()

    def _wake(self) -> None:
        stream = self._stream
        if stream is not None:
            stream.wake()

    def _run(self) -> None:
        try:
            stream = self._connect(self._leaving)
        except FlantraceError as error:
            self._sink(self._node, StreamEnd(None, "", hint=error.hint, refused=error))
            return
        self._stream = stream
        try:
            end = self._carry(stream)
        finally:
            stream.close()
        self._sink(self._node, end)

    def _carry(self, stream: ExecStream) -> StreamEnd:
        """Everything between the first frame and the last."""
        left, until = False, float("inf")
        try:
            while not self._hang_up.is_set() and time.monotonic() < until:
                self._pass_on(stream)
                if self._leaving.is_set() and not left:
                    if not stream.closes_stdin:
                        break
                    left = True
                    stream.end_stdin()
                came = stream.read(TURN_S)
                garbage = self._hear(*came) if came is not None else None
                if garbage is not None:
                    return StreamEnd(None, self._hearing.said, garbage, hint=self._hint)
                if self._status and until == float("inf"):
                    until = time.monotonic() + FAREWELL_S
        except StreamBroken as error:
            if not self._status:
                why = f"the connection to it broke: {error}"
                hint = f"trace again; did the API server, or {self._node}, restart?"
                return StreamEnd(None, self._hearing.said, why=why, hint=hint)
        return exec_status.end(self._status, self._hearing.said, self._hint)

    def _pass_on(self, stream: ExecStream) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                stream.write(codec.line(self._orders.get_nowait()))

    def _hear(self, channel: int, piece: bytes) -> str | None:
        """Take a piece of one of the streams; the text of a line that is no message."""
        if channel == STDOUT:
            for line in self._out.feed(piece):
                garbage = self._hearing.take(line)
                if garbage is not None:
                    return garbage
        elif channel == STDERR:
            for line in self._err.feed(piece):
                self._hearing.note(line)
        elif channel == STATUS:
            self._status += piece
        return None
