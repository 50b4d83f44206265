"""A ring of bundles in a folder: what a watch keeps of its past, within limits of size and age.

Each segment is a bundle like any other. Those of an incident are pinned, by their names, so that a
restart changes nothing; whatever else lies in the folder is nobody's business here.
"""

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tracer.bundle.archive import packed
from tracer.bundle.limits import check
from tracer.bundle.segment_names import Name, Names, moment_of, next_free
from tracer.bundle.whole import replace_whole
from tracer.errors import BadBundle, UsageError
from tracer.model.bundle import Bundle, Trouble

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Segment(NamedTuple):
    """One file of the ring."""

    path: Path
    name: Name
    bytes: int


class Segments:
    """For one thread. A folder may hold the rings of several nodes; each knows its own files.

    Nothing is remembered between calls: the folder is what there is, so that it may be emptied,
    unmounted and mounted again meanwhile. Writing waits for the disk (fsync).
    """

    def __init__(self, folder: Path, *, most_bytes: int, most_age_s: float, node: str) -> None:
        """Go on with what an earlier run left. UsageError if nothing could be written there."""
        self._folder = folder
        self._most_bytes = most_bytes
        self._most_age_s = most_age_s
        self._node = node
        self._names = Names(node)
        self._noted: list[Trouble] = []
        _check(folder)
        for entry in os.scandir(folder):
            if self._names.is_half(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)

    def write(self, bundle: Bundle, *, pinned: bool) -> Path | Trouble:
        """Keep one more, and let go of what is too old or too much. Never raises for the disk.

        By the bundle's own time. What could not be written leaves nothing behind. Where the disk
        is full the oldest segments go early, but none that is pinned.
        """
        try:
            check(bundle, "the segment")
        except BadBundle as error:
            return self._trouble(error.what, "flantrace replay would refuse it: please report it")
        content, now = packed(bundle), moment_of(bundle.created_at)
        if len(content) > self._most_bytes:
            return self._trouble(
                f"a segment of {len(content):,} bytes is larger than the whole ring may be",
                "raise --record-size",
            )
        try:
            left = self._pruned(self.kept(), len(content), now.timestamp())
            free = next_free(now, {segment.name.moment for segment in left})
            path = self._folder / self._names.of(Name(free, pinned))
            self._written(path, content, left)
        except OSError as error:
            return self._failed("a segment could not be written", error)
        return path

    def pin_last(self, count: int) -> None:
        """Pin the last of them: what came before that which has just begun."""
        try:
            for segment in self.kept()[-count:] if count > 0 else ():
                if not segment.name.pinned:
                    pinned = self._names.of(segment.name._replace(pinned=True))
                    segment.path.rename(self._folder / pinned)
        except OSError as error:
            self._noted.append(self._failed("a segment could not be pinned", error))

    def prune(self, now: float) -> None:
        """Let go of what is too old at that time (Unix, seconds), or too much."""
        try:
            self._pruned(self.kept(), 0, now)
        except OSError as error:
            self._noted.append(self._failed("old segments could not be removed", error))

    def kept(self) -> list[Segment]:
        """The ring as it is, the oldest first. Raises OSError."""
        return sorted(self._found(), key=lambda one: one.path.name)

    def noted(self) -> tuple[Trouble, ...]:
        """What there is to say since the last time: pinned segments that had to go, and failures
        that no return value told.
        """
        noted, self._noted = tuple(dict.fromkeys(self._noted)), []
        return noted

    def _found(self) -> Iterator[Segment]:
        with os.scandir(self._folder) as entries:
            for entry in entries:
                name = self._names.read(entry.name)
                if name is None or not entry.is_file(follow_symlinks=False):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    size = entry.stat(follow_symlinks=False).st_size
                    yield Segment(self._folder / entry.name, name, size)

    def _pruned(self, segments: list[Segment], room: int, now: float) -> list[Segment]:
        """Those that are left once there is room for so many bytes. Raises OSError."""
        before_s = now - self._most_age_s
        gone = dict.fromkeys(
            going(segments, room=room, most_bytes=self._most_bytes, before_s=before_s)
        )
        for segment in gone:
            segment.path.unlink(missing_ok=True)
            if segment.name.pinned:
                self._noted.append(
                    self._trouble(
                        f"{segment.path.name} of an incident had to go: the ring is at its"
                        f" limit of {self._most_bytes:,} bytes",
                        "raise --record-size, or move what is to be kept out of the folder",
                    )
                )
        return [segment for segment in segments if segment not in gone]

    def _written(self, path: Path, content: bytes, left: Iterable[Segment]) -> None:
        """Raises OSError. As much is given up for it as twice its size: if that is no help, others
        fill the disk faster than the ring could make room.
        """
        given_up = 0
        loose = iter([segment for segment in left if not segment.name.pinned])
        while True:
            try:
                return replace_whole(path, content)
            except OSError as error:
                oldest = next(loose, None) if given_up < 2 * len(content) else None
                if error.errno not in _FULL or oldest is None:
                    raise
                oldest.path.unlink(missing_ok=True)
                given_up += oldest.bytes
                self._noted.append(
                    self._trouble(
                        f"the disk of {self._folder} is full: the oldest segments go early",
                        "make room there",
                    )
                )

    def _failed(self, what: str, error: OSError) -> Trouble:
        full = error.errno in _FULL
        hint = "make room there" if full else "mount it again, or let flantrace write there"
        return self._trouble(
            f"{what} in {self._folder}: {error.strerror or error}",
            f"{hint}; the ring then goes on by itself",
        )

    def _trouble(self, what: str, hint: str) -> Trouble:
        return Trouble(node=self._node, what=what, hint=hint)


def going(
    segments: Iterable[Segment], *, room: int, most_bytes: int, before_s: float
) -> Iterator[Segment]:
    """Which must go for so many bytes to be free: the old, the oldest, and pinned ones last.

    `before_s` (Unix time): what is older goes in any case, but for the pinned ones.
    """
    every = list(segments)
    total = sum(segment.bytes for segment in every) + room
    for segment in sorted(every, key=lambda one: (one.name.pinned, one.path.name)):
        old = not segment.name.pinned and segment.name.moment.timestamp() < before_s
        if old or total > most_bytes:
            total -= segment.bytes
            yield segment


def _check(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
        usable = os.access(folder, os.R_OK | os.W_OK | os.X_OK)
        why = "it may not be written to"
    except OSError as error:
        usable, why = False, error.strerror or str(error)
    if not usable:
        raise UsageError(
            f"cannot record to {folder}: {why}",
            where="--record",
            hint="pass a folder that you may write to, or a new one in a folder that exists",
        )
