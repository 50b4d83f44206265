"""A node without kubelet and containerd: namespaces, a Node object, and flanneld started by hand.

It starts in a second, with any flag, and everything it left goes with it. The other nodes' flanneld
take it for one of theirs.
"""

import contextlib
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from cluster.build import programs
from cluster.daemons import BOOKED, HIERARCHIES, alive, cgroup_of, end, start, until
from cluster.node_objects import NodeObjects
from cluster.nodes import plain, plug
from cluster.paths import KUBECONFIG, state
from cluster.setup import GATEWAY, Cluster
from cluster.shell import Failed

PREFIX = "flannel.alpha.coreos.com"
NET_CONF: Mapping[str, object] = {"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}
_READY = "flannel is ready"


class Spare:
    """One such node, and its flanneld while one runs."""

    def __init__(
        self,
        cluster: Cluster,
        nodes: NodeObjects,
        node: str,
        address: str,
        prefix: str = PREFIX,
    ) -> None:
        self.cluster = cluster
        self.nodes = nodes
        self.node = node
        self.address = address
        self.prefix = prefix
        """Of its annotations: with one of its own, the cluster's other nodes pass it over."""
        self.pid: int | None = None
        self._begin = 0
        self.place = plain(node)
        for hierarchy in BOOKED:
            folder = HIERARCHIES / hierarchy / cgroup_of(self.place)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "cgroup.procs").write_text(str(self.place.pid))
        plug(cluster.places["underlay"], self.place, f"{address}/24")
        self.place.run("ip", "route", "add", "default", "via", GATEWAY)
        self.place.run("mount", "-t", "tmpfs", "tmpfs", "/run")

    def register(self, *pod_cidrs: str, annotations: Mapping[str, str] | None = None) -> None:
        """Create its Node. Without a label of its system no DaemonSet wants a pod there."""
        self.nodes.create(self.node, pod_cidrs, annotations or {})

    def unregister(self) -> None:
        """Delete its Node."""
        self.nodes.delete(self.node)

    def start(self, *flags: str, net_conf: Mapping[str, object] = NET_CONF) -> None:
        """Start flanneld and wait until it says that it is ready. Failed: with its last words."""
        self.launch(*flags, net_conf=net_conf)
        until("flanneld", lambda: _READY in self.log() or not self.runs(), 40, pause_s=0.05)
        if not self.runs():
            raise Failed(self.log()[-2000:])

    def last_words(self, *flags: str, net_conf: Mapping[str, object] = NET_CONF) -> str:
        """Start a flanneld that gives up, and what it logged."""
        self.launch(*flags, net_conf=net_conf)
        try:
            until("flanneld gives up", lambda: not self.runs(), 60, pause_s=0.05)
        finally:
            self.stop()
        return self.log()

    def launch(self, *flags: str, net_conf: Mapping[str, object] = NET_CONF) -> None:
        """Start flanneld."""
        self._begin = self._log.stat().st_size if self._log.exists() else 0
        self.place.write("/run/net-conf.json", json.dumps(net_conf))
        words: list[str | Path] = [
            programs() / "flanneld",
            "--kube-subnet-mgr",
            "--ip-masq",
            f"--kubeconfig-file={state() / KUBECONFIG}",
            "--net-config-path=/run/net-conf.json",
            f"--kube-annotation-prefix={self.prefix}",
            *flags,
        ]
        environ = {"NODE_NAME": self.node}
        self.pid = start(self.place, "flanneld", words, environ=environ)

    def stop(self, patience_s: float = 5) -> None:
        """End flanneld, asked as the kubelet asks."""
        if self.pid is not None:
            end(self.pid, patience_s)
            self.pid = None

    def restart(self, *flags: str, net_conf: Mapping[str, object] = NET_CONF) -> None:
        """End it and start it again."""
        self.stop()
        self.start(*flags, net_conf=net_conf)

    def runs(self) -> bool:
        """Whether flanneld runs."""
        return self.pid is not None and alive(self.pid)

    def log(self) -> str:
        """What flanneld logged since its last start."""
        return self._log.read_bytes()[self._begin :].decode()

    def sh(self, script: str) -> str:
        """The stdout of a shell's line on this node. Failed."""
        return self.place.run("sh", "-c", script)

    def annotations(self) -> dict[str, str]:
        """flannel's annotations of its Node, by the words after the prefix."""
        found = self.nodes.get(self.node)["metadata"].get("annotations", {})
        return {
            key.removeprefix(self.prefix).lstrip("/-"): value
            for key, value in found.items()
            if key.startswith(self.prefix)
        }

    def annotate(self, *words: str) -> None:
        """kubectl annotate, with the prefix before every word: KEY=VALUE, or KEY-."""
        self.nodes.annotate(self.node, self.prefix, *words)

    def remove(self) -> None:
        """End flanneld, delete the Node, and leave nothing."""
        self.stop(patience_s=0.5)
        self.nodes.forget(self.node)
        with contextlib.suppress(Failed):
            self.cluster.places["underlay"].run("ip", "link", "del", f"p-{self.node}")
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.place.pid, signal.SIGKILL)

    @property
    def _log(self) -> Path:
        return state() / "logs" / f"{self.node}-flanneld.log"
