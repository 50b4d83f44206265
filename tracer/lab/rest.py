"""The lab's own way to its API: plain REST by the standard library."""

import http.client
import json
import os
import urllib.parse
from typing import Any

from tracer.errors import CollectFailed
from tracer.lab.paths import KUBECONFIG

Object = dict[str, Any]
COLLECTIONS = {
    "Node": "/api/v1/nodes",
    "Namespace": "/api/v1/namespaces",
    "Pod": "/api/v1/namespaces/{}/pods",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "Service": "/api/v1/namespaces/{}/services",
    "Endpoints": "/api/v1/namespaces/{}/endpoints",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
}
"""Kind -> path of its collection; the gap is the namespace."""
EVERYWHERE = {kind: path.replace("/namespaces/{}", "") for kind, path in COLLECTIONS.items()}
"""Kind -> path of the list over all namespaces."""


def write_kubeconfig(port: int) -> None:
    """Write the kubeconfig, readable by root only."""
    conf = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "flantrace-lab", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "lab", "user": {}}],
        "contexts": [
            {
                "name": "flantrace-lab",
                "context": {"cluster": "flantrace-lab", "user": "lab", "namespace": "default"},
            }
        ],
        "current-context": "flantrace-lab",
    }
    # JSON is YAML too, and the standard library writes it.
    descriptor = os.open(KUBECONFIG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(json.dumps(conf, indent=2) + "\n")


class Api:
    """One connection to the lab's API server."""

    def __init__(self) -> None:
        with open(KUBECONFIG) as stream:
            self.server = str(json.load(stream)["clusters"][0]["cluster"]["server"])
        where = urllib.parse.urlsplit(self.server)
        self._connection = http.client.HTTPConnection(where.netloc, timeout=20)

    def request(
        self, method: str, path: str, body: Object | None = None, kind: str = "application/json"
    ) -> Any:
        """One request; the answer's JSON. Raises CollectFailed with the server's message."""
        try:
            data = None if body is None else json.dumps(body).encode()
            self._connection.request(method, path, data, {"Content-Type": kind})
            answer = self._connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise CollectFailed(
                f"the lab's API server does not answer: {error!r}",
                where=self.server,
                hint="flantrace lab down, then flantrace lab up",
            ) from error
        if answer.status >= 400:
            try:
                said = json.loads(text)["message"]
            except (ValueError, KeyError):
                said = text.decode(errors="replace")[:200]
            raise CollectFailed(
                said,
                where=f"{method} {self.server}{path}",
                hint="flantrace lab down, then flantrace lab up",
            )
        return json.loads(text)

    def create(self, each: Object) -> None:
        """POST an object, status included (a real API server would take that apart)."""
        self.request("POST", _collection(each), each)

    def every(self, kind: str) -> list[Object]:
        """All objects of a kind."""
        return list(self.request("GET", EVERYWHERE[kind])["items"])

    def one(self, kind: str, name: str, namespace: str = "") -> Object:
        """One object."""
        found: Object = self.request("GET", f"{COLLECTIONS[kind].format(namespace)}/{name}")
        return found

    def patch(
        self, kind: str, name: str, change: Object, *, namespace: str = "", part: str = ""
    ) -> None:
        """Merge a change into an object; `part` is `/status` for its status."""
        path = f"{COLLECTIONS[kind].format(namespace)}/{name}{part}"
        self.request("PATCH", path, change, "application/merge-patch+json")

    def delete(self, each: Object) -> None:
        """DELETE an object."""
        self.request("DELETE", f"{_collection(each)}/{each['metadata']['name']}")

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def _collection(each: Object) -> str:
    return COLLECTIONS[each["kind"]].format(each["metadata"].get("namespace", ""))


def difference(now: Any, wanted: Any) -> Any:
    """The merge patch (RFC 7386) that turns one into the other."""
    if not isinstance(now, dict) or not isinstance(wanted, dict):
        return wanted
    change = {key: None for key in now if key not in wanted}
    for key, value in wanted.items():
        if key not in now:
            change[key] = value
        elif now[key] != value:
            change[key] = difference(now[key], value)
    return change
