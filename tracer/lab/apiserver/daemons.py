"""What stands in for the controllers of DaemonSets and of namespaces.

A DaemonSet that came with a status has its pods from whoever made it, and is left alone.
"""

import copy
import hashlib
import json

from tracer.lab.apiserver import kubelet
from tracer.lab.apiserver.resources import NAMESPACES, RESOURCES, Object, Resource, find
from tracer.lab.apiserver.store import Store, key_of

REVISION = "controller-revision-hash"


def _resource(group: str, plural: str) -> Resource:
    found = find(group, "v1", plural)
    assert found is not None
    return found


DAEMON_SETS = _resource("apps", "daemonsets")
PODS, NODES = _resource("", "pods"), _resource("", "nodes")


def follow(store: Store, resource: Resource, written: Object) -> Object:
    """Roll a DaemonSet out that was just written. The object as it is then."""
    ours = "status" not in written or "revision" in written["status"]
    if resource != DAEMON_SETS or not ours:
        return written
    revision = _revision(written)
    if written.get("status", {}).get("revision") == revision:
        return written
    owned = _pods(store, written)
    for pod in owned:
        store.delete(PODS, key_of(pod))
    nodes = [node["metadata"]["name"] for node in store.every(NODES)]
    made = [store.create(PODS, _pod(store, written, node, revision)) for node in nodes]
    ready = sum(pod["status"]["phase"] == "Running" for pod in made)
    generation = written.get("status", {}).get("observedGeneration", 0) + 1
    scheduled = {f"{each}NumberScheduled": len(made) for each in ("desired", "current", "updated")}
    status = {
        **scheduled,
        "numberReady": ready,
        "numberAvailable": ready,
        "numberMisscheduled": 0,
        "observedGeneration": generation,
        "revision": revision,
    }
    meta = {**written["metadata"], "generation": generation}
    return store.update(
        DAEMON_SETS, key_of(written), {**written, "metadata": meta, "status": status}, None
    )


def clear(store: Store, resource: Resource, gone: Object) -> None:
    """Remove what belonged to an object that is gone."""
    if resource == DAEMON_SETS:
        for pod in _pods(store, gone):
            store.delete(PODS, key_of(pod))
    if resource == NAMESPACES:
        for each in RESOURCES:
            for one in store.every(each):
                if one["metadata"].get("namespace") == gone["metadata"]["name"]:
                    store.delete(each, key_of(one))


def _pods(store: Store, owner: Object) -> list[Object]:
    uid = owner["metadata"]["uid"]
    return [
        pod
        for pod in store.every(PODS)
        if any(ref.get("uid") == uid for ref in pod["metadata"].get("ownerReferences") or ())
    ]


def _pod(store: Store, owner: Object, node: str, revision: str) -> Object:
    template, meta = owner["spec"]["template"], owner["metadata"]
    reference = {
        "apiVersion": DAEMON_SETS.api_version, "kind": DAEMON_SETS.kind, "name": meta["name"],
        "uid": meta["uid"], "controller": True,
    }  # fmt: skip
    pod: Object = {
        "kind": PODS.kind,
        "apiVersion": PODS.api_version,
        "metadata": {
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "labels": {**template["metadata"].get("labels", {}), REVISION: revision},
            "ownerReferences": [reference],
        },
        "spec": {**copy.deepcopy(template["spec"]), "nodeName": node},
    }
    return kubelet.started(store, kubelet.named(pod))


def _revision(daemon_set: Object) -> str:
    text = json.dumps(daemon_set["spec"]["template"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
