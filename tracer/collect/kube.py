"""The Kubernetes API, read only: nodes, pods, flannel's configuration. Home of `kubernetes`.

Answers are taken as raw JSON and checked against the few fields that we use, so that neither the
client library's version nor a field that it does not know stands between us and the cluster.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from tracer.collect import kube_objects as objects
from tracer.errors import CollectFailed, NotFound, NotPermitted, UsageError
from tracer.model.cluster import ClusterState, FlannelPod, NetConf, Node, Pod

Answer = TypeVar("Answer")

CONFIG_MAPS = (
    ("kube-flannel", "kube-flannel-cfg"),
    ("kube-system", "kube-flannel-cfg"),
    ("kube-system", "canal-config"),
)
"""Where the manifests of flannel, of old kubeadm guides and of canal put net-conf.json."""

NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
"""An RFC 1123 subdomain: what the API server accepts as a pod's or a node's name."""


class Api:
    """One API server, by a kubeconfig, a context of it, or the pod's own service account."""

    def __init__(self, kubeconfig: str | None, context: str | None, timeout_s: float) -> None:
        from kubernetes import client, config
        from kubernetes.config import ConfigException

        configuration = client.Configuration()
        try:
            _load(config, configuration, kubeconfig, context)
        except ConfigException as error:
            raise _no_config(kubeconfig, context, str(error)) from None
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise _no_config(kubeconfig, context, f"it cannot be read: {error}") from None
        except Exception as error:  # the YAML parser's own family, which the client lets through
            if type(error).__module__.split(".")[0] != "yaml":
                raise
            raise _no_config(kubeconfig, context, "it is not YAML") from None
        configuration.retries = False
        self.server = str(configuration.host)
        self._client = client.ApiClient(configuration)
        self._timeout_s = timeout_s

    def pod(self, namespace: str, name: str) -> Pod:
        """One Pod object. NotFound names the pod and its namespace."""
        path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(name)}"
        return self._read(path, objects.PodObject, f"pod {namespace}/{name}").pod()

    def nodes(self) -> tuple[Node, ...]:
        """All Node objects, with flannel's annotations."""
        found = self._read("/api/v1/nodes", objects.List[objects.NodeObject], "nodes")
        return tuple(item.node() for item in found.items)

    def flannel_pods(self) -> tuple[FlannelPod, ...]:
        """The pods that run flanneld: label app=flannel, in whatever namespace (k3s has none)."""
        path = "/api/v1/pods?labelSelector=app%3Dflannel"
        found = self._read(path, objects.List[objects.PodObject], "pods of flannel")
        return tuple(item.flannel_pod() for item in found.items)

    def net_conf(self) -> NetConf | None:
        """flannel's net-conf.json out of its ConfigMap; None where there is none (k3s)."""
        for namespace, name in CONFIG_MAPS:
            path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
            try:
                found = self._read(path, objects.ConfigMapObject, f"configmap {namespace}/{name}")
            except NotFound:
                continue
            if "net-conf.json" in found.data:
                source = f"ConfigMap {namespace}/{name}"
                return NetConf(text=found.data["net-conf.json"], source=source)
        return None

    def cluster(self, wanted: tuple[tuple[str, str], ...]) -> ClusterState:
        """Everything that a trace needs, asked for at once. `wanted`: (namespace, name) of pods."""
        with ThreadPoolExecutor(4) as pool:
            pods = [pool.submit(self.pod, namespace, name) for namespace, name in wanted]
            nodes = pool.submit(self.nodes)
            flannel = pool.submit(self.flannel_pods)
            net_conf = pool.submit(self.net_conf)
            return ClusterState(
                captured_at=datetime.now(UTC).isoformat(timespec="milliseconds"),  # noqa: TID251
                pods=tuple(pod.result() for pod in pods),
                nodes=nodes.result(),
                flannel_pods=_allowed(flannel.result, ()),
                net_conf=_allowed(net_conf.result, None),
                server=self.server,
            )

    def _read(self, path: str, kind: type[Answer], what: str) -> Answer:
        """GET one path and check it against the fields that we use."""
        try:
            return msgspec.json.decode(self._body(path, what), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CollectFailed(
                f"the API server's answer on {what} cannot be understood: {error}",
                where=f"{self.server}{path}",
                hint="is this the address of a Kubernetes API server?",
            ) from None

    def _body(self, path: str, what: str) -> bytes:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        accept = {"Accept": "application/json"}
        try:
            request = self._client.param_serialize(
                "GET", path, header_params=accept, auth_settings=["BearerToken"]
            )
            answer: Any = self._client.call_api(*request, _request_timeout=self._timeout_s)
            body = bytes(answer.read())
        except (ApiException, HTTPError, OSError) as error:
            raise CollectFailed(
                f"the API server does not answer: {type(error).__name__}",
                where=self.server,
                hint="is the cluster up and the kubeconfig the right one? (kubectl get nodes)",
            ) from None
        if answer.status != 200:
            raise _refused(int(answer.status), what, f"{self.server}{path}")
        return body


def _load(config: Any, configuration: Any, kubeconfig: str | None, context: str | None) -> None:
    """As kubectl looks: the option, $KUBECONFIG, ~/.kube/config; in a pod, its service account."""
    try:
        config.load_kube_config(kubeconfig, context, configuration, persist_config=False)
    except config.ConfigException:
        if kubeconfig or context:
            raise
        config.load_incluster_config(configuration)


def _allowed(answer: Any, otherwise: Any) -> Any:
    """What may be read, or the substitute where RBAC forbids it: half a result is a result."""
    try:
        return answer()
    except NotPermitted:
        return otherwise


def _no_config(kubeconfig: str | None, context: str | None, why: str) -> CollectFailed:
    return CollectFailed(
        f"cannot load a kubeconfig: {why}",
        where=kubeconfig or "$KUBECONFIG, ~/.kube/config, in-cluster service account",
        hint="pass --kubeconfig FILE"
        + (f"; is there a context {context!r}?" if context else "")
        + " (or --lab for the lab's cluster)",
    )


def _refused(status: int, what: str, where: str) -> Exception:
    """The API server's answer in our own family of errors."""
    if status == 404:
        return NotFound(
            f"{what} does not exist", where=where, hint="kubectl get pods -A shows what does"
        )
    if status in (401, 403):
        return NotPermitted(
            f"the API server does not let us read {what}",
            where=where,
            hint="flantrace needs get and list of pods, nodes and flannel's configmap",
        )
    return CollectFailed(
        f"the API server answered {status} on {what}", where=where, hint="try again; see its log"
    )


def pod_name(text: str, default_namespace: str) -> tuple[str, str]:
    """`[NAMESPACE/]NAME` -> (namespace, name). UsageError for what no API server would accept."""
    namespace, slash, name = text.rpartition("/")
    if not slash:
        namespace = default_namespace
    for part, kind in ((namespace, "namespace"), (name, "pod")):
        if not NAME.fullmatch(part):
            raise UsageError(
                f"{text!r} cannot be a pod: {part!r} is no name of a {kind}",
                where="the command line",
                hint="pods are [NAMESPACE/]NAME, nodes are node/NAME",
            )
    return namespace, name
