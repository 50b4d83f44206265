"""The watches on the nodes: started, told what to hold, and started anew when they end."""

import contextlib
import queue
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tracer.collect.transport import Channel, Item, Sink, StreamEnd, Way
from tracer.errors import FlantraceError
from tracer.model.bundle import Trouble
from tracer.model.message import Beat, Hello, Hold, Stop
from tracer.model.observation import Observation

BEAT_S = 1.0
SILENCE_S = 15.0
"""An agent that says nothing for so long hangs: it counts each second. (To compile takes some.)"""

PAUSED_S = 3.0
"""After so long a pause of our own (stopped, starved, a diagnosis) silence is not the agents'."""

PAUSES_S = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Before it is started anew, the last one again and again."""

LASTED_S = 60.0
"""After so long a time of work a new failure counts as the first."""

RESTART_S = 3.0

BACKLOG = 50_000


class Heard(NamedTuple):
    """One thing that a node said."""

    node: str
    item: Item


class _Said(NamedTuple):
    agent: "_Agent"
    """Which one it was: what one says that was given up is of no interest."""
    heard: Heard


class _Agent:
    def __init__(self) -> None:
        self.channel: Channel | None = None
        self.failed = 0
        self.began = self.heard = 0.0
        self.start_at = 0.0


class Agents:
    """One for each watched node. For one thread; what they say comes in by a queue."""

    def __init__(
        self,
        way: Way,
        nodes: tuple[str, ...],
        first: Callable[[str], Hold],
        wake: Callable[[], None],
    ) -> None:
        """`first`: the whole of what a node is to hold. `wake`: there is something to take."""
        self._way = way
        self._first = first
        self._wake = wake
        self._agents = {node: _Agent() for node in nodes}
        self._queue: queue.Queue[_Said] = queue.Queue(BACKLOG)
        self._beaten = self._tended = 0.0
        self._ended_since: list[Trouble] = []
        self.silent: dict[str, Trouble] = {}
        """Nodes that are not watched at the moment, and why."""

    def tend(self) -> list[str]:
        """Start what is to be started, give up what hangs, show that we live. Those started."""
        now = time.monotonic()
        if now - self._tended > PAUSED_S:
            for agent in self._agents.values():
                agent.heard = now
        self._tended = now
        started = []
        for node, agent in self._agents.items():
            if agent.channel is None and now >= agent.start_at:
                self._start(node, agent, now)
                started.append(node)
            elif agent.channel is not None and now - agent.heard > SILENCE_S:
                self._ended(node, f"the agent on {node} stopped answering", "")
        if now - self._beaten >= BEAT_S:
            self._beaten = now
            for agent in self._agents.values():
                if agent.channel is not None:
                    agent.channel.send(Beat(monotonic_ns=time.monotonic_ns()))
        return started

    def tell(self, hold: Hold) -> None:
        """Hand it to its node's agent, if that is there; one that starts gets all of it anyway."""
        agent = self._agents[hold.node]
        if agent.channel is not None:
            agent.channel.send(hold)

    def restart(self) -> None:
        """End all; they are started anew at once."""
        for node, agent in self._agents.items():
            if agent.channel is not None:
                agent.channel.close(RESTART_S)
                agent.channel = None
            self._agents[node] = _Agent()

    def take(self) -> Iterator[Heard]:
        """What they have said since the last call; ends of streams are dealt with here."""
        while True:
            try:
                agent, heard = self._queue.get_nowait()
            except queue.Empty:
                return
            if agent is not self._agents[heard.node]:
                continue
            agent.heard = time.monotonic()
            if isinstance(heard.item, StreamEnd):
                self._stream_ended(heard.node, heard.item)
                continue
            if isinstance(heard.item, Hello):
                self.silent.pop(heard.node, None)
            yield heard

    def ended(self) -> list[Trouble]:
        """Which have ended since the last call, and why."""
        found, self._ended_since = self._ended_since, []
        return found

    def close(self, patience_s: float = 3.0) -> tuple[Trouble, ...]:
        """Tell all to detach and leave. What is left nevertheless, in words."""
        for agent in self._agents.values():
            if agent.channel is not None:
                agent.channel.send(Stop())
        for agent in self._agents.values():
            if agent.channel is not None:
                agent.channel.close(patience_s)
        return self._way.close()

    def _start(self, node: str, agent: _Agent, now: float) -> None:
        agent.began = agent.heard = now
        try:
            agent.channel = self._way.open(node, self._sink_of(agent))
        except FlantraceError as error:
            self._ended(node, error.what, error.hint)
            return
        agent.channel.send(self._first(node))

    def _sink_of(self, agent: _Agent) -> Sink:
        def sink(node: str, item: Item) -> None:
            self._queue.put(_Said(agent, Heard(node, item)))
            if not isinstance(item, Observation):  # samples come by the hundred, and are no news
                self._wake()

        return sink

    def _stream_ended(self, node: str, end: StreamEnd) -> None:
        if end.refused is not None:
            self._ended(node, end.refused.what, end.refused.hint)
            return
        why = end.garbage or _error(end.said) or end.why or f"exit code {end.exit_code}"
        self._ended(node, f"the agent on {node} ended: {why}", end.hint)

    def _ended(self, node: str, what: str, hint: str) -> None:
        agent = self._agents[node]
        now = time.monotonic()
        if agent.channel is not None:
            with contextlib.suppress(FlantraceError):
                agent.channel.close(0.5)
        self._agents[node] = again = _Agent()
        again.failed = 1 if now - agent.began > LASTED_S else agent.failed + 1
        again.start_at = now + PAUSES_S[min(again.failed, len(PAUSES_S)) - 1]
        self.silent[node] = trouble = Trouble(node=node, what=what, hint=hint)
        self._ended_since.append(trouble)


def _error(said: str) -> str:
    """Of what an agent wrote to stderr our own error's first line, or the last of something."""
    lines = said.strip().splitlines()
    ours = [line for line in lines if line.startswith("flantrace: ")]
    return ours[-1].removeprefix("flantrace: ") if ours else lines[-1] if lines else ""
