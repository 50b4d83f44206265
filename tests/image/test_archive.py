"""The archive: what loaders and registries read of it, and that it follows from its inputs."""

import csv
import gzip
import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from tests.image.conftest import Built, build
from tools.image.bytecode import PYTHON
from tools.image.tree import FILE, LINK, BuildError, Entry, Tree

NAME = "localhost/flantrace:dev"


def members(layer: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(layer), mode="r:gz") as archive:
        return archive.getmembers()


def test_every_blob_is_named_by_its_digest_and_every_layer_by_that_of_its_content(
    built: Built,
) -> None:
    blobs = {path: data for path, data in built.files().items() if path.startswith("blobs/")}
    assert len(blobs) == 5
    for path, data in blobs.items():
        assert path == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"
    contents = [hashlib.sha256(gzip.decompress(layer)).hexdigest() for layer in built.layers()]
    assert built.config()["rootfs"]["diff_ids"] == [f"sha256:{one}" for one in contents]


def test_containerd_and_docker_find_the_same_image_under_the_same_name(built: Built) -> None:
    files = built.files()
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == NAME
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == NAME
    (for_docker,) = json.loads(files["manifest.json"])
    assert for_docker["RepoTags"] == [NAME]
    assert json.loads(files[for_docker["Config"]]) == built.config()
    assert [files[path] for path in for_docker["Layers"]] == built.layers()


def test_the_image_says_what_it_is_and_does_nothing_unless_told_to(built: Built) -> None:
    config = built.config()["config"]
    assert (config["Entrypoint"], config["Cmd"]) == (["/usr/bin/flantrace"], ["idle"])
    labels = {
        name.removeprefix("org.opencontainers.image."): text
        for name, text in config["Labels"].items()
    }
    assert labels["title"] == "flantrace"
    assert labels["licenses"] == "Apache-2.0"
    assert re.fullmatch(r"\d+\.\d+\.\d+", labels["version"])
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["revision"])
    assert labels["created"] == built.config()["created"]
    assert built.manifest()["annotations"] == config["Labels"]


def contents(layer: bytes) -> dict[str, tuple[int, float, str]]:
    """Path -> mode, time and what is in it."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(layer), mode="r:gz") as archive:
        for one in archive:
            file = archive.extractfile(one) if one.isfile() else None
            data = file.read() if file is not None else one.linkname.encode()
            found[one.name] = (one.mode, one.mtime, hashlib.sha256(data).hexdigest())
    return found


def test_a_build_without_anything_kept_gives_the_same_bytes(built: Built, tmp_path: Path) -> None:
    again = build(tmp_path, "--no-cache")
    assert "from the cache" not in again.said
    for one, other in zip(built.layers(), again.layers(), strict=True):
        before, after = contents(one), contents(other)
        paths = sorted(before.keys() | after.keys())
        assert [path for path in paths if before.get(path) != after.get(path)] == []
    # not the archives themselves: pytest would spend an hour on telling where they differ
    digests = [hashlib.sha256(each.archive).hexdigest() for each in (built, again)]
    assert digests[0] == digests[1]


def test_the_layers_hold_nothing_of_the_machine_that_built_them(built: Built) -> None:
    for layer in built.layers():
        for member in members(layer):
            assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
            assert member.isfile() or member.isdir() or member.issym()
            assert not member.mode & 0o6000, f"{member.name} runs as somebody else"
            assert not member.name.endswith("direct_url.json")
            assert not member.name.startswith("etc/apt")


def test_a_packages_record_lists_what_is_there_and_so_no_script_with_the_builders_path(
    built: Built,
) -> None:
    layer = built.layers()[1]
    there = {one.name for one in members(layer)}
    folder = f"usr/local/lib/{PYTHON}/dist-packages"
    with tarfile.open(fileobj=io.BytesIO(layer), mode="r:gz") as archive:
        records = [one for one in archive if one.name.endswith(".dist-info/RECORD")]
        assert len(records) > 10
        for record in records:
            file = archive.extractfile(record)
            assert file is not None
            for row in csv.reader(file.read().decode().splitlines()):
                assert f"{folder}/{row[0]}" in there


def test_flantrace_has_a_small_layer_of_its_own_above_those_that_change_seldom(
    built: Built,
) -> None:
    *below, own = built.layers()
    assert len(own) < 3_000_000
    assert any(one.name.endswith("tracer/agent.py") for one in members(own))
    assert not any("/tracer/" in one.name for layer in below for one in members(layer))


def test_of_every_debian_package_its_licence_and_its_version_are_there(built: Built) -> None:
    names = {one.name for one in members(built.layers()[0])}
    packages = {name.rpartition("/")[2] for name in names if "dpkg/status.d/" in name}
    assert {"python3-bpfcc", "libllvm14", "nftables"} & packages >= {"python3-bpfcc", "nftables"}
    for package in packages:
        folder = f"usr/share/doc/{package}"
        assert f"{folder}/copyright" in names or folder in names, package


def test_two_packages_that_claim_one_path_stop_the_build() -> None:
    tree = Tree()
    tree.put("lib/one", Entry(FILE, 0o644, 0, b"first"))
    tree.put("usr/lib/one", Entry(FILE, 0o644, 0, b"first"))
    with pytest.raises(BuildError, match="two packages"):
        tree.put("usr/lib/one", Entry(LINK, 0o777, 0, target="two"))
