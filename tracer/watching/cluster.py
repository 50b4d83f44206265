"""What the API says, followed for days: Nodes, flannel's pods and ConfigMap, the nodes' pods."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from tracer.collect import kube_objects as objects
from tracer.collect.kube import CONFIG_MAPS, Api
from tracer.collect.kube_follow import Change, Followed
from tracer.core.credentials import without_credentials
from tracer.errors import CollectFailed, FlantraceError
from tracer.model.cluster import FlannelPod, NetConf, Node, Pod


class Told(NamedTuple):
    """One change of the API: `before` and `now` are a Node, FlannelPod, Pod or NetConf."""

    what: str
    """NODES, FLANNEL, PODS or CONF."""
    change: Change


NODES, FLANNEL, PODS, CONF = "nodes", "flannel", "pods", "conf"

FIRST_S = 30.0
"""How long the first answer may take."""


class Following:
    """Each list in a thread of its own, which hands its changes to `sink`."""

    def __init__(self, api: Api, nodes: Sequence[str], sink: Callable[[Told], None]) -> None:
        """`nodes`: those whose pods are wanted."""
        self._api = api
        self._sink = sink
        self.nodes: Followed[objects.NodeObject, Node] = Followed(
            api, "/api/v1/nodes", objects.NodeObject, objects.NodeObject.node, _name, "nodes",
            self._to(NODES),
        )  # fmt: skip
        self._others: list[Followed[Any, Any]] = [
            Followed(
                api, "/api/v1/pods?labelSelector=app%3Dflannel", objects.PodObject,
                objects.PodObject.flannel_pod, _full_name, "pods of flannel", self._to(FLANNEL),
            )
        ]  # fmt: skip
        self._others += [self._pods(node) for node in nodes]
        self._others += [self._conf(*one) for one in _places(api)]

    def wait(self, patience_s: float = FIRST_S) -> None:
        """Until everything was read once. CollectFailed: the nodes could not be."""
        if not self.nodes.wait(patience_s):
            trouble = self.nodes.trouble
            raise CollectFailed(
                trouble.what if trouble is not None else "the API server does not answer",
                where=trouble.where if trouble is not None else self._api.server,
                hint=trouble.hint if trouble is not None else "kubectl get nodes",
            )
        for one in self._others:
            one.wait(patience_s)

    @property
    def heard_ns(self) -> int:
        """When the API server last said anything of the nodes, by CLOCK_MONOTONIC; 0: never."""
        return self.nodes.heard_ns

    def troubles(self) -> list[FlantraceError]:
        """What is not followed at the moment beside the nodes, and why."""
        return [one.trouble for one in self._others if one.trouble is not None]

    def close(self) -> None:
        """Hand over nothing more."""
        for one in (self.nodes, *self._others):
            one.close()

    def _to(self, what: str) -> Callable[[Change], None]:
        return lambda change: self._sink(Told(what, change))

    def _pods(self, node: str) -> Followed[objects.PodObject, Pod]:
        path = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{quote(node)}"
        return Followed(
            self._api, path, objects.PodObject, objects.PodObject.pod, _full_name,
            f"pods of {node}", self._to(PODS),
        )  # fmt: skip

    def _conf(self, namespace: str, name: str) -> Followed[objects.ConfigMapObject, NetConf]:
        source = f"ConfigMap {namespace}/{name}"
        path = f"/api/v1/namespaces/{namespace}/configmaps?fieldSelector=metadata.name%3D{name}"

        def kept(found: objects.ConfigMapObject) -> NetConf:
            text = without_credentials(found.data.get("net-conf.json", ""))
            return NetConf(text=text, source=source)

        return Followed(
            self._api, path, objects.ConfigMapObject, kept, lambda conf: conf.source, source,
            self._to(CONF),
        )  # fmt: skip


def _places(api: Api) -> list[tuple[str, str]]:
    """Where flannel's ConfigMap is; where there is none yet, where it would be."""
    try:
        found = api.net_conf()
    except FlantraceError:
        found = None
    there = [one for one in CONFIG_MAPS if found and found.source == f"ConfigMap {'/'.join(one)}"]
    return there or [CONFIG_MAPS[0]]


def _name(node: Node) -> str:
    return node.name


def _full_name(pod: Pod | FlannelPod) -> str:
    return f"{pod.namespace}/{pod.name}"
