"""The image, built once for all tests, and its root file system, unpacked."""

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parent.parent.parent


class Built(NamedTuple):
    """One archive as `make image` leaves it."""

    archive: bytes
    said: str

    def files(self) -> dict[str, bytes]:
        """Path -> bytes of what the archive holds."""
        with tarfile.open(fileobj=io.BytesIO(self.archive)) as archive:
            found = {one.name: archive.extractfile(one) for one in archive if one.isfile()}
            return {name: file.read() for name, file in found.items() if file is not None}

    def described(self, descriptor: dict[str, Any]) -> bytes:
        """The blob that a descriptor means."""
        return self.files()["blobs/" + descriptor["digest"].replace(":", "/")]

    def manifest(self) -> dict[str, Any]:
        """The image's manifest."""
        index = json.loads(self.files()["index.json"])
        found: dict[str, Any] = json.loads(self.described(index["manifests"][0]))
        return found

    def config(self) -> dict[str, Any]:
        """The image's configuration."""
        found: dict[str, Any] = json.loads(self.described(self.manifest()["config"]))
        return found

    def layers(self) -> list[bytes]:
        """The layers as they are stored, the lowest first."""
        return [self.described(layer) for layer in self.manifest()["layers"]]


def build(folder: Path, *words: str) -> Built:
    """One run of the builder."""
    path = folder / "image.tar"
    done = subprocess.run(
        [sys.executable, "-m", "tools.image", "--output", str(path), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Built(path.read_bytes(), done.stdout)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The image, from the cache where that has its layers."""
    return build(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def root(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's root file system, as a container's runtime would unpack it."""
    folder = tmp_path_factory.mktemp("root")
    for layer in built.layers():
        with tarfile.open(fileobj=io.BytesIO(layer), mode="r:gz") as archive:
            archive.extractall(folder)
    return folder
