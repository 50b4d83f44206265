"""Bundles that are truncated, hostile or no bundles at all end in one clear error."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bundle.test_archive import whole
from tracer.bundle.archive import packed, read
from tracer.bundle.unpack import texts
from tracer.errors import BadBundle

WHOLE = packed(whole())


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as out:
        for member, content in members:
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    path.write_bytes(buffer.getvalue())
    return path


def file(name: str, content: bytes = b"{}") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), content


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_bundle_is_said_to_be_truncated(tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.tgz"
    path.write_bytes(WHOLE[: int(len(WHOLE) * share)])
    with pytest.raises(BadBundle):
        read(path)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "top/../../x", "alone"])
def test_a_path_that_leaves_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "a.tgz", file(name))
    with pytest.raises(BadBundle, match="leaves the archive"):
        texts(path)


def test_links_and_devices_are_passed_over(tmp_path: Path) -> None:
    link = tarfile.TarInfo("top/bundle.json")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    path = archive(tmp_path / "a.tgz", (link, b""), file("top/cluster.json"))
    assert texts(path) == {"cluster.json": b"{}"}


def sparse(path: Path, size: int) -> Path:
    """An archive of one file of so many bytes, all of them a hole (GNU format 0.1)."""
    member = tarfile.TarInfo("top/bundle.json")
    member.pax_headers = {"GNU.sparse.size": str(size), "GNU.sparse.map": f"{size},0"}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT) as out:
        out.addfile(member, io.BytesIO())
    path.write_bytes(buffer.getvalue())
    return path


def test_a_hole_of_a_terabyte_is_refused_before_it_is_held(tmp_path: Path) -> None:
    path = sparse(tmp_path / "hole.tgz", 1 << 40)
    with tarfile.open(path) as archive:
        assert archive.getmembers()[0].size == 1 << 40
    with pytest.raises(BadBundle, match="sparse"):
        read(path)


def test_a_bomb_ends_before_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tgz"
    with gzip.open(path, "wb", compresslevel=9) as out:
        member = tarfile.TarInfo("top/observations.jsonl")
        member.size = 200 << 20
        out.write(member.tobuf())
        for _ in range(200):
            out.write(bytes(1 << 20))
    with pytest.raises(BadBundle, match="unpacks to more than it may"):
        texts(path)


def test_a_name_of_gigabytes_ends_before_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "name.tgz"
    with gzip.open(path, "wb", compresslevel=9) as out:
        member = tarfile.TarInfo("././@LongLink")
        member.type, member.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
        out.write(member.tobuf(tarfile.GNU_FORMAT))
        out.write(bytes(40 << 20))
    with pytest.raises(BadBundle):
        texts(path)


def test_a_stated_limit_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.tgz"
    path.write_bytes(WHOLE)
    with pytest.raises(BadBundle, match="more than it may") as error:
        texts(path, limit=1000)
    assert "--max-unpacked" in error.value.hint


def test_no_such_file_and_a_folder_are_errors_not_tracebacks(tmp_path: Path) -> None:
    for path in (tmp_path / "none.tgz", tmp_path):
        with pytest.raises(BadBundle):
            read(path)


def test_a_wrong_type_names_file_and_field(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "a.tgz",
        file("top/bundle.json", b'{"format": 1, "tool_version": 7}'),
        file("top/cluster.json"),
    )
    with pytest.raises(BadBundle, match=r"bundle\.json.*tool_version"):
        read(path)


def test_deep_nesting_is_an_error_not_a_crash(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tgz", file("top/bundle.json", b'{"format":' + b"[" * 100_000))
    with pytest.raises(BadBundle):
        read(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8))
def test_a_damaged_bundle_is_read_or_refused_but_never_a_traceback(at: int, noise: bytes) -> None:
    path = Path(f"/tmp/flantrace-damaged-{os.getpid()}.tgz")
    path.write_bytes(WHOLE[:at] + noise + WHOLE[at + len(noise) :])
    try:
        read(path)
    except BadBundle:
        pass
    finally:
        path.unlink()


@pytest.mark.parametrize(
    "name", ["bundle.json", "cluster.json", "nodes/n.json", "observations.jsonl"]
)
def test_text_that_is_not_utf_8_is_said(tmp_path: Path, name: str) -> None:
    texts_of = texts(_written(tmp_path))
    texts_of[name] = b'{"a": "\xff"}'
    members = (file(f"top/{one}", content) for one, content in texts_of.items())
    with pytest.raises(BadBundle, match=f"damaged: {name}"):
        read(archive(tmp_path / "odd.tgz", *members))


def _written(folder: Path) -> Path:
    path = folder / "whole.tgz"
    path.write_bytes(WHOLE)
    return path
