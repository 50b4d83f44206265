"""labelSelector and fieldSelector."""

import re
from collections.abc import Callable
from typing import Any

from tracer.lab.apiserver.failures import bad_request
from tracer.lab.apiserver.resources import Object, Resource

Test = Callable[[Object], bool]

_SET = re.compile(r"^\s*(\S+)\s+(in|notin)\s*\(([^)]*)\)\s*$")
_EQUAL = re.compile(r"^\s*([^\s=!]+)\s*(==|=|!=)\s*([^\s=!]*)\s*$")
_EXISTS = re.compile(r"^\s*(!?)\s*([^\s=!,()]+)\s*$")


def label_test(selector: str) -> Test:
    """A predicate for `a=b,c!=d,e in (f,g),h,!i`. Raises ApiFailure 400."""
    tests = [_label_term(term) for term in re.split(r",(?![^(]*\))", selector) if term.strip()]
    return lambda each: all(test(each["metadata"].get("labels") or {}) for test in tests)


def _label_term(term: str) -> Callable[[dict[str, str]], bool]:
    if found := _SET.match(term):
        key, verb, listed = found.groups()
        values = {value.strip() for value in listed.split(",")}
        if verb == "in":
            return lambda labels: key in labels and labels[key] in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUAL.match(term):
        key, sign, value = found.groups()
        return lambda labels: (labels.get(key) == value) is (sign != "!=")
    if found := _EXISTS.match(term):
        absent, key = found.groups()
        return lambda labels: (key in labels) is (not absent)
    raise bad_request(f"unable to parse requirement: {term!r}")


def field_test(selector: str, resource: Resource) -> Test:
    """A predicate for `metadata.name=x,spec.nodeName!=y`. Raises ApiFailure 400."""
    allowed = {"metadata.name", "metadata.namespace", *resource.fields}
    terms: list[tuple[str, bool, str]] = []
    for term in filter(str.strip, selector.split(",")):
        found = _EQUAL.match(term)
        if not found:
            raise bad_request(f"invalid selector: {term!r}; can't understand {term!r}")
        key, sign, value = found.groups()
        if key not in allowed:
            raise bad_request(f"field label not supported: {key}")
        terms.append((key, sign != "!=", value))
    return lambda each: all((_field(each, key) == value) is same for key, same, value in terms)


def _field(each: Any, path: str) -> str:
    for step in path.split("."):
        each = each.get(step) if isinstance(each, dict) else None
    if each is None:
        return "false" if path in ("spec.unschedulable", "spec.hostNetwork") else ""
    return str(each).lower() if isinstance(each, bool) else str(each)
