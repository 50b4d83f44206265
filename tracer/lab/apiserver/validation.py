"""What a write may not do. A small part of Kubernetes' rules: those that people run into."""

import re

from tracer.lab.apiserver.failures import bad_request, invalid
from tracer.lab.apiserver.resources import Object, Resource

_NAME = re.compile(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")


def check_shape(resource: Resource, each: object) -> Object:
    """The body as an object of that resource. Raises ApiFailure 400 or 422."""
    if not isinstance(each, dict) or not isinstance(each.get("metadata"), dict):
        raise bad_request(f"the body is no {resource.kind}")
    for field, wanted in (("kind", resource.kind), ("apiVersion", resource.api_version)):
        if each.get(field, wanted) != wanted:
            raise bad_request(f"the {field} in the body is {each[field]!r}, not {wanted!r}")
    name = each["metadata"].get("name")
    if not isinstance(name, str) or not _NAME.match(name) or len(name) > 253:
        raise invalid(resource, str(name), "metadata.name", f"Invalid value: {name!r}")
    for field in ("annotations", "labels"):
        _check_strings(resource, name, field, each["metadata"].get(field))
    for field in ("spec", "status", "data"):
        if not isinstance(each.get(field, {}), dict):
            raise bad_request(f"{resource.kind}.{field} must be an object")
    return {**each, "kind": resource.kind, "apiVersion": resource.api_version}


def _check_strings(resource: Resource, name: str, field: str, values: object) -> None:
    if values is None:
        return
    if not isinstance(values, dict):
        raise bad_request(f"json: cannot unmarshal {resource.kind}.metadata.{field}: no object")
    for key, value in values.items():
        if not isinstance(value, str):
            kind = {bool: "bool", int: "number", float: "number"}.get(type(value), "object")
            raise bad_request(
                f"json: cannot unmarshal {kind} into Go struct field "
                f"ObjectMeta.metadata.{field} of type string"
            )
        if not key or key.count("/") > 1 or len(key.split("/")[-1]) > 63:
            raise invalid(resource, name, f"metadata.{field}", f"Invalid value: {key!r}")


def check_change(resource: Resource, old: Object, new: Object) -> None:
    """Refuse changes of what is fixed. Raises ApiFailure 400 or 422."""
    was, now = old["metadata"], new["metadata"]
    if (was["name"], was.get("namespace")) != (now["name"], now.get("namespace")):
        raise bad_request("the name and the namespace of an object cannot be changed")
    if now.get("uid", was["uid"]) != was["uid"]:
        raise invalid(resource, was["name"], "metadata.uid", "field is immutable")
    if resource.plural == "nodes":
        before = old.get("spec", {}).get("podCIDR", "")
        if before and new.get("spec", {}).get("podCIDR", "") != before:
            why = "Forbidden: node updates may only change labels, taints, or capacity"
            raise invalid(resource, was["name"], "spec.podCIDR", why)
    if resource.plural == "pods":
        before = old.get("spec", {}).get("nodeName", "")
        if before and new.get("spec", {}).get("nodeName", "") != before:
            why = "Forbidden: pod updates may not change fields other than the image"
            raise invalid(resource, was["name"], "spec.nodeName", why)
