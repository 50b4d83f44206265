"""A bundle written is a bundle read, and never half a bundle."""

import tarfile
from pathlib import Path

import msgspec
import pytest

from tests.builders import bundle
from tests.cases import bundle_of, names
from tests.thousand import large
from tracer.bundle.archive import packed, read, write
from tracer.errors import BadBundle, UsageError
from tracer.model.bundle import FORMAT, Bundle, Trouble
from tracer.model.observation import Device, Direction, Drop, Observation


def observation() -> Observation:
    return Observation(
        node="node-b",
        device=Device.VTEP,
        direction=Direction.FREED,
        ifindex=3,
        ifname="flannel.1",
        netns=4026532000,
        skb=0xFFFF888163714100,
        time_ns=123_456_789,
        length=84,
        gso_size=0,
        ethernet=False,
        ethertype=0x0800,
        headers=bytes(range(160)),
        drop=Drop(reason="OTHERHOST", caller="ip_rcv_core+0x22c"),
    )


def whole() -> Bundle:
    return msgspec.structs.replace(
        bundle(),
        observations=(observation(), observation()),
        troubles=(Trouble(node="node-c", what="no agent", hint="try again"),),
    )


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tgz"
    write(whole(), path)
    assert read(path) == whole()


def test_the_same_bundle_gives_the_same_bytes() -> None:
    assert packed(whole()) == packed(whole())


def test_every_field_of_a_bundle_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.tgz"
    write(whole(), path)
    for field in Bundle.__struct_fields__:
        assert getattr(read(path), field) == getattr(whole(), field), field


def test_the_files_inside_are_plain_text_that_grep_finds_things_in(tmp_path: Path) -> None:
    path = tmp_path / "a.tgz"
    write(whole(), path)
    with tarfile.open(path) as archive:
        texts = {
            member.name.split("/", 1)[1]: file.read()
            for member in archive
            if (file := archive.extractfile(member)) is not None
        }
    assert set(texts) >= {"bundle.json", "cluster.json", "nodes/node-a.json", "observations.jsonl"}
    assert b"VtepMAC" in texts["cluster.json"]
    assert texts["observations.jsonl"].count(b"\n") == 2


def test_a_failed_write_leaves_the_old_file_and_no_scratch(tmp_path: Path) -> None:
    path = tmp_path / "a.tgz"
    write(whole(), path)
    before = path.read_bytes()

    class Interrupted(BaseException):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", interrupt)
        with pytest.raises(Interrupted):
            write(bundle(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write the bundle"):
        write(whole(), tmp_path / "nowhere" / "a.tgz")


def test_a_newer_bundle_is_refused_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a.tgz"
    write(msgspec.structs.replace(whole(), format=FORMAT + 1), path)
    with pytest.raises(BadBundle, match=rf"newer flantrace \(format {FORMAT + 1}"):
        read(path)


def test_a_bundle_of_many_nodes_stays_small(tmp_path: Path) -> None:
    """A hundredth of a thousand nodes' entries; `make bench` makes and reads all of them."""
    path = tmp_path / "large.tgz"
    made = large(100)
    write(made, path)
    assert path.stat().st_size < 500_000
    assert read(path) == made


@pytest.mark.parametrize("name", names())
def test_a_recorded_bundle_is_far_below_two_hundred_kilobytes(name: str) -> None:
    assert len(packed(read(bundle_of(name)))) < 50_000
