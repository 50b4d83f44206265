"""The untrusting half of reading a bundle: from a compressed archive to named texts.

Nothing is ever written to disk, only files with expected names are kept, and what the archive
unpacks to is counted before it is held.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.bundle.limits import Scale
from tracer.errors import BadBundle

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

DEFAULT_LIMIT = 1 << 30
"""Bytes that a bundle may unpack to."""

RATIO = 100
"""A bundle's text shrinks to a fifth or a fiftieth; what shrinks more is a bomb."""

SLACK = 16 << 20
"""Small bundles may shrink more than RATIO: this much is always allowed."""

MEMBERS = 20_000
"""Files in one bundle: a node each, and a handful of others."""


class _Counted(io.RawIOBase):
    """A decompressed stream that ends in BadBundle when it gives more than it may."""

    def __init__(self, stream: gzip.GzipFile, limit: int, name: str) -> None:
        self._stream = stream
        self._left = limit
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        data = self._stream.read(min(len(view), self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise BadBundle(
                f"{self._name} unpacks to more than it may",
                where=self._name,
                hint="if you trust it and it is that large, raise the limit: --max-unpacked BYTES",
            )
        view[: len(data)] = data
        return len(data)


def texts(path: Path, limit: int = DEFAULT_LIMIT) -> dict[str, bytes]:
    """The archive's files by their name below the top folder. BadBundle says what is wrong."""
    return dict(members(path, limit))


def members(path: Path, limit: int = DEFAULT_LIMIT) -> Iterator[tuple[str, bytes]]:
    """The same one by one, in the archive's order, so that not all need be held at once."""
    try:
        size = path.stat().st_size
        allowed = min(limit, size * RATIO + SLACK)
        with path.open("rb") as raw, gzip.open(raw, "rb") as stream:
            scale = Scale(size)
            for name, text in _members(_Counted(stream, allowed, path.name), path.name):
                scale.put(text)
                yield name, text
    except FileNotFoundError:
        raise BadBundle(
            f"no such file: {path}", where=str(path), hint="pass a bundle that flantrace saved"
        ) from None
    except BadBundle:
        raise
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise BadBundle(
            f"{path.name} is not a whole bundle: {error}",
            where=str(path),
            hint="copy it again; a bundle is a .tgz that flantrace wrote",
        ) from None
    except OSError as error:
        raise BadBundle(
            f"cannot read {path.name}: {error.strerror or error}",
            where=str(path),
            hint="is it a file that you may read?",
        ) from None


def _members(stream: _Counted, name: str) -> Iterator[tuple[str, bytes]]:
    """Regular files only; a path that leaves the top folder is refused, links are not followed."""
    some = False
    with tarfile.open(fileobj=io.BufferedReader(stream, 1 << 16), mode="r|") as archive:
        for count, member in enumerate(archive):
            if count > MEMBERS:
                raise ValueError(f"more than {MEMBERS} files")
            if not member.isreg():
                continue
            parts = member.name.split("/")
            if member.name.startswith("/") or ".." in parts or len(parts) < 2:
                raise ValueError("a file's path leaves the archive")
            if member.issparse():
                # Its holes unpack to zeros that no stream was counted for.
                raise ValueError("a sparse file")
            content = archive.extractfile(member)
            if content is not None:
                some = True
                yield "/".join(parts[1:]), content.read()
    if not some:
        raise ValueError(f"{name} holds no files")
