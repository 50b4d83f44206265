"""The operator's side of one check: ask the API for everything, read every node, gather.

No packet is sent and nothing is attached: an agent says its node's state and leaves.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from tracer import __version__
from tracer.collect.kube_questions import everything
from tracer.core.leases import leases
from tracer.core.promised import with_promised
from tracer.errors import CollectFailed
from tracer.model.bundle import FORMAT, Bundle
from tracer.model.message import PROTOCOL, Start, Stop
from tracer.model.packet import Ip
from tracer.model.record import Record
from tracer.model.request import CheckRequest
from tracer.recording.many import AT_ONCE, FAREWELL_S, chosen, now
from tracer.recording.reach import REMOVING, Reach
from tracer.recording.session import Session

MANY = 32
"""Leases from which on the agents compare: what is as promised does not travel."""


class Survey(Record, frozen=True, kw_only=True):
    """What the command line asked for."""

    nodes: tuple[str, ...] = ()
    """None: all."""
    agents: bool = True
    """False: only what the API shows."""
    reach: Reach


class Surveyor:
    """One check under way. `bundle()` is legal at any time: a partial result is a result."""

    def __init__(self, order: Survey, progress: Callable[[str], None]) -> None:
        """NotFound: a node does not exist. CollectFailed: no node is known."""
        progress("reading nodes, pods and leases")
        self._order = order
        self._created_at = now()
        api = order.reach.api()
        self._cluster, self._not_read = everything(api)
        self._nodes = self._to_read(api.server)
        self._leases = leases(self._cluster)
        self._progress = progress
        self._session = Session(order.reach.way(api))
        self._patience_s = order.reach.timeout_s + self._session.way.patience_s
        self._until: dict[str, float] = {}
        """Node -> when its agent is given up."""
        self._told: set[str] = set()

    def run(self) -> None:
        """Read all nodes, so many at a time; one that does not answer in time is a trouble."""
        session, waiting = self._session, deque(self._nodes if self._order.agents else ())
        try:
            while waiting or session.listening():
                while waiting and len(session.listening()) < AT_ONCE:
                    self._start(waiting.popleft())
                self._await_one()
                self._see_off()
        finally:
            if self._order.reach.ephemeral:
                self._progress(REMOVING)
            session.stop(FAREWELL_S)

    def bundle(self) -> Bundle:
        """Everything recorded so far."""
        session, order = self._session, self._order
        nodes = {node: session.nodes[node] for node in self._nodes if node in session.nodes}
        return Bundle(
            format=FORMAT,
            tool_version=__version__,
            created_at=self._created_at,
            check=CheckRequest(nodes=order.nodes, agents=order.agents),
            cluster=self._cluster,
            nodes={node: with_promised(state, self._leases) for node, state in nodes.items()},
            agents=session.reports(),
            troubles=(*self._not_read, *session.troubles),
        )

    def _to_read(self, server: str) -> tuple[str, ...]:
        """The named nodes, or all. Names count as they are where the API does not list nodes."""
        nodes = chosen(self._cluster.nodes, self._order.nodes)
        if not self._cluster.nodes and not (nodes and self._order.agents):
            why = next((one for one in self._not_read), None)
            raise CollectFailed(
                why.what if why is not None else "the cluster has no nodes",
                where=server,
                hint=why.hint if why is not None else "kubectl get nodes",
            )
        return nodes

    def _start(self, node: str) -> None:
        self._until[node] = time.monotonic() + self._patience_s
        start = Start(
            protocol=PROTOCOL,
            version=__version__,
            node=node,
            pair=None,
            pods=self._pods(node),
            leases=self._leases if len(self._leases) >= MANY else (),
        )
        self._session.start({node: start})

    def _pods(self, node: str) -> tuple[Ip, ...]:
        """The addresses of the pods that should be found there, each in a namespace of its own."""
        return tuple(
            ip
            for pod in self._cluster.pods
            if pod.node == node
            and not pod.host_network
            and pod.phase not in ("Succeeded", "Failed")
            for ip in pod.ips
        )

    def _await_one(self) -> None:
        """Until an agent is ready or gone, or the patience with one is at its end."""
        session = self._session
        begun = len(session.ready) + len(session.gone)
        said = len(session.gone | set(session.ready))
        self._progress(f"reading {said} of {len(self._nodes)} nodes")
        session.listen(
            lambda: len(session.ready) + len(session.gone) > begun,
            min((self._until[node] for node in session.listening()), default=0.0),
        )

    def _see_off(self) -> None:
        """Agents that have said everything may go; those whose time is up must."""
        session, now = self._session, time.monotonic()
        for node in (session.listening() & set(session.ready)) - self._told:
            session.send(node, Stop())
            self._told.add(node)
            self._until[node] = now + FAREWELL_S
        for node in session.listening():
            if self._until[node] <= now:
                if node not in self._told:
                    session.trouble(
                        node,
                        f"the agent on {node} was not ready in {self._patience_s:g} s",
                        "give it more time: --timeout SECONDS",
                    )
                session.gone.add(node)
        for node in session.gone & set(self._until):
            session.release(node)
            del self._until[node]
