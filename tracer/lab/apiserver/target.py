"""What a request is about: its path and query, taken apart."""

from collections.abc import Mapping
from dataclasses import dataclass

from tracer.lab.apiserver.failures import bad_request, no_such_path
from tracer.lab.apiserver.resources import Object, Resource, find
from tracer.lab.apiserver.selectors import Test, field_test, label_test
from tracer.lab.apiserver.store import Key


@dataclass(frozen=True)
class Target:
    """A resource, or one object of it, or its status."""

    resource: Resource
    namespace: str | None
    name: str | None
    status: bool = False

    @property
    def key(self) -> Key:
        """Of the object."""
        return self.namespace or "", self.name or ""

    def selects(self, query: Mapping[str, str]) -> Test:
        """A predicate for the objects of a list or watch. Raises ApiFailure 400."""
        labels = label_test(query.get("labelSelector", ""))
        fields = field_test(query.get("fieldSelector", ""), self.resource)

        def test(each: Object) -> bool:
            meta = each["metadata"]
            if self.namespace is not None and meta.get("namespace", "") != self.namespace:
                return False
            if self.name is not None and meta["name"] != self.name:
                return False
            return labels(each) and fields(each)

        return test


def target_of(path: str) -> Target:
    """Read `/api/v1/...` or `/apis/GROUP/VERSION/...`. Raises ApiFailure 404."""
    steps = [step for step in path.split("/") if step]
    if steps[:1] == ["api"] and len(steps) >= 3:
        group, version, rest = "", steps[1], steps[2:]
    elif steps[:1] == ["apis"] and len(steps) >= 4:
        group, version, rest = steps[1], steps[2], steps[3:]
    else:
        raise no_such_path()
    namespace = None
    if rest[0] == "namespaces" and len(rest) > 2 and find(group, version, rest[2]):
        namespace, rest = rest[1], rest[2:]
    resource = find(group, version, rest[0])
    if resource is None or len(rest) > 3 or (namespace is not None and not resource.namespaced):
        raise no_such_path()
    name = rest[1] if len(rest) > 1 else None
    if name is not None and resource.namespaced and namespace is None:
        raise no_such_path()
    if len(rest) == 3 and not (rest[2] == "status" and resource.has_status):
        raise no_such_path()
    return Target(resource, namespace, name, status=len(rest) == 3)


def number(query: Mapping[str, str], name: str) -> int | None:
    """A whole number of the query. Raises ApiFailure 400."""
    text = query.get(name, "")
    if text == "":
        return None
    if not text.isascii() or not text.isdigit():
        raise bad_request(f"invalid {name}: {text!r}")
    return int(text)


def table_query(accept: str, query: Mapping[str, str]) -> Object | None:
    """The Table that the caller prefers, or None for plain JSON."""
    for choice in accept.split(","):
        kind, *parameters = (part.strip() for part in choice.split(";"))
        wanted = dict(part.split("=", 1) for part in parameters if "=" in part)
        if kind == "application/json" and wanted.get("as") == "Table":
            version = wanted.get("v", "v1")
            return {"version": version, "include": query.get("includeObject")}
        if kind in ("application/json", "*/*", "application/*"):
            return None
    return None
