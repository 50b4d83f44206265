"""Everything that a namespace holds, whatever its kind: names, labels and owners only.

Which kinds there are the API server says. Of no object, and so of no Secret, is the content asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec

from tracer.collect.kube import Api
from tracer.collect.kube_objects import Meta
from tracer.collect.kube_write import Attempt, Resource, refused
from tracer.errors import CollectFailed
from tracer.model.decoding import decoder

METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

AT_ONCE = 6

NONE = (404, 405)
"""Answers of an extension that lists a kind which it does not serve."""

Answer = TypeVar("Answer")


class Held(msgspec.Struct, frozen=True):
    """An object of a namespace."""

    resource: Resource
    metadata: Meta


class _Metadata(msgspec.Struct):
    metadata: Meta


class List(msgspec.Struct):
    """Metadata of a list's objects, whatever else the server sent."""

    items: list[_Metadata] | None = None


class _Served(msgspec.Struct):
    name: str
    kind: str
    namespaced: bool = False
    verbs: list[str] = []


class _ResourceList(msgspec.Struct):
    resources: list[_Served] | None = None


class _Version(msgspec.Struct, rename="camel"):
    group_version: str


class _Group(msgspec.Struct, rename="camel"):
    preferred_version: _Version


class _GroupList(msgspec.Struct):
    groups: list[_Group] | None = None


def contents(api: Api, namespace: str, passed_over: frozenset[str]) -> list[Held]:
    """All objects of a namespace but those of the kinds `passed_over` (`events.events.k8s.io`).

    NotPermitted, CollectFailed: some kind cannot be listed, so nobody knows what is there.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        kinds = [one for one in _kinds(api) if one.qualified not in passed_over]
        found = pool.map(lambda kind: _of_kind(api, namespace, kind), kinds)
        return [one for each in found for one in each]


def _kinds(api: Api) -> Iterator[Resource]:
    """What can lie in a namespace, and can be listed."""
    groups = _read(api, "/apis", _GroupList).groups or []
    for version in ("v1", *(one.preferred_version.group_version for one in groups)):
        root = "/apis" if "/" in version else "/api"
        for one in _read(api, f"{root}/{version}", _ResourceList).resources or []:
            if one.namespaced and "list" in one.verbs and "/" not in one.name:
                yield Resource(version, one.kind, one.name)


def _of_kind(api: Api, namespace: str, kind: Resource) -> list[Held]:
    path = kind.path(namespace)
    status, said = api.call("GET", path, accept=METADATA)
    if status in NONE:
        return []
    if status != 200:
        attempt = Attempt("list", kind, namespace, None)
        raise refused(status, said, attempt, f"{api.server}{path}")
    return [Held(kind, one.metadata) for one in _decoded(said, List, path).items or ()]


def _read(api: Api, path: str, kind: type[Answer]) -> Answer:
    """A discovery document: everybody who is known to the API server may read it."""
    status, said = api.call("GET", path)
    if status != 200:
        raise _unclear(f"it answered {status}", f"{api.server}{path}")
    return _decoded(said, kind, path)


def _decoded(said: bytes, kind: type[Answer], path: str) -> Answer:
    try:
        return decoder(kind).decode(said)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unclear(str(error), path) from None


def _unclear(why: str, where: str) -> CollectFailed:
    return CollectFailed(
        f"the API server does not say what there is: {why}",
        where=where,
        hint="is this the address of a Kubernetes API server? kubectl api-resources",
    )
