"""Reaching a node: an agent runs there and speaks on a stream, one JSON object a line.

Whatever carries the lines, the rest of flantrace sees a Way that opens Channels: a command such as
ssh (command.py), or exec into a pod by the Kubernetes API (kube_exec.py).
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from tracer.bundle import codec
from tracer.errors import FlantraceError
from tracer.model.bundle import Trouble
from tracer.model.message import FromAgent, Hello, ToAgent

LONGEST_LINE = 256 << 20
"""Bytes. A node's state is one line: 10,000 peers make some 10 MB."""

NOISE = 200
"""Lines that a login shell may print before the agent's first."""


@dataclass(frozen=True)
class StreamEnd:
    """An agent's stream is over."""

    exit_code: int | None
    """None: not known."""
    said: str
    """The tail of what it wrote to stderr."""
    garbage: str | None = None
    """The line that was none, and why it is none."""
    why: str = ""
    """What ended the stream, where it was not the agent."""
    hint: str = ""
    refused: FlantraceError | None = None
    """The stream never began."""


Item: TypeAlias = FromAgent | StreamEnd
Sink: TypeAlias = Callable[[str, Item], None]
"""Takes what a node says. Its blocking is the stream's back-pressure."""


class Channel(Protocol):
    """One agent. Its lines arrive at the sink from a thread of the channel's own."""

    def send(self, message: ToAgent) -> None:
        """Hand one line to the agent. One that has gone is found out by its stream's end."""

    def close(self, patience_s: float = 2.0) -> None:
        """End the stream; an agent that does not leave by itself in that time is left or made to.

        May be called twice.
        """


class Way(Protocol):
    """How to get to the nodes of one cluster."""

    @property
    def where(self) -> str:
        """For errors: what was tried."""

    @property
    def patience_s(self) -> float:
        """How long it may take until an agent can begin, beyond what the agent itself needs."""

    def open(self, node: str, sink: Sink) -> Channel:
        """Start an agent on a node, and do not wait for it. FlantraceError: it cannot be meant.

        What fails later arrives at the sink as the stream's end.
        """

    def close(self) -> tuple[Trouble, ...]:
        """All channels are closed: leave nothing behind. What is left nevertheless, in words."""


class Hearing:
    """What the lines of one agent say: messages go to the sink, the rest is kept for the hint."""

    def __init__(self, node: str, sink: Sink) -> None:
        self._node = node
        self._sink = sink
        self._greeted = False
        self._noise = 0
        self._said: collections.deque[str] = collections.deque(maxlen=20)

    @property
    def said(self) -> str:
        """The last lines that were no messages."""
        return "\n".join(self._said)

    def note(self, line: bytes) -> None:
        """A line of stderr."""
        self._said.append(line.decode(errors="replace").rstrip()[:500])

    def take(self, line: bytes) -> str | None:
        """Hand over a line's message; the text of a line that is none, where noise has its end."""
        try:
            message = codec.from_agent(line)
        except codec.DECODE_ERRORS as error:
            text = line[:200].decode(errors="replace").rstrip()
            self._noise += 1
            if self._greeted or self._noise > NOISE:
                return f"{text} ({error})"
            self._said.append(text)
            return None
        self._greeted = self._greeted or isinstance(message, Hello)
        self._sink(self._node, message)
        return None


class Lines:
    """Whole lines out of pieces that end anywhere, inside of a character or of a line."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._begun: list[bytes] = []
        self._length = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The lines that this piece ends, each with its newline.

        One that is too long comes out as it is so far: it will be no message.
        """
        *ended, rest = piece.split(b"\n")
        for part in ended:
            yield b"".join((*self._begun, part, b"\n"))
            self._begun, self._length = [], 0
        if rest:
            self._begun.append(rest)
            self._length += len(rest)
        if self._length > self._longest:
            yield b"".join(self._begun)
            self._begun, self._length = [], 0
