"""Follow objects of the API: what is there, and each change as it comes, for days."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from tracer.collect import kube_objects as objects
from tracer.collect.kube import Api
from tracer.collect.kube_errors import Expired, garbled, refused
from tracer.collect.transport import Lines
from tracer.errors import FlantraceError
from tracer.model.decoding import decoder

Wire = TypeVar("Wire")
Kept = TypeVar("Kept")

ASKED_FOR_S = 50
"""A watch ends after so long, and the next one goes on where it was: a connection that hangs is
found out, also on a server that sends no bookmarks."""
SILENT_S = ASKED_FOR_S + 10

PAUSES_S = (0.5, 1, 2, 5, 10, 20)
"""Between attempts while the API server is away; the last one again and again."""

LASTED_S = 30.0
"""A watch that breaks off after so long is a first failure: they come and go as servers do."""


class Change(NamedTuple):
    """One object came, is another, or went. What we do not keep of it makes no change."""

    time_ns: int
    """CLOCK_MONOTONIC, when it was heard of."""
    before: Any
    """None: it is new."""
    now: Any
    """None: it is gone."""


class _Event(msgspec.Struct):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


class _Reason(msgspec.Struct):
    """The Status object of an ERROR event."""

    code: int = 0


class _Bookmark(msgspec.Struct):
    """Any object: where the watch has got to."""

    metadata: objects.ListMeta


class Followed(Generic[Wire, Kept]):
    """One list of the API. A thread of its own reads it and hands each change to the sink."""

    def __init__(
        self,
        api: Api,
        path: str,
        wire: type[Wire],
        kept: Callable[[Wire], Kept],
        name: Callable[[Kept], str],
        what: str,
        sink: Callable[[Change], None],
    ) -> None:
        """`path`: of the list, perhaps with a selector. `kept`: what of an object counts.

        `name`: by what it is told from others. The sink is called from this object's thread.
        """
        self._api = api
        self._path = path
        self._wire = wire
        self._kept = kept
        self._name = name
        self._what = what
        self._sink = sink
        self._version = ""
        self._there: dict[str, Kept] = {}
        self._lock = threading.Lock()
        self._leaving = threading.Event()
        self._read = threading.Event()
        self.heard_ns = 0
        """When the API server last said anything, by CLOCK_MONOTONIC; 0: never yet."""
        self.trouble: FlantraceError | None = None
        """Why it is not followed at the moment."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def objects(self) -> tuple[Kept, ...]:
        """All that are there, as far as is known: those of before while the API server is away."""
        with self._lock:
            return tuple(self._there.values())

    def wait(self, patience_s: float) -> bool:
        """Until the list was read for the first time, or that failed. Whether it was read."""
        self._read.wait(patience_s)
        return self.heard_ns > 0

    def close(self) -> None:
        """Hand over nothing more. The thread ends with its connection, a minute later at most."""
        self._leaving.set()

    def _run(self) -> None:
        failed = 0
        while not self._leaving.is_set():
            began = time.monotonic()
            try:
                if not self._version:
                    self._read_all()
                self._read.set()
                self._follow()
                failed = 0
            except Expired:
                self._version = ""
                self._leaving.wait(PAUSES_S[0])
            except FlantraceError as error:
                self.trouble = error
                self._read.set()
                failed = 0 if time.monotonic() - began > LASTED_S else failed
                self._leaving.wait(PAUSES_S[min(failed, len(PAUSES_S) - 1)])
                failed += 1

    def _read_all(self) -> None:
        found, version = self._api.listed(self._path, self._wire, self._what)
        self._heard()
        there = {self._name(one): one for one in map(self._kept, found)}
        for name in self._there.keys() - there.keys():
            self._gone(name)
        for name, one in there.items():
            self._is(name, one)
        self._version = version

    def _follow(self) -> None:
        joint = "&" if "?" in self._path else "?"
        path = (
            f"{self._path}{joint}watch=1&allowWatchBookmarks=true&timeoutSeconds={ASKED_FOR_S}"
            f"&resourceVersion={self._version}"
        )
        lines = Lines()
        with self._api.streamed(path, self._what, SILENT_S) as pieces:
            self._heard()
            for piece in pieces:
                self._heard()
                for line in lines.feed(piece):
                    if self._leaving.is_set():
                        return
                    self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            event = decoder(_Event).decode(line)
            if event.type == "ERROR":
                code = decoder(_Reason).decode(event.object).code
                raise refused(code, self._what, f"{self._api.server}{self._path}")
            if event.type in ("ADDED", "MODIFIED", "DELETED"):
                one = self._kept(decoder(self._wire).decode(event.object))
                if event.type == "DELETED":
                    self._gone(self._name(one))
                else:
                    self._is(self._name(one), one)
            self._version = decoder(_Bookmark).decode(event.object).metadata.resource_version
        except msgspec.DecodeError as error:
            raise garbled(error, self._what, f"{self._api.server}{self._path}") from None

    def _heard(self) -> None:
        self.heard_ns = time.monotonic_ns()
        self.trouble = None

    def _is(self, name: str, one: Kept) -> None:
        before = self._there.get(name)
        if before != one:
            with self._lock:
                self._there[name] = one
            self._tell(before, one)

    def _gone(self, name: str) -> None:
        with self._lock:
            before = self._there.pop(name, None)
        if before is not None:
            self._tell(before, None)

    def _tell(self, before: Kept | None, now: Kept | None) -> None:
        if not self._leaving.is_set():
            self._sink(Change(self.heard_ns, before, now))
