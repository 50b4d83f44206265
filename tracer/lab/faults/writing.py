"""What people and controllers write to the API when a fault comes about."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tracer.lab.rest import Api

FLANNEL = "kube-flannel"


def now() -> str:
    """The cluster's clock."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251 - the cluster's clock


def annotate(node: str, notes: Mapping[str, str | None]) -> None:
    """Set annotations of a Node, as flanneld does: through its status."""
    patch_node(node, {"metadata": {"annotations": dict(notes)}}, part="/status")


def patch_node(node: str, change: Mapping[str, Any], *, part: str = "") -> None:
    """Merge a change into a Node."""
    api = Api()
    api.patch("Node", node, dict(change), part=part)
    api.close()


def change_config(backend: Mapping[str, Any]) -> None:
    """Edit the Backend of net-conf.json in flannel's ConfigMap. No flanneld reads it by itself."""
    _write_config(lambda found: found.update(backend))


def remove_from_config(key: str) -> None:
    """Take one key of the Backend out of net-conf.json."""
    _write_config(lambda backend: backend.pop(key))


def _write_config(change: Callable[[dict[str, Any]], object]) -> None:
    api = Api()
    found = api.one("ConfigMap", "kube-flannel-cfg", FLANNEL)
    conf = json.loads(found["data"]["net-conf.json"])
    change(conf["Backend"])
    text = {"data": {"net-conf.json": json.dumps(conf, indent=2) + "\n"}}
    api.patch("ConfigMap", "kube-flannel-cfg", text, namespace=FLANNEL)
    api.close()


def change_flannel_args(change: Callable[[list[str]], list[str]]) -> None:
    """Edit the arguments of flanneld in its DaemonSet, and in the pods that it then replaced."""
    api = Api()
    found = api.one("DaemonSet", "kube-flannel-ds", FLANNEL)
    containers = _changed(found["spec"]["template"]["spec"]["containers"], change)
    template = {"template": {"spec": {"containers": containers}}}
    api.patch("DaemonSet", "kube-flannel-ds", {"spec": template}, namespace=FLANNEL)
    for pod in api.every("Pod"):
        if pod["metadata"].get("labels", {}).get("app") == "flannel":
            spec = {"containers": _changed(pod["spec"]["containers"], change)}
            api.patch("Pod", pod["metadata"]["name"], {"spec": spec}, namespace=FLANNEL)
    api.close()


def _changed(
    containers: list[dict[str, Any]], change: Callable[[list[str]], list[str]]
) -> list[dict[str, Any]]:
    return [{**each, "args": change(each["args"])} for each in containers]


def restarted_flannel(node: str) -> None:
    """What the kubelet reports when flanneld's container was started again on a node."""
    _started_again(node, {"state": {"running": {"startedAt": now()}}})


def crashing_flannel(node: str) -> None:
    """What the kubelet reports when flanneld exits again and again on a node."""
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    _started_again(node, {"ready": False, "state": waiting})


def _started_again(node: str, change_of_state: Mapping[str, Any]) -> None:
    api = Api()
    for pod in api.every("Pod"):
        labels = pod["metadata"].get("labels", {})
        if labels.get("app") != "flannel" or pod["spec"].get("nodeName") != node:
            continue
        states = pod["status"]["containerStatuses"]
        for state in states:
            state["restartCount"] += 1
            state.update(change_of_state)
        change = {"status": {"containerStatuses": states}}
        name = pod["metadata"]["name"]
        api.patch("Pod", name, change, namespace=FLANNEL, part="/status")
    api.close()
