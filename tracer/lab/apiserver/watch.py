"""Watches: what happened since a version, then what happens, one JSON event a line."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping

from tracer.lab.apiserver.failures import ApiFailure, invalid
from tracer.lab.apiserver.resources import Object
from tracer.lab.apiserver.selectors import Test
from tracer.lab.apiserver.store import Change, Store
from tracer.lab.apiserver.tables import table
from tracer.lab.apiserver.target import Target, number

LONGEST_S = 1800
"""A watch without timeoutSeconds ends after this; clients begin another."""


def check(target: Target, query: Mapping[str, str]) -> None:
    """Refuse a kind of watch that is not served, so that the client asks for another."""
    if query.get("sendInitialEvents"):
        why = "Forbidden: sendInitialEvents is forbidden for watch unless WatchList is enabled"
        raise invalid(target.resource, "", "sendInitialEvents", why)


async def events(
    store: Store,
    target: Target,
    query: Mapping[str, str],
    as_table: Object | None,
    longest_s: float = LONGEST_S,
) -> AsyncIterator[bytes]:
    """The body of a watch. Ends at timeoutSeconds; the caller closes it earlier."""
    test = target.selects(query)
    since = number(query, "resourceVersion")
    deadline = asyncio.get_running_loop().time() + (number(query, "timeoutSeconds") or longest_s)
    shown = _Shown(target, as_table)
    queue = store.follow()
    try:
        if not since:
            for each in filter(test, store.every(target.resource)):
                yield shown.event("ADDED", each)
        else:
            try:
                missed = store.since(since)
            except ApiFailure as failure:
                yield _line("ERROR", failure.status())
                return
            for change in missed:
                for kind, each in _seen(change, target, test):
                    yield shown.event(kind, each)
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            try:
                change = await asyncio.wait_for(queue.get(), left)
            except TimeoutError:
                break
            for kind, each in _seen(change, target, test):
                yield shown.event(kind, each)
        if query.get("allowWatchBookmarks") in ("true", "1"):
            yield shown.bookmark(store.revision)
    finally:
        store.unfollow(queue)


def _seen(change: Change, target: Target, test: Test) -> list[tuple[str, Object]]:
    """A change as a watch with selectors sees it: moving in is ADDED, moving out is DELETED."""
    if change.resource != target.resource:
        return []
    was = change.before is not None and test(change.before)
    now = change.after is not None and test(change.after)
    if now and change.after is not None:
        return [("MODIFIED" if was else "ADDED", change.after)]
    if was and change.before is not None:
        meta = {**change.before["metadata"], "resourceVersion": str(change.revision)}
        return [("DELETED", {**change.before, "metadata": meta})]
    return []


class _Shown:
    """Events as the caller wants them: objects, or Tables of one row."""

    def __init__(self, target: Target, as_table: Object | None) -> None:
        self._resource = target.resource
        self._table = as_table

    def event(self, kind: str, each: Object) -> bytes:
        if self._table is None:
            return _line(kind, each)
        meta = {"resourceVersion": each["metadata"]["resourceVersion"]}
        rows = table(self._resource, [each], meta, self._table)
        self._table = {**self._table, "headings": False}  # Only the first has them.
        return _line(kind, rows)

    def bookmark(self, revision: int) -> bytes:
        meta = {"resourceVersion": str(revision)}
        if self._table is not None:
            return _line("BOOKMARK", table(self._resource, [], meta, self._table))
        about = {"kind": self._resource.kind, "apiVersion": self._resource.api_version}
        return _line("BOOKMARK", {**about, "metadata": {**meta, "creationTimestamp": None}})


def _line(kind: str, each: Object) -> bytes:
    return json.dumps({"type": kind, "object": each}).encode() + b"\n"
