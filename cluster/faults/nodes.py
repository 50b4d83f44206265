"""Faults of a Node object that is registered again under what runs on the node."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster import workers
from cluster.daemons import end, pid_of, until
from cluster.faults.fault import Fault
from cluster.faults.intent import restart_flannel
from cluster.paths import state
from cluster.setup import NODES, Cluster
from cluster.shell import Failed

NODE = "node-b"
_LABELS = {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"}


def registered_anew(cluster: Cluster, *pod_cidrs: str) -> None:
    """node-b's Node is deleted, and comes back when its kubelet starts; until it is ready.

    pod_cidrs: what the Node is made with beforehand; none: Kubernetes gives it some.
    """
    end(pid_of(NODE, "kubelet"))
    cluster.kubectl("delete", "node", NODE, "--ignore-not-found")
    if pod_cidrs:
        spec = {"podCIDR": pod_cidrs[0], "podCIDRs": list(pod_cidrs)}
        made = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": _LABELS}}
        cluster.kubectl("create", "-f", "-", text=json.dumps({**made, "spec": spec}))
    start_kubelet(cluster)
    until("node-b is registered", lambda: is_ready(cluster), 30)


def start_kubelet(cluster: Cluster) -> None:
    """node-b's kubelet, as the cluster starts it."""
    workers.start_kubelet(cluster.places[NODE], NODES[NODE])


def is_ready(cluster: Cluster) -> bool:
    """Whether node-b is there, and its kubelet says that it is ready."""
    try:
        conditions = cluster.get("node", NODE)["status"].get("conditions", ())
    except Failed:
        return False
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


@contextmanager
def asleep(program: str) -> Iterator[None]:
    """A program of the control plane does nothing meanwhile."""
    pid = pid_of("control", program)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _kept() -> Path:
    return state() / "pod-cidr-of-node-b"


def _again(cluster: Cluster) -> None:
    """With the pod CIDR that it had, as some clouds give it."""
    registered_anew(cluster, cluster.get("node", NODE)["spec"]["podCIDR"])


def _starts_in_vain(cluster: Cluster, *pod_cidrs: str) -> None:
    """As after a reboot: neither flanneld nor its device is there, and flanneld has to start."""
    _kept().write_text(cluster.get("node", NODE)["spec"]["podCIDR"])
    registered_anew(cluster, *pod_cidrs)
    os.kill(_flanneld(cluster), signal.SIGKILL)
    cluster.places[NODE].run("ip", "link", "del", "flannel.1")
    until("flanneld tried", lambda: "flannel.1" in cluster.places[NODE].run("ip", "link"), 20)


def _outside(cluster: Cluster) -> None:
    _starts_in_vain(cluster, "10.99.2.0/24")


def _without(cluster: Cluster) -> None:
    os.kill(pid_of("control", "kube-controller-manager"), signal.SIGSTOP)
    _starts_in_vain(cluster)


def _back(cluster: Cluster) -> None:
    os.kill(pid_of("control", "kube-controller-manager"), signal.SIGCONT)
    registered_anew(cluster, _kept().read_text())
    restart_flannel(cluster, NODE)


def _flanneld(cluster: Cluster) -> int:
    """The pid of node-b's flanneld."""
    anchor = os.readlink(f"/proc/{cluster.places[NODE].pid}/ns/net")
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes()
            mine = os.readlink(process / "ns/net") == anchor
            if mine and words.startswith(b"/opt/bin/flanneld"):
                return int(process.name)
    raise AssertionError("no flanneld runs on node-b")


FAULTS = (
    Fault(name="node-registered-again", slug="annotations-missing", inject=_again),
    Fault(
        name="podcidr-outside-network-at-a-start",
        slug="podcidr-outside-network",
        inject=_outside,
        obey=False,
        heal=_back,
    ),
    Fault(
        name="podcidr-not-assigned",
        slug="podcidr-not-assigned",
        inject=_without,
        # a check gives a node that joined a minute to get one
        check=False,
        obey=False,
        heal=_back,
    ),
)
