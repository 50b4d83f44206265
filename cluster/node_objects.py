"""Node objects, by the API itself: starting kubectl for each would take most of a test's time."""

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.build import programs
from cluster.daemons import end, start, until
from cluster.nodes import Place
from cluster.paths import KUBECONFIG, state
from cluster.shell import Failed

_NODES = "/api/v1/nodes"
_MERGE = "application/merge-patch+json"


class NodeObjects:
    """Speaks through a `kubectl proxy` at the operator's place, until it is closed."""

    def __init__(self, operator: Place) -> None:
        self._socket = state() / "api.sock"
        words: list[str | Path] = [
            programs() / "kubectl",
            f"--kubeconfig={state() / KUBECONFIG}",
            "proxy",
            f"--unix-socket={self._socket}",
        ]
        self._pid = start(operator, "kubectl-proxy", words)
        until("kubectl proxy", self._socket.is_socket, 10, pause_s=0.02)

    def close(self) -> None:
        """End the proxy."""
        end(self._pid)
        self._socket.unlink(missing_ok=True)

    def get(self, node: str) -> dict[str, Any]:
        """The Node. Failed: there is none."""
        return self._ask("GET", f"{_NODES}/{node}")

    def create(self, node: str, pod_cidrs: tuple[str, ...], annotations: Mapping[str, str]) -> None:
        """A Node that only a test looks after; without pod CIDRs the cluster gives it one.

        Without a label that names its system no DaemonSet wants a pod there.
        """
        spec = {"podCIDR": pod_cidrs[0], "podCIDRs": list(pod_cidrs)} if pod_cidrs else {}
        metadata = {"name": node, "annotations": dict(annotations)}
        node_object = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec}
        self._ask("POST", _NODES, node_object)

    def annotate(self, node: str, prefix: str, *words: str) -> None:
        """As kubectl annotate does, with the prefix before every word: KEY=VALUE, or KEY-."""
        values: dict[str, str | None] = {}
        for word in words:
            key, equals, value = word.partition("=")
            values[f"{prefix}/{key if equals else key.removesuffix('-')}"] = (
                value if equals else None
            )
        self._ask("PATCH", f"{_NODES}/{node}", {"metadata": {"annotations": values}})

    def delete(self, node: str) -> None:
        """Delete the Node. Failed: there is none."""
        self._ask("DELETE", f"{_NODES}/{node}")

    def forget(self, *nodes: str) -> None:
        """Delete those that are there."""
        for node in nodes:
            try:
                self.delete(node)
            except Failed as error:
                if "404" not in str(error):
                    raise

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        connection = _Connection(self._socket)
        kind = _MERGE if method == "PATCH" else "application/json"
        text = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, text, {"Content-Type": kind})
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise Failed(f"{method} {path}: {answer.status}: {said.decode()[:500]}")
        found: dict[str, Any] = json.loads(said)
        return found


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket of this machine."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(30)
        self.sock.connect(str(self._path))
