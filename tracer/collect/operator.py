"""The agent's end of its stream: orders come in, records go out, one JSON object a line.

An operator that ends the stream, or says nothing any more, is gone.
"""

import os
import select
import time
from collections.abc import Iterable

from tracer.bundle import codec
from tracer.model.message import Beat, ToAgent
from tracer.model.record import Record

BEAT_S = 1.0
"""How often a sign of life goes out."""

SILENCE_S = 10.0
"""An operator that says nothing for so long is gone: Kubernetes exec cannot close our stdin."""


class Leave(Exception):
    """The operator is gone or has asked us to end."""


class Silence(Leave):
    """The operator says nothing any more."""


class Garbled(Leave):
    """The operator says what we do not understand."""


class OperatorStream:
    """Standard input and output, or other files in their place."""

    def __init__(self, node_in: int, node_out: int) -> None:
        self._in = node_in
        self._out = node_out
        self._pending = b""
        self._heard = time.monotonic()
        self._beaten = 0.0
        self._takes = select.poll()
        self._takes.register(node_out, select.POLLOUT)

    def begin(self) -> None:
        """Wait for nothing any more."""
        os.set_blocking(self._in, False)

    def fileno(self) -> int:
        """For select: readable when orders wait."""
        return self._in

    def orders(self) -> list[ToAgent]:
        """Those that have arrived. Leave: the stream's end, or patience's; Garbled: of no use."""
        self._hear()
        *lines, self._pending = self._pending.split(b"\n")
        try:
            return [codec.to_agent(line) for line in lines if line]
        except codec.DECODE_ERRORS as error:
            raise Garbled(f"the operator's line is not understood: {error}") from None

    def tell(self, records: Iterable[Record]) -> None:
        """Write them. An operator that reads slowly is waited for; one that is gone is Leave."""
        view = memoryview(b"".join(codec.line(record) for record in records))
        while view:
            while not self._takes.poll(BEAT_S * 1000):
                self._hear()
            view = view[os.write(self._out, view[: select.PIPE_BUF]) :]

    def beat(self) -> None:
        """A sign of life, where one is due."""
        now = time.monotonic()
        if now - self._beaten >= BEAT_S:
            self._beaten = now
            self.tell((Beat(monotonic_ns=time.monotonic_ns()),))

    def _hear(self) -> None:
        """Take what has arrived."""
        try:
            data = os.read(self._in, 1 << 16)
        except BlockingIOError:
            if time.monotonic() - self._heard > SILENCE_S:
                raise Silence from None
            return
        if not data:
            raise Leave
        self._heard = time.monotonic()
        self._pending += data
