"""The lab's API server in this process: no root, no lab. Refuses what a test says, as RBAC does."""

import asyncio
import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
from starlette.types import Receive, Scope, Send

from tracer.collect.kube import Api
from tracer.install.manifests import AGENT_LABELS
from tracer.lab.apiserver.app import application
from tracer.lab.apiserver.resources import Object, find
from tracer.lab.apiserver.reviews import May, everything
from tracer.lab.apiserver.store import Change, Store

CONTROLLER = "kube-controller-manager"


class Asked(NamedTuple):
    """One request."""

    method: str
    url: str
    websocket: bool


class Tls(NamedTuple):
    """Of a server: paths of PEM files."""

    certificate: Path
    key: Path
    clients: Path
    """The CA of the certificates that clients must have."""


class Server:
    """An API server, what it was asked, and what it does not give."""

    def __init__(self, folder: Path, tls: Tls | None = None) -> None:
        self.store = Store()
        self.asked: list[str] = []
        self.requests: list[Asked] = []
        self.answers: dict[str, int] = {}
        """Part of a path and query -> the code that it is refused with."""
        self.refusals: dict[tuple[str, str], tuple[int, str]] = {}
        """(method, part of a path) -> code and message."""
        self.changes: asyncio.Queue[Change] = asyncio.Queue()
        """What was written, where a test follows it."""
        self.agent: Callable[[str], list[str]] = lambda node: ["echo", node]
        """What stands for the word `flantrace` in a pod of that node."""
        self.may: May = everything
        """What access reviews answer."""
        self.token: str | None = None
        """Without it requests are answered 401."""
        self._inner = application(self.store, self._enter, lambda asked: self.may(asked))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.kubeconfig = str(folder / "kubeconfig")
        self._tls = tls
        self.write_kubeconfig()
        config = uvicorn.Config(self, ws="wsproto", lifespan="off", log_level="error")
        if tls is not None:
            config.ssl_certfile, config.ssl_keyfile = tls.certificate, str(tls.key)
            config.ssl_ca_certs, config.ssl_cert_reqs = str(tls.clients), ssl.CERT_REQUIRED
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._listening],))

    @property
    def port(self) -> int:
        """Of 127.0.0.1."""
        return int(self._listening.getsockname()[1])

    def write_kubeconfig(self, user: Object | None = None, **cluster: Any) -> None:
        """Who asks, and what is known of the server besides its address."""
        scheme = "http" if self._tls is None else "https"
        there = {"server": f"{scheme}://127.0.0.1:{self.port}", **cluster}
        conf = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": there}],
            "users": [{"name": "u", "user": user or {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        Path(self.kubeconfig).write_text(json.dumps(conf))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = f"{scope['path']}?{scope['query_string'].decode()}"
        self.asked.append(path)
        self.requests.append(Asked(scope.get("method", "GET"), path, scope["type"] == "websocket"))
        given = dict(scope["headers"]).get(b"authorization", b"").decode()
        if self.token is not None and given != f"Bearer {self.token}":
            await _refuse(scope, send, 401, "Unauthorized")
            return
        for part, code in self.answers.items():
            if part in path:
                await _refuse(scope, send, code, "the test says no")
                return
        for (method, part), refusal in self.refusals.items():
            if scope.get("method") == method and part in path:
                await _refuse(scope, send, *refusal)
                return
        await self._inner(scope, receive, send)

    def _enter(self, pod: Object, command: Sequence[str]) -> list[str]:
        own = command[0] == "flantrace"
        return [*(self.agent(pod["spec"]["nodeName"]) if own else command[:1]), *command[1:]]

    @property
    def api(self) -> Api:
        return Api(self.kubeconfig, None, 5.0)

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(5)
        self._listening.close()

    def add(self, plural: str, name: str, namespace: str = "", **parts: Any) -> None:
        """An object; `labels` and `annotations` go into its metadata."""
        group = "discovery.k8s.io" if plural == "endpointslices" else ""
        resource = find(group, "v1", plural)
        assert resource is not None
        meta: Object = {"name": name}
        for key in ("labels", "annotations"):
            if key in parts:
                meta[key] = parts.pop(key)
        if namespace:
            meta["namespace"] = namespace
        self.store.create(resource, {"metadata": meta, **parts})

    def remove(self, plural: str, name: str, namespace: str = "") -> None:
        """What `add` made."""
        resource = find("", "v1", plural)
        assert resource is not None
        self.store.delete(resource, (namespace, name))

    def node(self, name: str, number: int, **spec: Any) -> None:
        """A Node as flannel left it."""
        self.add(
            "nodes",
            name,
            annotations={
                "flannel.alpha.coreos.com/backend-type": "vxlan",
                "flannel.alpha.coreos.com/public-ip": f"192.0.2.{number}",
                "acme.example/owner": "jdoe",
            },
            spec={"podCIDR": f"10.244.{number}.0/24", **spec},
            status={"addresses": [{"type": "InternalIP", "address": f"192.0.2.{number}"}]},
        )

    def pod(
        self, name: str, node: str | None, *ips: str, phase: str = "Running", **parts: Any
    ) -> None:
        """A Pod of namespace shop."""
        spec: Object = {"containers": [{"name": "c"}], **parts.pop("spec", {})}
        if node is not None:
            spec["nodeName"] = node
        status: Object = {"phase": phase}
        if ips:
            status |= {"podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]}
        self.add("pods", name, parts.pop("namespace", "shop"), spec=spec, status=status, **parts)

    def agent_pod(self, node: str, name: str = "", **status: Any) -> None:
        """A pod of an installed flantrace: it runs, or it is as `status` says."""
        running = {"phase": "Running", "containerStatuses": [
            {"name": "agent", "state": {"running": {}}},
        ]}  # fmt: skip
        self.add(
            "pods",
            name or f"flantrace-agent-{node}",
            "flantrace",
            labels=AGENT_LABELS,
            spec={"nodeName": node, "hostNetwork": True, "containers": [{"name": "agent"}]},
            status=status or running,
        )

    def service(self, name: str, *cluster_ips: str, **spec: Any) -> None:
        """A Service of namespace shop."""
        ips = cluster_ips or ("None",)
        spec = {"clusterIP": ips[0], "clusterIPs": list(ips), **spec}
        self.add("services", name, "shop", spec=spec)

    def slice(self, service: str, *endpoints: Object, number: int = 1) -> None:
        """An EndpointSlice of a Service."""
        self.add(
            "endpointslices",
            f"{service}-{number}",
            "shop",
            labels={"kubernetes.io/service-name": service},
            addressType="IPv4",
            endpoints=list(endpoints),
        )


async def _refuse(scope: Scope, send: Send, code: int, said: str) -> None:
    prefix = "websocket." if scope["type"] == "websocket" else ""
    body = json.dumps({"kind": "Status", "message": said, "code": code}).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": f"{prefix}http.response.start", "status": code, "headers": headers})
    await send({"type": f"{prefix}http.response.body", "body": body})


def endpoint(pod: str, node: str, ip: str, *, ready: bool | None = None) -> Object:
    """One endpoint of a slice, as the endpoint controller writes it."""
    target = {"kind": "Pod", "namespace": "shop", "name": pod}
    conditions = {} if ready is None else {"ready": ready}
    return {"addresses": [ip], "nodeName": node, "targetRef": target, "conditions": conditions}


def fake_agent(folder: Path) -> list[str]:
    """The words that start tests/fake_agent.py, to which a node's name is added."""
    root = Path(__file__).parents[1]
    return ["env", f"PYTHONPATH={root}", sys.executable, "-m", "tests.fake_agent", str(folder)]


@contextmanager
def serving_agents(folder: Path) -> Iterator[Server]:
    """The same, with a fake agent in every pod of ours."""
    with serving(folder) as made:
        made.agent = lambda node: [*fake_agent(folder), node]
        yield made


@contextmanager
def serving(folder: Path, tls: Tls | None = None) -> Iterator[Server]:
    """A server that runs, with three nodes."""
    server = Server(folder, tls)
    for number, name in enumerate(("node-a", "node-b", "node-c"), 1):
        server.node(name, number)
    server.start()
    try:
        yield server
    finally:
        server.stop()
