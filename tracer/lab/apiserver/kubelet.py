"""What stands in for the scheduler's and the kubelet's part of a Pod: one that is bound runs."""

import copy
import secrets

from tracer.lab.apiserver.failures import ApiFailure
from tracer.lab.apiserver.resources import Object, find
from tracer.lab.apiserver.store import Store, timestamp

ABSENT = "absent"
"""A word in an image's name: no node can pull it."""

LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Of generated names (apimachinery, util/rand)."""


def named(each: Object) -> Object:
    """The object with a name of its own where it asked for one."""
    meta = each["metadata"]
    if meta.get("name") or not isinstance(meta.get("generateName"), str):
        return each
    ending = "".join(secrets.choice(LETTERS) for _ in range(5))
    return {**each, "metadata": {**meta, "name": meta["generateName"] + ending}}


def started(store: Store, pod: Object) -> Object:
    """The Pod with the status that a kubelet would give it; one that has a status keeps it."""
    nodes = find("", "v1", "nodes")
    assert nodes is not None
    spec = pod.get("spec") or {}
    if pod.get("status") or not spec.get("nodeName"):
        return pod
    try:
        node = store.one(nodes, ("", spec["nodeName"]))
    except ApiFailure:
        return {**copy.deepcopy(pod), "status": {"phase": "Pending"}}
    containers = spec.get("containers") or []
    states = [_state(one) for one in containers]
    running = all("running" in state for state in states)
    told = [
        {"name": one.get("name"), "image": one.get("image", ""), "ready": running, "state": state}
        for one, state in zip(containers, states, strict=True)
    ]
    status: Object = {
        "phase": "Running" if running else "Pending",
        "startTime": timestamp(),
        "conditions": [{"type": "Ready", "status": str(running)}],
        "containerStatuses": told,
    }
    addresses = node.get("status", {}).get("addresses", ())
    ips = [one["address"] for one in addresses if one["type"] == "InternalIP"]
    if ips:
        status["hostIP"] = ips[0]
        if spec.get("hostNetwork"):
            status |= {"podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]}
    return {**copy.deepcopy(pod), "status": status}


def _state(container: Object) -> Object:
    image = str(container.get("image", ""))
    if ABSENT not in image:
        return {"running": {"startedAt": timestamp()}}
    message = f'failed to pull and unpack image "{image}": failed to resolve reference: not found'
    return {"waiting": {"reason": "ErrImagePull", "message": message}}
