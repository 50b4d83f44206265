"""Reaching a node by a command that runs there: ssh, `ip netns exec`, `docker exec`, the lab."""

from __future__ import annotations

import contextlib
import queue
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from tracer.bundle import codec
from tracer.collect.transport import LONGEST_LINE, Hearing, Sink, StreamEnd
from tracer.errors import CollectFailed, UsageError
from tracer.model.bundle import Trouble
from tracer.model.message import Beat, ToAgent

NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
"""An RFC 1123 subdomain. The name comes from the API and goes into a command line."""


class CommandWay:
    """One command template for all nodes."""

    patience_s = 0.0

    def __init__(self, template: str, agent: str | None) -> None:
        self.where = template
        self._agent = agent

    def open(self, node: str, sink: Sink) -> CommandChannel:
        """Start the agent on a node. UsageError or CollectFailed: it cannot be."""
        return CommandChannel(node, agent_line(self.where, self._agent, node), sink)

    def close(self) -> tuple[Trouble, ...]:
        """Nothing outlives the channels."""
        return ()


def agent_line(template: str, agent: str | None, node: str) -> list[str]:
    """The words that start the agent on a node. UsageError if the template cannot be meant.

    `{node}` is substituted everywhere; the agent's command is appended, quoted as a shell would
    read it, so that ssh's remote shell sees the same words.
    """
    if not NODE_NAME.fullmatch(node):
        raise UsageError(
            f"{node!r} is no name of a node",
            where="the Kubernetes API",
            hint="node names are RFC 1123 subdomains",
        )
    line = f"{template} {agent or own_command()} agent".replace("{node}", node)
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(
            f"the template cannot be read: {error}", where=line, hint="check its quotes"
        ) from None
    if shutil.which(words[0]) is None:
        raise UsageError(
            f"the template's command does not exist: {words[0]}",
            where=f"--node-exec {template!r}",
            hint="for instance --node-exec 'ssh {node} sudo'",
        )
    return words


def own_command() -> str:
    """This installation's own absolute path, shell-quoted."""
    beside = Path(sys.executable).parent / "flantrace"
    if beside.exists():
        return shlex.quote(str(beside))
    return f"{shlex.quote(sys.executable)} -m tracer"


class CommandChannel:
    """One agent, started by a command. Its lines arrive at `sink` from a thread of their own."""

    def __init__(self, node: str, words: list[str], sink: Sink) -> None:
        self._node = node
        self._sink = sink
        self._hearing = Hearing(node, sink)
        self._orders: queue.SimpleQueue[ToAgent | None] = queue.SimpleQueue()
        try:
            # A session of its own: Ctrl-C reaches the operator, who tells the agents to stop.
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise CollectFailed(
                f"cannot run the template's command: {error.strerror}",
                where=shlex.join(words),
                hint="try the command by hand",
            ) from None
        self._stderr = threading.Thread(target=self._listen, daemon=True)
        self._stderr.start()
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._write, daemon=True).start()

    def send(self, message: ToAgent) -> None:
        """Hand one line to the agent. One that has gone is found out by its stream's end."""
        if isinstance(message, Beat) and not self._orders.empty():
            return  # what waits to be sent is as good a sign of life
        self._orders.put(message)

    def close(self, patience_s: float = 2.0) -> None:
        """End the stream; an agent that does not leave by itself is told, then made, to."""
        self._orders.put(None)
        for end in (self._process.terminate, self._process.kill):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
                return
            end()
        self._process.wait()

    def _write(self) -> None:
        """By a thread of its own: an agent that hangs takes no orders, and others wait for us."""
        stdin = self._process.stdin
        if stdin is None:
            return
        with contextlib.suppress(OSError, ValueError):
            while (order := self._orders.get()) is not None:
                stdin.write(codec.line(order))
                stdin.flush()
        with contextlib.suppress(OSError):
            stdin.close()

    def _listen(self) -> None:
        stream = self._process.stderr
        if stream is not None:
            with stream:
                for line in stream:
                    self._hearing.note(line)

    def _read(self) -> None:
        """Decode lines until the stream ends; the sink's blocking is the stream's back-pressure."""
        garbage = self._lines()
        if self._process.stdout is not None:
            self._process.stdout.close()
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(0.5 if garbage is None else 0)
        self._stderr.join(0.5)
        said = self._hearing.said
        self._sink(self._node, StreamEnd(code, said, garbage, hint=sudo_hint(said)))

    def _lines(self) -> str | None:
        """Hand over every message; the text of the first line that is none, if one came."""
        stream = self._process.stdout
        while stream is not None and (line := stream.readline(LONGEST_LINE)):
            garbage = self._hearing.take(line)
            if garbage is not None:
                return garbage
        return None


def sudo_hint(said: str) -> str:
    """What to try next, from what a failed command said."""
    if "permission denied" in said.lower() or "not permitted" in said.lower():
        return "run flantrace as root, or put sudo into the template: --node-exec 'ssh {node} sudo'"
    if "not found" in said.lower() or "no such file" in said.lower():
        return "is flantrace installed on the node? --agent CMD says how it is called there"
    return "try the template's command by hand"
