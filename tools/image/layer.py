"""A tree as a layer: a compressed tar whose bytes follow from the tree alone."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from typing import NamedTuple

from tools.image.tree import FOLDER, Tree

EFFORT = 6
"""gzip's level: the layer is made once and pulled by every node."""


class Layer(NamedTuple):
    """What an image's manifest says of a layer, and its bytes."""

    made_by: str
    blob: bytes
    digest: str
    """sha256 of the blob, in hexadecimal."""
    diff_id: str
    """sha256 of the tar within."""
    unpacked: int
    """Bytes of the tar within."""


def layer(tree: Tree, made_by: str) -> Layer:
    """The tree as a layer."""
    text = as_tar(tree)
    out = io.BytesIO()
    # without a name and with a fixed time: both would stand in the header
    with gzip.GzipFile(filename="", mode="wb", compresslevel=EFFORT, fileobj=out, mtime=0) as file:
        file.write(text)
    blob = out.getvalue()
    return Layer(
        made_by=made_by,
        blob=blob,
        digest=hashlib.sha256(blob).hexdigest(),
        diff_id=hashlib.sha256(text).hexdigest(),
        unpacked=len(text),
    )


def as_tar(tree: Tree) -> bytes:
    """Sorted by path, owned by root, with the times that the tree has."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, entry in tree.sorted():
            info = tarfile.TarInfo(path + "/" if entry.kind == FOLDER else path)
            info.type, info.mode, info.mtime = entry.kind, entry.mode, entry.mtime
            info.size, info.linkname = len(entry.data), entry.target
            archive.addfile(info, io.BytesIO(entry.data))
    return out.getvalue()
