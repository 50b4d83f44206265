"""A part of a file system, held in memory: what one layer of the image consists of."""

from __future__ import annotations

import fnmatch
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

FOLDER, FILE, LINK = tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE

MERGED = ("bin", "lib", "lib64", "sbin")
"""Top-level folders that stand in /usr, as in every Debian since 12."""


class BuildError(Exception):
    """The image cannot be built: what, and what to do, in one sentence."""


class Entry(NamedTuple):
    """One folder, file or symbolic link. Owned by root, whoever made it."""

    kind: bytes
    mode: int
    mtime: int
    data: bytes = b""
    target: str = ""


class Tree:
    """Entries by their path, which has no leading slash."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._entries

    def __getitem__(self, path: str) -> Entry:
        return self._entries[path]

    def sorted(self) -> Iterator[tuple[str, Entry]]:
        """Every entry, folders before what they hold."""
        yield from sorted(self._entries.items())

    def put(self, path: str, entry: Entry) -> None:
        """Add one entry. BuildError where two of the same path differ and are no folders."""
        head, slash, rest = path.partition("/")
        if head in MERGED:
            path = f"usr/{head}{slash}{rest}"
        before = self._entries.get(path)
        if before is not None and FOLDER not in (before.kind, entry.kind) and before != entry:
            raise BuildError(f"two packages have a file /{path}")
        if before is None or entry.kind != FOLDER:
            self._entries[path] = entry

    def folder(self, path: str, mode: int = 0o755) -> None:
        """Add an empty folder."""
        self.put(path, Entry(FOLDER, mode, 0))

    def file(self, path: str, data: bytes, mode: int = 0o644, mtime: int = 0) -> None:
        """Add a file."""
        self.put(path, Entry(FILE, mode, mtime, data))

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        self._entries[path] = Entry(LINK, 0o777, 0, target=target)

    def replace(self, path: str, entry: Entry) -> None:
        """Put another entry in an entry's place."""
        self._entries[path] = entry

    def remove(self, path: str) -> None:
        """Take one entry out."""
        del self._entries[path]

    def add_tar(self, archive: tarfile.TarFile) -> None:
        """Add what a package's archive holds. BuildError for what no package of ours has."""
        for member in archive:
            path = str(PurePosixPath(member.name))
            if path == ".":
                continue
            mode, mtime = member.mode & 0o777, int(member.mtime)
            if member.isfile():
                file = archive.extractfile(member)
                data = file.read() if file is not None else b""
                self.put(path, Entry(FILE, mode, mtime, data))
            elif member.issym():
                self.put(path, Entry(LINK, 0o777, mtime, target=member.linkname))
            elif member.isdir():
                self.put(path, Entry(FOLDER, mode, mtime))
            else:
                raise BuildError(f"/{path} is neither a file nor a folder nor a symbolic link")

    def add_folder(self, source: Path, path: str, mtime: int) -> None:
        """Add a folder of this machine under `path`, every file dated `mtime`."""
        for here, folders, files in os.walk(source):
            inside = PurePosixPath(path, Path(here).relative_to(source).as_posix())
            self.put(str(inside), Entry(FOLDER, 0o755, mtime))
            folders.sort()
            for name in files:
                file = Path(here, name)
                mode = 0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644
                self.file(str(inside / name), file.read_bytes(), mode, mtime)

    def dated(self, mtime: int) -> Tree:
        """The same with one date for everything."""
        found = Tree()
        for path, entry in self.sorted():
            found.put(path, entry._replace(mtime=mtime))
        return found

    def leave_out(self, patterns: Sequence[str], but: Sequence[str] = ()) -> None:
        """Drop what a pattern matches, unless one of `but` does; then folders that hold nothing."""
        for path in list(self._entries):
            if _matches(path, patterns) and not _matches(path, but):
                del self._entries[path]
        full = {str(parent) for path in self._files() for parent in PurePosixPath(path).parents}
        for path, entry in list(self._entries.items()):
            if entry.kind == FOLDER and path not in full:
                del self._entries[path]

    def _files(self) -> Iterator[str]:
        return (path for path, entry in self._entries.items() if entry.kind != FOLDER)


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)
