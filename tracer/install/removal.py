"""Take an installation out of a cluster: what it made, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tracer.collect.kube import Api
from tracer.collect.kube_write import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    NAMESPACES,
    Object,
    Resource,
    Writer,
)
from tracer.errors import UsageError
from tracer.install.apply import PAUSE_S, Say, is_ours, still_there
from tracer.install.manifests import SELECTOR
from tracer.install.strangers import named, strangers


def uninstall(api: Api, namespace: str, say: Say, wait_s: float) -> list[str]:
    """What was removed, and is gone. Nothing: nothing was there.

    UsageError: the namespace holds other people's things; then nothing is removed.
    """
    writer, until = Writer(api), time.monotonic() + wait_s
    space = writer.read(NAMESPACES, None, namespace)
    ours = space is not None and is_ours(space)
    if ours:
        _refuse_strangers(api, namespace)
    removed = [
        *_bindings(writer, namespace),
        *_roles(writer, namespace),
        *_delete(writer, NAMESPACES, [space] if ours else []),
    ]
    for each in removed:
        say(f"removing {each}")
    if ours:
        _wait(writer, namespace, say, until)
    return removed


def _refuse_strangers(api: Api, namespace: str) -> None:
    others = strangers(api, namespace)
    if others:
        raise UsageError(
            f"namespace {namespace} holds other people's things: {named(others)}",
            where=api.server,
            hint="move or delete them first; they would go with the namespace",
        )


def _bindings(writer: Writer, namespace: str) -> list[str]:
    """Those that let this namespace's watch read the API."""
    found = writer.listed(CLUSTER_ROLE_BINDINGS, labelSelector=SELECTOR)
    spaces = [{who.get("namespace") for who in one.get("subjects") or ()} for one in found]
    ours = [one for one, space in zip(found, spaces, strict=True) if space == {namespace}]
    return _delete(writer, CLUSTER_ROLE_BINDINGS, ours)


def _roles(writer: Writer, namespace: str) -> list[str]:
    """Of the cluster, unless another namespace has flantrace, too."""
    spaces = writer.listed(NAMESPACES, labelSelector=SELECTOR)
    if any(one["metadata"]["name"] != namespace for one in spaces):
        return []
    return _delete(writer, CLUSTER_ROLES, writer.listed(CLUSTER_ROLES, labelSelector=SELECTOR))


def _delete(writer: Writer, kind: Resource, found: Sequence[Object | None]) -> list[str]:
    return [
        f"{kind.kind} {each['metadata']['name']}"
        for each in found
        if each is not None
        and writer.delete(kind, None, each["metadata"]["name"], uid=each["metadata"]["uid"])
    ]


def _wait(writer: Writer, namespace: str, say: Say, until: float) -> None:
    said = False
    while (space := writer.read(NAMESPACES, None, namespace)) is not None:
        if time.monotonic() > until:
            raise still_there(space, writer.server)
        if not said:
            say(f"waiting until namespace {namespace} and its pods are gone")
            said = True
        time.sleep(PAUSE_S)
