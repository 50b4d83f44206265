"""Layers that were made before, outside of the checkout, by what they were made from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.image.layer import Layer

KEPT = 3
"""Layers of one kind that stay; a few checkouts may build in turn."""


def usual_place() -> Path:
    """As the XDG base directory specification says."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flantrace" / "image"


def key(*inputs: Sequence[str] | bytes) -> str:
    """One name for all that a layer follows from, this tool's own text included."""
    tool = sorted(Path(__file__).parent.glob("*.py"))
    parts = [*inputs, *(file.read_bytes() for file in tool)]
    said = [part.hex() if isinstance(part, bytes) else list(part) for part in parts]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def kept(folder: Path | None, name: str, make: Callable[[], Layer]) -> tuple[Layer, bool]:
    """The layer, and whether it was there already. A file that was damaged is made again."""
    if folder is None:
        return make(), False
    facts, blob = folder / f"{name}.json", folder / f"{name}.tar.gz"
    try:
        found = Layer(blob=blob.read_bytes(), **json.loads(facts.read_text()))
        if hashlib.sha256(found.blob).hexdigest() == found.digest:
            return found, True
    except (OSError, ValueError, TypeError):
        pass
    made = make()
    folder.mkdir(parents=True, exist_ok=True)
    said = {field: value for field, value in made._asdict().items() if field != "blob"}
    for path, data in ((blob, made.blob), (facts, json.dumps(said).encode())):
        # whole or not at all: two builds may run at once
        part = path.with_name(f"{path.name}.{os.getpid()}")
        part.write_bytes(data)
        part.replace(path)
    _forget(folder, name)
    return made, False


def _forget(folder: Path, name: str) -> None:
    """Remove the oldest layers of the same kind."""
    kind = name.partition("-")[0]
    blobs = sorted(folder.glob(f"{kind}-*.tar.gz"), key=lambda path: path.stat().st_mtime)
    for blob in blobs[:-KEPT]:
        blob.unlink(missing_ok=True)
        blob.with_name(blob.name.removesuffix(".tar.gz") + ".json").unlink(missing_ok=True)
