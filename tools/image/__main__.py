"""`make image`: dist/flantrace-image.tar."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tools.image import cache, debian, python
from tools.image.archive import Image, image, moment
from tools.image.bytecode import PYTHON, compile_all
from tools.image.hollow import hollow
from tools.image.layer import Layer, layer
from tools.image.source import Source, source
from tools.image.tree import BuildError

ROOT = Path(__file__).parent.parent.parent
NAME = "localhost/flantrace:dev"
LABEL = "org.opencontainers.image"


def main() -> int:
    """Build what the command line asks for. Returns the exit code."""
    words = _words()
    try:
        began = time.monotonic()
        state = source(ROOT)
        folder = None if words.no_cache else words.cache or cache.usual_place()
        layers = [_timed(one, folder) for one in _layers(state)]
        made = image(
            layers,
            words.name,
            _labels(state, words.source),
            architecture=_architecture(),
            epoch=state.epoch,
        )
        words.output.parent.mkdir(parents=True, exist_ok=True)
        words.output.write_bytes(made.archive)
    except BuildError as error:
        sys.stderr.write(f"image: {error}\n")
        return 1
    _report(words.output, words.name, layers, made, time.monotonic() - began)
    return 0


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools.image", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist" / "flantrace-image.tar")
    parser.add_argument("--name", default=NAME, help="the reference that loaders give it")
    parser.add_argument("--source", metavar="URL", help="where the sources are, for the label")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="of layers made before")
    parser.add_argument("--no-cache", action="store_true", help="make every layer anew")
    return parser.parse_args()


Recipe = tuple[str, str, Callable[[], Layer]]
"""What the layer is called, what it follows from, and how it is made."""


def _layers(state: Source) -> list[Recipe]:
    """From the one that changes least to the one that changes most."""
    packages = debian.resolved()
    pinned, constraints = python.dependencies(ROOT), ROOT / ".ci" / "constraints.txt"
    architecture = _architecture()
    texts = [f"{name} {(ROOT / name).read_bytes().hex()}" for name in state.files]
    return [
        (
            "debian",
            cache.key([architecture, *(f"{one.name}={one.version}" for one in packages)]),
            lambda: _of_debian(packages),
        ),
        (
            "dependencies",
            cache.key([architecture, PYTHON, *pinned], constraints.read_bytes()),
            lambda: layer(python.of_dependencies(pinned, constraints), "pip: pinned wheels"),
        ),
        (
            "flantrace",
            cache.key([PYTHON, str(state.epoch), *texts]),
            lambda: layer(python.of_flantrace(ROOT, state.files, state.epoch), "pip: flantrace"),
        ),
    ]


def _of_debian(packages: tuple[debian.Package, ...]) -> Layer:
    with tempfile.TemporaryDirectory() as folder:
        found = debian.tree(debian.fetched(packages, Path(folder)))
    if f"usr/bin/{PYTHON}" not in found:
        raise BuildError(f"the image's Python is not the one that builds it, {PYTHON}")
    hollow(found)
    compile_all(found, "usr/lib")
    return layer(found, "dpkg-deb: Debian packages")


def _timed(recipe: Recipe, folder: Path | None) -> Layer:
    name, made_from, make = recipe
    began = time.monotonic()
    made, cached = cache.kept(folder, f"{name}-{made_from[:32]}", make)
    how = "from the cache" if cached else f"made in {time.monotonic() - began:.1f} s"
    sys.stdout.write(
        f"{name:<13} {len(made.blob) / 1e6:6.1f} MB compressed, {made.unpacked / 1e6:6.1f} MB"
        f" unpacked, {how}\n"
    )
    sys.stdout.flush()
    return made


def _labels(state: Source, where: str | None) -> dict[str, str]:
    labels = {
        "title": "flantrace",
        "description": "An eBPF-assisted tracer for flannel's VXLAN overlay",
        "version": state.version,
        "revision": state.revision,
        "licenses": "Apache-2.0",
        "created": moment(state.epoch),
    }
    if where is not None:
        labels["source"] = where
    return {f"{LABEL}.{name}": text for name, text in labels.items()}


def _architecture() -> str:
    """Debian's names of architectures are those of OCI, as far as they go."""
    words = ["dpkg", "--print-architecture"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def _report(path: Path, name: str, layers: list[Layer], made: Image, seconds: float) -> None:
    compressed = sum(len(one.blob) for one in layers) / 1e6
    unpacked = sum(one.unpacked for one in layers) / 1e6
    sys.stdout.write(
        f"{path.name}: {name} {made.digest}\n"
        f"{compressed:.1f} MB compressed, {unpacked:.1f} MB unpacked, in {seconds:.1f} s\n"
    )


if __name__ == "__main__":
    sys.exit(main())
