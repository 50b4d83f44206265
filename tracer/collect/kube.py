"""The Kubernetes API: nodes, pods, Services, flannel's configuration.

How it is spoken to is in kube_client.py and kube_lean.py; what is asked together is in
kube_questions.py, what is written in kube_write.py.

Answers are taken as raw JSON and checked against the few fields that we use, so that neither the
client library's version nor a field that it does not know stands between us and the cluster.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterator
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from tracer.collect import kube_objects as objects
from tracer.collect import kube_services as services
from tracer.collect.kube_errors import Expired, garbled, refused, unanswered
from tracer.core.credentials import without_credentials
from tracer.errors import CollectFailed, NotFound, UsageError
from tracer.model.cluster import FlannelPod, NetConf, Node, Pod
from tracer.model.decoding import decoder
from tracer.model.packet import Ip

Answer = TypeVar("Answer")
Item = TypeVar("Item")

CONFIG_MAPS = (
    ("kube-flannel", "kube-flannel-cfg"),
    ("kube-system", "kube-flannel-cfg"),
    ("kube-system", "canal-config"),
)
"""Where the manifests of flannel, of old kubeadm guides and of canal put net-conf.json."""

PAGE = 500
"""Objects that are asked for at once, as kubectl does."""

MOST_PAGES = 2000
"""A million objects: no cluster has so many pods."""

NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
"""An RFC 1123 subdomain: what the API server accepts as a pod's or a node's name."""


class Transport(Protocol):
    """How requests get to an API server, and as whom."""

    @property
    def server(self) -> str:
        """Its URL."""

    def sent(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: dict[str, Any] | None,
        timeout_s: float | tuple[float, float],
    ) -> Any:
        """One request. The answer of urllib3, its body unread, and the caller's to close.

        `timeout_s`: in all, or for the connection and for each piece of the answer. What urllib3
        raises, and CollectFailed.
        """

    def websocket(self, path: str, protocol: str) -> Any:
        """A WebSocket to that path, connected; whatever the client raises if it cannot be."""


class Api:
    """One API server, by a kubeconfig, a context of it, or the pod's own service account."""

    def __init__(
        self,
        kubeconfig: str | None,
        context: str | None,
        timeout_s: float,
        *,
        lean: bool = False,
    ) -> None:
        """CollectFailed: there is no configuration, or it cannot be read.

        `lean`: without the official client in this process, for a watch (collect/kube_lean.py).
        """
        from tracer.collect.kube_client import Client
        from tracer.collect.kube_lean import Lean

        self._transport: Transport = (Lean if lean else Client)(kubeconfig, context)
        self._timeout_s = timeout_s

    @property
    def server(self) -> str:
        """Its URL."""
        return self._transport.server

    def pod(self, namespace: str, name: str) -> Pod:
        """One Pod object. NotFound names the pod and its namespace."""
        return self.pod_object(namespace, name).pod()

    def pod_object(self, namespace: str, name: str) -> objects.PodObject:
        """The same with its state. NotFound."""
        path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(name)}"
        return self._read(path, objects.PodObject, f"pod {namespace}/{name}")

    def pods(self) -> list[objects.PodObject]:
        """Every Pod object of the cluster."""
        return self._all("/api/v1/pods", objects.PodObject, "pods")

    def pods_at(self, ip: Ip) -> tuple[Pod, ...]:
        """The pods whose first address it is: one, or a node's hostNetwork pods, or ended ones."""
        path = f"/api/v1/pods?fieldSelector=status.podIP%3D{quote(ip)}"
        found = self._all(path, objects.PodObject, "pods")
        return tuple(one.pod() for one in found)

    def nodes(self) -> tuple[Node, ...]:
        """All Node objects, with flannel's annotations."""
        found = self._all("/api/v1/nodes", objects.NodeObject, "nodes")
        return tuple(one.node() for one in found)

    def flannel_pods(self) -> tuple[FlannelPod, ...]:
        """The pods that run flanneld: label app=flannel, in whatever namespace (k3s has none)."""
        path = "/api/v1/pods?labelSelector=app%3Dflannel"
        found = self._all(path, objects.PodObject, "pods of flannel")
        return tuple(one.flannel_pod() for one in found)

    def service(self, namespace: str, name: str) -> services.ServiceObject:
        """One Service object. NotFound names it."""
        path = f"/api/v1/namespaces/{quote(namespace)}/services/{quote(name)}"
        return self._read(path, services.ServiceObject, f"service {namespace}/{name}")

    def service_at(self, ip: Ip) -> services.ServiceObject | None:
        """The Service whose cluster address it is; None: no Service's."""
        found = self._all("/api/v1/services", services.ServiceObject, "services")
        return next((one for one in found if ip in one.addresses), None)

    def endpoints(self, namespace: str, name: str) -> tuple[services.Endpoint, ...]:
        """What is ready behind a Service. By its Endpoints where the API has no EndpointSlices."""
        what, space = f"endpoints of service {namespace}/{name}", quote(namespace)
        slices = (
            f"/apis/discovery.k8s.io/v1/namespaces/{space}/endpointslices"
            f"?labelSelector=kubernetes.io%2Fservice-name%3D{quote(name)}"
        )
        path = f"/api/v1/namespaces/{space}/endpoints/{quote(name)}"
        found: list[services.EndpointSliceObject | services.EndpointsObject] = []
        try:
            found += self._all(slices, services.EndpointSliceObject, what)
        except NotFound:
            with contextlib.suppress(NotFound):
                found.append(self._read(path, services.EndpointsObject, what))
        unique = dict.fromkeys(one for each in found for one in each.ready())
        return tuple(one for one in unique if _is_ip(one.ip))

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
                text = without_credentials(found.data["net-conf.json"])
                return NetConf(text=text, source=source)
        return None

    def pods_with(self, labels: str, namespace: str) -> list[objects.PodObject]:
        """The pods of a namespace that have those labels (`KEY=VALUE,...`)."""
        path = f"/api/v1/namespaces/{quote(namespace)}/pods?labelSelector={quote(labels, safe='')}"
        return self._all(path, objects.PodObject, f"pods of namespace {namespace}")

    @contextlib.contextmanager
    def streamed(self, path: str, what: str, patience_s: float) -> Iterator[Iterator[bytes]]:
        """The body of an answer as it comes. CollectFailed, also where it breaks off or is silent.

        `patience_s`: how long nothing may come. Expired, NotPermitted: the answer is a refusal.
        """
        from urllib3.exceptions import HTTPError

        wanted, timeout_s = {"Accept": "application/json"}, (self._timeout_s, patience_s)
        try:
            answer = self._transport.sent("GET", path, wanted, None, timeout_s)
            if answer.status != 200:
                raise refused(int(answer.status), what, f"{self.server}{path}")
            try:
                yield answer.stream(decode_content=False)
            finally:
                answer.close()
        except (HTTPError, OSError) as error:
            raise unanswered(self.server, error) from None

    def websocket(self, path: str, protocol: str) -> Any:
        """A WebSocket to that path, connected; whatever the client raises if it cannot be."""
        return self._transport.websocket(path, protocol)

    def _all(self, path: str, kind: type[Item], what: str) -> list[Item]:
        """Every object of a list, page by page. An expired list is asked for again, as a whole."""
        return self.listed(path, kind, what)[0]

    def listed(self, path: str, kind: type[Item], what: str) -> tuple[list[Item], str]:
        """The same, and the version from which on it can be followed."""
        found: list[Item] = []
        joint, following = "&" if "?" in path else "?", ""
        for _ in range(MOST_PAGES):
            page = f"{path}{joint}limit={PAGE}{following}"
            try:
                answer = self._read(page, objects.List[kind], what)  # type: ignore[valid-type]
            except Expired:
                answer = self._read(path, objects.List[kind], what)  # type: ignore[valid-type]
                return answer.items, answer.metadata.resource_version
            found += answer.items
            if not answer.metadata.next:
                return found, answer.metadata.resource_version
            following = f"&continue={quote(answer.metadata.next, safe='')}"
        raise CollectFailed(
            f"the API server's list of {what} has no end",
            where=f"{self.server}{path}",
            hint="is this the address of a Kubernetes API server?",
        )

    def _read(self, path: str, kind: type[Answer], what: str) -> Answer:
        """GET one path and check it against the fields that we use."""
        try:
            return decoder(kind).decode(self._body(path, what))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise garbled(error, what, f"{self.server}{path}") from None

    def _body(self, path: str, what: str) -> bytes:
        status, body = self.call("GET", path)
        if status != 200:
            raise refused(status, what, f"{self.server}{path}")
        return body

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> tuple[int, bytes]:
        """One request: the answer's status and body. CollectFailed: the server does not answer."""
        from urllib3.exceptions import HTTPError

        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            answer = self._transport.sent(method, path, headers, body, self._timeout_s)
            return int(answer.status), bytes(answer.data)
        except (HTTPError, OSError) as error:
            raise unanswered(self.server, error) from None


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


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
