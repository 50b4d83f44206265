"""What was said about how to get to the API server and to the nodes, and what follows from it."""

from tracer.collect.command import CommandWay
from tracer.collect.kube import Api
from tracer.collect.transport import Way
from tracer.model.record import Record


class Reach(Record, frozen=True, kw_only=True):
    """How to get to a cluster."""

    kubeconfig: str | None = None
    """None: as kubectl looks."""
    context: str | None = None
    timeout_s: float = 15.0
    """For the API server, and for an agent to be ready."""
    node_exec: str = ""
    """A command template."""
    agent: str | None = None
    """How flantrace is called on the nodes."""

    def api(self) -> Api:
        """The API server. CollectFailed: there is no way to it."""
        return Api(self.kubeconfig, self.context, self.timeout_s)

    def way(self) -> Way:
        """The way to the nodes."""
        return CommandWay(self.node_exec, self.agent)
