"""Reaching a node: a command that runs there and speaks on stdio, one JSON object a line.

One mechanism for ssh, `ip netns exec`, `docker exec` and the lab: a command template. Whatever
carries the lines, the rest of flantrace sees a Channel.
"""

from __future__ import annotations

import collections
import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from tracer.bundle import codec
from tracer.errors import CollectFailed, UsageError
from tracer.model.message import FromAgent, Hello, ToAgent

NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
"""An RFC 1123 subdomain. The name comes from the API and goes into a command line."""

LONGEST_LINE = 256 << 20
"""Bytes. A node's state is one line: 10,000 peers make some 10 MB."""

NOISE = 200
"""Lines that a login shell may print before the agent's first."""


class StreamEnd:
    """An agent's stream is over. `said` is the tail of its stderr, for the hint."""

    def __init__(self, exit_code: int | None, said: str, garbage: str | None = None) -> None:
        self.exit_code = exit_code
        self.said = said
        self.garbage = garbage


Item: TypeAlias = FromAgent | StreamEnd
Sink: TypeAlias = Callable[[str, Item], None]


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


class Channel:
    """One agent, started by a command. Its lines arrive at `sink` from a thread of their own."""

    def __init__(self, node: str, words: list[str], sink: Sink) -> None:
        self.node = node
        self._sink = sink
        self._said: collections.deque[str] = collections.deque(maxlen=20)
        self._writing = threading.Lock()
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

    def send(self, message: ToAgent) -> None:
        """Hand one line to the agent. One that has gone is found out by its stream's end."""
        stdin = self._process.stdin
        with self._writing, contextlib.suppress(BrokenPipeError, ValueError):
            if stdin is not None:
                stdin.write(codec.line(message))
                stdin.flush()

    def close(self, patience_s: float = 2.0) -> None:
        """End the stream; an agent that does not leave by itself is told, then made, to."""
        with self._writing, contextlib.suppress(BrokenPipeError, OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        for end in (self._process.terminate, self._process.kill):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
                return
            end()
        self._process.wait()

    def _listen(self) -> None:
        stream = self._process.stderr
        if stream is not None:
            with stream:
                for line in stream:
                    self._said.append(line.decode(errors="replace").rstrip()[:500])

    def _read(self) -> None:
        """Decode lines until the stream ends; the sink's blocking is the stream's back-pressure."""
        garbage = self._lines()
        if self._process.stdout is not None:
            self._process.stdout.close()
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(0.5 if garbage is None else 0)
        self._stderr.join(0.5)
        self._sink(self.node, StreamEnd(code, "\n".join(self._said), garbage))

    def _lines(self) -> str | None:
        """Hand over every message; the text of the first line that is none, if one came."""
        stream = self._process.stdout
        greeted = False
        noise = 0
        while stream is not None and (line := stream.readline(LONGEST_LINE)):
            try:
                message = codec.from_agent(line)
            except codec.DECODE_ERRORS as error:
                text = line[:200].decode(errors="replace").rstrip()
                noise += 1
                if greeted or noise > NOISE:
                    return f"{text} ({error})"
                self._said.append(text)
                continue
            greeted = greeted or isinstance(message, Hello)
            self._sink(self.node, message)
        return None


def sudo_hint(said: str) -> str:
    """What to try next, from what a failed command said."""
    if "permission denied" in said.lower() or "not permitted" in said.lower():
        return "run flantrace as root, or put sudo into the template: --node-exec 'ssh {node} sudo'"
    if "not found" in said.lower() or "no such file" in said.lower():
        return "is flantrace installed on the node? --agent CMD says how it is called there"
    return "try the template's command by hand"


def is_root() -> bool:
    """May this process enter namespaces and load BPF programs, as far as its user goes."""
    return os.geteuid() == 0
