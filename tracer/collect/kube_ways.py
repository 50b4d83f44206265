"""The way to nodes by the Kubernetes API: exec into the pods of an installation."""

from __future__ import annotations

import threading
from urllib.parse import quote, urlencode

from tracer.collect import exec_status
from tracer.collect.kube import Api
from tracer.collect.kube_exec import ExecChannel
from tracer.collect.kube_objects import PodObject
from tracer.collect.kube_pods import is_running, why_not
from tracer.collect.kube_stream import ExecStream, Refused, opened
from tracer.collect.transport import Sink
from tracer.errors import NotFound
from tracer.model.bundle import Trouble
from tracer.model.record import Record


class Inside(Record, frozen=True, kw_only=True):
    """Where in a pod an agent is started, and how."""

    namespace: str
    container: str
    agent: tuple[str, ...]
    """The words that start it."""


def exec_into(api: Api, node: str, pod: str, inside: Inside) -> ExecStream:
    """Start an agent. NotFound: the pod is gone. NotPermitted, CollectFailed."""
    query = [("command", word) for word in inside.agent]
    query += [("container", inside.container)]
    query += [(stream, "true") for stream in ("stdin", "stdout", "stderr")]
    path = f"/api/v1/namespaces/{quote(inside.namespace)}/pods/{quote(pod)}/exec"
    try:
        return opened(api, f"{path}?{urlencode(query)}")
    except Refused as refused:
        name, where = f"{inside.namespace}/{pod}", f"{api.server}{path}"
        raise exec_status.refusal(refused.status, refused.body, name, node, where) from None


class InstalledWay:
    """Exec into the pods of the DaemonSet."""

    patience_s = 0.0

    def __init__(self, api: Api, inside: Inside, labels: str) -> None:
        """`labels`: those of the DaemonSet's pods, as a selector."""
        self.where = f"pods {labels} in namespace {inside.namespace}, by {api.server}"
        self._api = api
        self._inside = inside
        self._labels = labels
        self._pods: list[PodObject] | None = None
        self._looking = threading.Lock()

    def open(self, node: str, sink: Sink) -> ExecChannel:
        """Start the agent on a node, in that node's pod."""
        hint = f"kubectl -n {self._inside.namespace} get pods -o wide; kubectl get node {node}"
        return ExecChannel(node, lambda _leaving: self._connected(node), sink, hint)

    def close(self) -> tuple[Trouble, ...]:
        """The pods stay: they were there before."""
        return ()

    def _connected(self, node: str) -> ExecStream:
        try:
            return self._exec(node, anew=False)
        except NotFound:
            # Perhaps a rollout has replaced the pod since we looked.
            return self._exec(node, anew=True)

    def _exec(self, node: str, *, anew: bool) -> ExecStream:
        pod = self._pod_on(node, self._found(anew=anew))
        return exec_into(self._api, node, pod, self._inside)

    def _found(self, *, anew: bool) -> list[PodObject]:
        """The pods, asked for once for all nodes."""
        with self._looking:
            if self._pods is None or anew:
                self._pods = self._api.pods_with(self._labels, self._inside.namespace)
            return self._pods

    def _pod_on(self, node: str, found: list[PodObject]) -> str:
        """The name of the pod that runs there. NotFound: none does."""
        namespace = self._inside.namespace
        there = [pod for pod in found if pod.spec.node_name == node]
        for pod in there:
            if is_running(pod, self._inside.container):
                return pod.metadata.name
        if not there:
            raise NotFound(
                f"flantrace is not installed on {node}",
                where=self.where,
                hint="flantrace install --image REF; for once, without: --ephemeral --image REF;"
                " by another way: --node-exec 'ssh {node} sudo'",
            )
        raise NotFound(
            f"flantrace's pod on {node} does not run: {why_not(there[-1], self._inside.container)}",
            where=self.where,
            hint=f"kubectl -n {namespace} describe pod {there[-1].metadata.name}",
        )
