"""All agents of one recording: who is ready, who has left, and everything they said so far."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

from tracer import __version__
from tracer.bundle.limits import MOST_OBSERVATIONS
from tracer.collect.transport import Channel, Item, StreamEnd, Way
from tracer.errors import FlantraceError
from tracer.model.bundle import AgentEnd, AgentReport, Trouble
from tracer.model.health import Health
from tracer.model.message import (
    PROTOCOL,
    Beat,
    Bye,
    Examine,
    Hello,
    Problem,
    Ready,
    Sent,
    Start,
    Stop,
    ToAgent,
)
from tracer.model.observation import Observation
from tracer.model.state import NodeState

BEAT_S = 1.0
SILENCE_S = 8.0
"""An agent that says nothing for so long (its heartbeat is 1 s) has stopped answering."""

ENOUGH = 50_000
"""Observations that explain whatever there is to explain: six thousand packets on eight hops."""

BACKLOG = 100_000
"""Lines waiting to be taken; beyond it the pipes fill, and the rings count what they lose."""


AT_ONCE = 1000
"""Lines taken between two looks at the clock: agents need our heartbeats in a flood, too."""


CLOSING_S = 3.0
"""How long all agents together may take to be made to leave."""


class Session:
    """Starts the agents, listens to all of them at once, and keeps what they say."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self._queue: queue.Queue[tuple[str, Item]] = queue.Queue(BACKLOG)
        self._channels: dict[str, Channel] = {}
        self._heard: dict[str, float] = {}
        self._beaten = 0.0
        self._over = False
        self._greeted: set[str] = set()
        self._dismissed: set[str] = set()
        self.ready: dict[str, Ready] = {}
        self.nodes: dict[str, NodeState] = {}
        self.byes: dict[str, Bye] = {}
        self.healths: dict[str, tuple[Health, int]] = {}
        """With the time by our own clock (ns since 1970) at which each came."""
        self.gone: set[str] = set()
        self.observations: list[Observation] = []
        self._beyond: Counter[str] = Counter()
        self.sent: list[Sent] = []
        self.troubles: list[Trouble] = []

    def start(self, starts: Mapping[str, Start | Examine]) -> None:
        """Start all agents at once. One that cannot be started is a trouble, not an end."""
        for node, start in starts.items():
            try:
                channel = self.way.open(node, self._sink)
            except FlantraceError as error:
                self.trouble(node, error.what, error.hint)
                self.gone.add(node)
                continue
            self._channels[node] = channel
            self._heard[node] = time.monotonic()
            channel.send(start)

    def trouble(self, node: str | None, what: str, hint: str) -> None:
        """Note something that could not be collected."""
        trouble = Trouble(node=node, what=what, hint=hint)
        if trouble not in self.troubles:
            self.troubles.append(trouble)

    def send(self, node: str, message: ToAgent) -> None:
        """Hand a line to one agent, if it still listens."""
        channel = self._channels.get(node)
        if channel is not None:
            if isinstance(message, Stop):
                self._dismissed.add(node)
            channel.send(message)

    def listen(self, until: Callable[[], bool], deadline: float) -> bool:
        """Take what the agents say until the condition holds (True) or time is up (False)."""
        while not until():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            try:
                node, item = self._queue.get(timeout=min(left, BEAT_S / 2))
                self._take(node, item)
                for _ in range(AT_ONCE):
                    self._take(*self._queue.get_nowait())
            except queue.Empty:
                pass
            self._keep_alive()
        return True

    @property
    def full(self) -> bool:
        """More observations would explain nothing more, and have to be stored and read."""
        return len(self.observations) >= ENOUGH

    def listening(self) -> set[str]:
        """Nodes whose agent still answers."""
        return set(self._channels) - self.gone

    def stop(self, patience_s: float) -> None:
        """Tell all agents to detach, take what they still have, and see them off.

        One that has not begun has nothing, and is not waited for.
        """
        try:
            for node in self.listening():
                self.send(node, Stop())
            deadline = time.monotonic() + patience_s
            self.listen(lambda: not self.listening() & self._greeted, deadline)
            for node in self.listening():
                if node in self._greeted:
                    what = f"the agent on {node} did not end in time"
                    self.trouble(node, what, "its records are partial")
                elif not any(one.node == node for one in self.troubles):
                    self.trouble(node, f"the agent on {node} had not begun yet", "")
        finally:
            self._over = True
            until = time.monotonic() + CLOSING_S
            for thread in [self._release(channel) for channel in self._channels.values()]:
                thread.join(max(0.0, until - time.monotonic()))
            for left in self.way.close():
                self.trouble(left.node, left.what, left.hint)

    def release(self, node: str) -> None:
        """Let go of an agent that is gone, in the background: one that hangs holds up nobody."""
        if node in self._channels:
            self._release(self._channels[node])

    def _release(self, channel: Channel) -> threading.Thread:
        thread = threading.Thread(target=channel.close, args=(0.5,), daemon=True)
        thread.start()
        return thread

    def reports(self) -> dict[str, AgentReport]:
        """What is known of every agent that was to run."""
        return {node: self._report(node) for node in sorted({*self._channels, *self.gone})}

    def _report(self, node: str) -> AgentReport:
        ready, bye = self.ready.get(node), self.byes.get(node)
        return AgentReport(
            node=node,
            end=AgentEnd.BYE if bye is not None else AgentEnd.SILENT,
            points=ready.points if ready else (),
            attach=ready.attach if ready else None,
            drops=ready.drops if ready else False,
            reasons=ready.reasons if ready else False,
            lost=bye.lost + self._beyond[node] if bye and bye.lost is not None else None,
            counters=bye.links if bye else {},
        )

    def _sink(self, node: str, item: Item) -> None:
        """From a channel's thread: its waiting here is the stream's back-pressure."""
        while not self._over:
            with contextlib.suppress(queue.Full):
                self._queue.put((node, item), timeout=BEAT_S)
                return

    def _take(self, node: str, item: Item) -> None:
        self._heard[node] = time.monotonic()
        match item:
            case Observation() if len(self.observations) < MOST_OBSERVATIONS:
                self.observations.append(item)
            case Observation():
                self._beyond[node] += 1
            case NodeState():
                self.nodes[node] = item
            case Sent():
                self.sent.append(item)
            case Ready():
                self.ready[node] = item
            case Bye() if node in self._dismissed:
                self.byes[node] = item
            case Bye():
                self._left_early(node)
            case Health():
                self.healths[node] = (item, time.time_ns())
                self._dismissed.add(node)  # its last word, which it need not be told
            case Problem():
                self.trouble(node, item.what, item.hint)
            case Hello():
                self._greeted.add(node)
                self._greet(node, item)
            case StreamEnd():
                self._end(node, item)

    def _greet(self, node: str, hello: Hello) -> None:
        if hello.protocol != PROTOCOL:
            self.trouble(
                node,
                f"the agent on {node} speaks protocol {hello.protocol} (flantrace {hello.version}),"
                f" this is protocol {PROTOCOL} (flantrace {__version__})",
                f"install flantrace {__version__} on {node}, or pass --agent",
            )

    def _left_early(self, node: str) -> None:
        """It has detached, and what passed since then was not seen."""
        if not any(one.node == node for one in self.troubles):
            what = f"the agent on {node} left before it was told to"
            self.trouble(node, what, "somebody ended it, or its pod; trace again")
        self.gone.add(node)

    def _end(self, node: str, end: StreamEnd) -> None:
        if node in self.gone:
            return  # given up before, for a reason that was said
        self.gone.add(node)
        if node in self.byes:
            return
        said = end.said.strip().splitlines()
        last = end.why or (said[-1] if said else "")
        tail = f": {last}" if last else ""
        if end.refused is not None:
            self.trouble(node, end.refused.what, end.refused.hint)
        elif end.garbage is not None:
            what = f"the agent on {node} said something that is not understood: {end.garbage}"
            self.trouble(node, what, end.hint)
        elif node in self.ready:
            what = f"the agent on {node} stopped answering{tail}"
            self.trouble(node, what, end.hint)
        else:
            what = f"no agent could be started on {node}{tail}"
            self.trouble(node, what, end.hint)

    def _keep_alive(self) -> None:
        """Our sign of life to all; an agent without one is given up."""
        now = time.monotonic()
        if now - self._beaten >= BEAT_S:
            self._beaten = now
            for node in self.listening():
                self.send(node, Beat())
        for node in self.listening() & set(self.ready):
            if now - self._heard[node] > SILENCE_S:
                self.gone.add(node)
                self.trouble(
                    node,
                    f"the agent on {node} stopped answering: nothing for {SILENCE_S:.0f} s",
                    "is the node up, and the way to it?",
                )
