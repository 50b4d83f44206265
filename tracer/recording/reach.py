"""What was said about how to get to the API server and to the nodes, and what follows from it."""

from __future__ import annotations

import secrets
import shlex
from typing import TYPE_CHECKING

from tracer.collect.command import CommandWay
from tracer.collect.kube import Api
from tracer.collect.transport import Way
from tracer.errors import UsageError
from tracer.install.settings import DEFAULT_IMAGE, NAMESPACE, Settings
from tracer.model.record import Record

if TYPE_CHECKING:
    from tracer.collect.kube_ways import Inside


MARGIN_S = 240.0
"""How much longer than planned a pod for one recording may live, whatever becomes of us."""


REMOVING = "removing the pods of this run"


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
    ephemeral: bool = False
    """Make pods on the nodes concerned, and remove them."""
    image: str | None = None
    """Theirs; None: that of the release."""
    pull_policy: str | None = None
    """Of that image."""

    def api(self, *, lean: bool = False) -> Api:
        """The API server. CollectFailed: there is no way to it. `lean`: as of Api."""
        return Api(self.kubeconfig, self.context, self.timeout_s, lean=lean)

    def way(self, api: Api, lasts_s: float = 0.0, *, sends: bool = True) -> Way:
        """The way to the nodes. UsageError: it cannot be meant.

        `lasts_s`: how long the recording takes besides what all take. `sends` False: no agent
        enters a pod.
        """
        self._check()
        if self.node_exec is not None:
            return CommandWay(self.node_exec, self.agent)
        from tracer.collect.kube_ways import InstalledWay
        from tracer.install.manifests import AGENT_SELECTOR

        if self.ephemeral:
            return self._ephemeral(api, lasts_s, sends=sends)
        return InstalledWay(api, self._inside(), AGENT_SELECTOR)

    def _check(self) -> None:
        """UsageError: words that contradict each other."""
        if self.ephemeral and self.node_exec is not None:
            raise _usage("--ephemeral and --node-exec are two ways", "leave one of them out")
        if not self.ephemeral and (self.image or self.pull_policy):
            raise _usage("an image is for pods that are to be made", "add --ephemeral")
        if self.ephemeral and not (self.image or DEFAULT_IMAGE):
            raise _usage("--ephemeral needs an image", "--ephemeral --image REF")

    def _ephemeral(self, api: Api, lasts_s: float, *, sends: bool) -> Way:
        from tracer.collect.kube_ephemeral import START_S, EphemeralWay
        from tracer.install.distribution import paths_of
        from tracer.install.manifests import RUN_LABEL, ephemeral_pod

        settings = Settings(
            image=self.image or DEFAULT_IMAGE or "",
            namespace=self.flantrace_namespace,
            pull_policy=self.pull_policy,
            passive_only=not sends,
            paths=paths_of(api),
        )
        run = secrets.token_hex(8)
        deadline_s = round(MARGIN_S + START_S + self.timeout_s + lasts_s)
        return EphemeralWay(
            api,
            self._inside(),
            lambda node: ephemeral_pod(settings, node, run, deadline_s),
            RUN_LABEL,
            run,
        )

    def _inside(self) -> Inside:
        from tracer.collect.kube_ways import Inside
        from tracer.install.manifests import CONTAINER

        try:
            words = shlex.split(self.agent or "flantrace")
        except ValueError as error:
            raise _usage(f"--agent cannot be read: {error}", "check its quotes") from None
        return Inside(
            namespace=self.flantrace_namespace, container=CONTAINER, agent=(*words, "agent")
        )


def _usage(what: str, hint: str) -> UsageError:
    return UsageError(what, where="the command line", hint=hint)
