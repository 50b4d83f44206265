"""Create, replace, patch, delete."""

import copy
import json
from typing import Any

from tracer.lab.apiserver import daemons, kubelet
from tracer.lab.apiserver.applying import applied
from tracer.lab.apiserver.failures import ApiFailure, bad_request, invalid, unsupported_media
from tracer.lab.apiserver.patches import PatchRefused, json_patch, merge_patch, strategic_merge
from tracer.lab.apiserver.resources import NAMESPACES, Object
from tracer.lab.apiserver.store import Store
from tracer.lab.apiserver.target import Target
from tracer.lab.apiserver.validation import check_change, check_shape

APPLY = "application/apply-patch+yaml"
"""JSON is YAML, and what clients send; other YAML is not read."""

PATCHES = {
    "application/json-patch+json": json_patch,
    "application/merge-patch+json": merge_patch,
    "application/strategic-merge-patch+json": strategic_merge,
}


def read_json(body: bytes) -> Any:
    """The body as JSON. Raises ApiFailure 400."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise bad_request(f"the body is no JSON: {error}") from None


def create(store: Store, target: Target, body: bytes, *, dry: bool) -> Object:
    """POST to a collection."""
    each = read_json(body)
    if isinstance(each, dict) and isinstance(each.get("metadata"), dict):
        each = {**each, "metadata": dict(each["metadata"])}
        given = each["metadata"].setdefault("namespace", target.namespace)
        if not target.resource.namespaced:
            del each["metadata"]["namespace"]
        elif given != target.namespace:
            raise bad_request("the namespace of the object does not match that of the request")
        each = kubelet.named(each)
    each = check_shape(target.resource, each)
    if target.namespace:
        store.one(NAMESPACES, ("", target.namespace))
    if target.resource.plural == "pods":
        each = kubelet.started(store, each)
    return (
        each if dry else daemons.follow(store, target.resource, store.create(target.resource, each))
    )


def apply(store: Store, target: Target, body: bytes, manager: str, *, dry: bool) -> Object:
    """Server-side apply: an object that is not there is made."""
    new = check_shape(target.resource, read_json(body))
    try:
        old = store.one(target.resource, target.key)
    except ApiFailure:
        made = create(store, target, body, dry=dry)
    else:
        last = store.applied.get((target.resource, target.key, manager), {})
        made = _commit(store, target, old, applied(copy.deepcopy(old), last, new), dry=dry)
    if not dry:
        store.applied[target.resource, target.key, manager] = new
    return made


def replace(store: Store, target: Target, body: bytes, *, dry: bool) -> Object:
    """PUT of an object."""
    old = store.one(target.resource, target.key)
    new = copy.deepcopy(check_shape(target.resource, read_json(body)))
    if target.resource.namespaced:
        new["metadata"].setdefault("namespace", target.namespace)
    return _commit(store, target, old, new, dry=dry)


def patch(store: Store, target: Target, body: bytes, kind: str, *, dry: bool) -> Object:
    """PATCH of an object, by the kind of patch that the content type names."""
    apply = PATCHES.get(kind)
    if apply is None:
        raise unsupported_media(kind, ", ".join(PATCHES))
    old = store.one(target.resource, target.key)
    try:
        new = apply(copy.deepcopy(old), read_json(body))
    except PatchRefused as refusal:
        if refusal.code == 422:
            raise invalid(target.resource, target.key[1], "patch", str(refusal)) from None
        raise bad_request(str(refusal)) from None
    return _commit(store, target, old, new, dry=dry)


def delete(store: Store, target: Target, body: bytes, *, dry: bool) -> Object:
    """DELETE of an object. At once, unless a finalizer holds it: nothing has a grace period."""
    options = read_json(body) if body else {}
    old = store.one(target.resource, target.key)
    wanted = (options.get("preconditions") or {}).get("uid") if isinstance(options, dict) else None
    if wanted and wanted != old["metadata"]["uid"]:
        raise ApiFailure(409, "Conflict", "Precondition failed: UID in precondition does not match")
    if dry:
        return old
    if old["metadata"].get("finalizers"):
        return store.mark_deleted(target.resource, target.key)
    gone = store.delete(target.resource, target.key)
    daemons.clear(store, target.resource, gone)
    return gone


def _commit(store: Store, target: Target, old: Object, new: Any, *, dry: bool) -> Object:
    new = check_shape(target.resource, new)
    check_change(target.resource, old, new)
    _keep_other_half(target, old, new)
    if dry:
        return dict(new)
    version = new["metadata"].get("resourceVersion")
    done = store.update(target.resource, target.key, new, version)
    if "deletionTimestamp" in done["metadata"] and not done["metadata"].get("finalizers"):
        return store.delete(target.resource, target.key)
    return daemons.follow(store, target.resource, done)


def _keep_other_half(target: Target, old: Object, new: Object) -> None:
    """A write to an object leaves its status; a write to its status leaves its spec.

    Metadata passes both ways: flanneld annotates through nodes/status.
    """
    if not target.resource.has_status:
        return
    kept = "spec" if target.status else "status"
    if kept in old:
        new[kept] = old[kept]
    else:
        new.pop(kept, None)
