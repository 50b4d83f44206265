"""What was said about how to get to the API server and to the nodes, and what follows from it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tracer.collect.command import CommandWay
from tracer.collect.kube import Api
from tracer.collect.transport import Way
from tracer.errors import UsageError
from tracer.install.settings import NAMESPACE
from tracer.model.record import Record

if TYPE_CHECKING:
    from tracer.collect.kube_ways import Inside


class Reach(Record, frozen=True, kw_only=True):
    """How to get to a cluster."""

    kubeconfig: str | None = None
    """None: as kubectl looks."""
    context: str | None = None
    timeout_s: float = 15.0
    """For the API server, and for an agent to be ready."""
    node_exec: str | None = None
    """A command template; None: exec into pods."""
    agent: str | None = None
    """How flantrace is called on the nodes."""
    flantrace_namespace: str = NAMESPACE
    """Of the pods."""

    def api(self) -> Api:
        """The API server. CollectFailed: there is no way to it."""
        return Api(self.kubeconfig, self.context, self.timeout_s)

    def way(self, api: Api) -> Way:
        """The way to the nodes. UsageError: it cannot be meant."""
        if self.node_exec is not None:
            return CommandWay(self.node_exec, self.agent)
        from tracer.collect.kube_ways import InstalledWay
        from tracer.install.manifests import AGENT_LABELS

        labels = ",".join(f"{key}={value}" for key, value in AGENT_LABELS.items())
        return InstalledWay(api, self._inside(), labels)

    def _inside(self) -> Inside:
        from tracer.collect.kube_ways import Inside
        from tracer.install.manifests import CONTAINER

        try:
            words = shlex.split(self.agent or "flantrace")
        except ValueError as error:
            raise UsageError(
                f"the agent's command cannot be read: {error}",
                where=f"--agent {self.agent!r}",
                hint="check its quotes",
            ) from None
        return Inside(
            namespace=self.flantrace_namespace, container=CONTAINER, agent=(*words, "agent")
        )
