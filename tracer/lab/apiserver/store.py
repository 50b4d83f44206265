"""The objects, their versions, and the changes that watchers follow. One event loop, no locks."""

import asyncio
import copy
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from tracer.lab.apiserver.failures import conflict, exists, expired, not_found
from tracer.lab.apiserver.resources import Object, Resource

Key = tuple[str, str]
"""(namespace, name); the namespace is empty for resources of the cluster."""


@dataclass(frozen=True)
class Change:
    """One write: before None is a creation, after None a deletion."""

    revision: int
    resource: Resource
    before: Object | None
    after: Object | None


def timestamp() -> str:
    """Now, as metadata has it: UTC in whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251 - the server's clock


def key_of(each: Object) -> Key:
    """Where an object lies."""
    return each["metadata"].get("namespace", ""), each["metadata"]["name"]


class Store:
    """All objects of one cluster. What it hands out is never changed afterwards."""

    def __init__(self, remembered: int = 1000) -> None:
        self.revision = 1
        self.applied: dict[tuple[Resource, Key, str], Object] = {}
        """What each field manager applied last."""
        self._objects: dict[Resource, dict[Key, Object]] = {}
        self._log: deque[Change] = deque(maxlen=remembered)
        self._followers: set[asyncio.Queue[Change]] = set()

    def one(self, resource: Resource, key: Key) -> Object:
        """An object. Raises ApiFailure 404."""
        try:
            return self._objects[resource][key]
        except KeyError:
            raise not_found(resource, key[1]) from None

    def every(self, resource: Resource) -> list[Object]:
        """All objects of a resource in order of namespace and name."""
        held = self._objects.get(resource, {})
        return [held[key] for key in sorted(held)]

    def create(self, resource: Resource, each: Object) -> Object:
        """Add an object. Raises ApiFailure 409 when it exists."""
        key = key_of(each)
        if key in self._objects.setdefault(resource, {}):
            raise exists(resource, key[1])
        made = copy.deepcopy(each)
        made["metadata"].update(uid=str(uuid.uuid4()), creationTimestamp=timestamp())
        return self._write(resource, key, None, made)

    def update(self, resource: Resource, key: Key, each: Object, based_on: str | None) -> Object:
        """Replace an object. Raises ApiFailure 404, or 409 when it is not based on the newest."""
        old = self.one(resource, key)
        if based_on and based_on != old["metadata"]["resourceVersion"]:
            raise conflict(resource, key[1])
        new = copy.deepcopy(each)
        for kept in ("uid", "creationTimestamp", "resourceVersion", "deletionTimestamp"):
            if kept in old["metadata"]:
                new["metadata"][kept] = old["metadata"][kept]
        return old if new == old else self._write(resource, key, old, new)

    def delete(self, resource: Resource, key: Key) -> Object:
        """Take an object out and return it as it was, with the version of its end."""
        old = self.one(resource, key)
        self.revision += 1
        gone = copy.deepcopy(old)
        gone["metadata"]["resourceVersion"] = str(self.revision)
        del self._objects[resource][key]
        self.applied = {
            each: last for each, last in self.applied.items() if each[:2] != (resource, key)
        }
        self._tell(Change(self.revision, resource, gone, None))
        return gone

    def mark_deleted(self, resource: Resource, key: Key) -> Object:
        """Say that an object is to go; it stays until nothing holds it."""
        old = self.one(resource, key)
        if "deletionTimestamp" in old["metadata"]:
            return old
        marked = copy.deepcopy(old)
        marked["metadata"].update(deletionTimestamp=timestamp(), deletionGracePeriodSeconds=0)
        return self._write(resource, key, old, marked)

    def since(self, revision: int) -> list[Change]:
        """The changes after a revision. Raises ApiFailure 410 when some are forgotten."""
        oldest = self._log[0].revision if self._log else self.revision + 1
        if revision < oldest - 1:
            raise expired(revision, oldest - 1)
        return [change for change in self._log if change.revision > revision]

    def follow(self) -> "asyncio.Queue[Change]":
        """A queue of all changes from now on. Give it back to `unfollow`."""
        queue: asyncio.Queue[Change] = asyncio.Queue()
        self._followers.add(queue)
        return queue

    def unfollow(self, queue: "asyncio.Queue[Change]") -> None:
        """End a `follow`."""
        self._followers.discard(queue)

    def _write(self, resource: Resource, key: Key, old: Object | None, new: Object) -> Object:
        self.revision += 1
        new["metadata"]["resourceVersion"] = str(self.revision)
        self._objects.setdefault(resource, {})[key] = new
        self._tell(Change(self.revision, resource, old, new))
        return new

    def _tell(self, change: Change) -> None:
        self._log.append(change)
        for queue in self._followers:
            queue.put_nowait(change)
