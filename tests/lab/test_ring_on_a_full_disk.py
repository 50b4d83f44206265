"""A ring of segments on a small real file system: full, read-only, unmounted, and well again."""

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.builders import bundle
from tests.lab.universe import Universe
from tracer.bundle.archive import packed, read
from tracer.bundle.segments import Segments
from tracer.model.bundle import Bundle, Trouble

START = datetime.fromisoformat("2026-11-30T06:15:02+00:00")
PAGES = 64
"""Of 4 KiB, the size of the file system."""


class Disk:
    """A tmpfs that only a universe has mounted, looked into from here."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        # another mount namespace's files, as one of its processes sees them (proc(5))
        self.folder = Path(universe.mount_namespace).parents[1] / "root" / "run" / "small"
        self.folder.mkdir()
        self.mount()

    def mount(self) -> None:
        options = f"size={PAGES * 4}k,nr_inodes=1000"
        self._run("mount", "-t", "tmpfs", "-o", options, "tmpfs", "/run/small")

    def unmount(self) -> None:
        self._run("umount", "-l", "/run/small")

    def read_only(self, yes: bool) -> None:
        self._run("mount", "-o", f"remount,{'ro' if yes else 'rw'}", "/run/small")

    def _run(self, *words: str) -> None:
        self._universe.output(words)

    def fill(self) -> Path:
        """Until there is not one byte left."""
        path = self.folder / "of-others"
        with path.open("ab", buffering=0) as file:
            for size in (4096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue
        return path

    def segments(self) -> list[str]:
        return sorted(name for name in os.listdir(self.folder) if name != "of-others")


@pytest.fixture
def disk(universe: Universe) -> Disk:
    return Disk(universe)


def at(seconds: float) -> Bundle:
    moment = START + timedelta(seconds=seconds)
    return replace(bundle(), created_at=moment.isoformat(timespec="milliseconds"))


def ring(disk: Disk) -> Segments:
    return Segments(disk.folder, most_bytes=1 << 30, most_age_s=86_400, node="node-a")


def test_on_a_full_disk_the_oldest_go_and_none_that_is_pinned(disk: Disk) -> None:
    segments = ring(disk)
    incident = segments.write(at(0), pinned=True)
    assert isinstance(incident, Path)
    for number in (1, 2, 3):
        assert isinstance(segments.write(at(number), pinned=False), Path)
    disk.fill()
    newest = segments.write(at(4), pinned=False)
    assert isinstance(newest, Path)
    assert read(newest) == at(4)
    assert disk.segments()[0] == incident.name
    assert len(disk.segments()) == 4, "one went for one that came"
    assert [said.what for said in segments.noted()] == [
        f"the disk of {disk.folder} is full: the oldest segments go early"
    ]


def test_a_full_disk_is_told_nothing_half_written_stays_and_then_it_goes_on(disk: Disk) -> None:
    segments = ring(disk)
    assert isinstance(segments.write(at(0), pinned=True), Path)
    before = disk.segments()
    others = disk.fill()
    said = segments.write(at(1), pinned=False)
    assert isinstance(said, Trouble)
    assert "No space left on device" in said.what
    assert disk.segments() == before
    others.unlink()
    assert isinstance(segments.write(at(2), pinned=False), Path)
    assert len(disk.segments()) == 2


def test_the_ring_takes_a_whole_small_disk_and_still_goes_on(disk: Disk) -> None:
    """Its own limit is far above what there is."""
    segments = ring(disk)
    pages = -(-len(packed(at(0))) // 4096)
    for number in range(3 * PAGES // pages):
        path = segments.write(at(number), pinned=False)
        assert isinstance(path, Path), path
        assert path.name == disk.segments()[-1]
    assert len(disk.segments()) >= PAGES // pages - 2


def test_a_disk_that_went_read_only_is_told_and_then_it_goes_on(disk: Disk) -> None:
    segments = ring(disk)
    assert isinstance(segments.write(at(0), pinned=False), Path)
    before = disk.segments()
    disk.read_only(True)
    said = segments.write(at(2 * 86_400), pinned=False)
    assert isinstance(said, Trouble)
    assert "Read-only file system" in said.what
    segments.pin_last(1)
    assert disk.segments() == before
    disk.read_only(False)
    assert isinstance(segments.write(at(2 * 86_400), pinned=False), Path)
    assert len(disk.segments()) == 1, "the old one is too old by now"


def test_a_disk_that_is_taken_out_and_put_in_again_is_written_to_again(disk: Disk) -> None:
    segments = ring(disk)
    assert isinstance(segments.write(at(0), pinned=False), Path)
    disk.unmount()
    disk.folder.rmdir()
    assert isinstance(segments.write(at(1), pinned=False), Trouble)
    disk.folder.mkdir()
    disk.mount()
    path = segments.write(at(2), pinned=False)
    assert isinstance(path, Path)
    assert disk.segments() == [path.name]
