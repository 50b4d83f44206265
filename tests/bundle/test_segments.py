"""The ring of segments: within its limits, incidents kept longest, nothing else touched."""

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.builders import bundle
from tests.cases import BUNDLE, CHECK, SWAPPED, bundle_of, names
from tracer.bundle.archive import packed, read
from tracer.bundle.segment_names import Names
from tracer.bundle.segments import Segments
from tracer.cli.main import run
from tracer.core.conclude import conclude
from tracer.errors import UsageError
from tracer.model.bundle import Bundle, Trouble

START = datetime(2026, 11, 30, 6, 15, 2, tzinfo=UTC)
MINUTE, DAY = 60.0, 86_400.0


def at(seconds: float, ballast: int = 0) -> Bundle:
    """A recording of that moment, heavier by so many bytes that do not compress."""
    moment = (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
    words = os.urandom(ballast).hex()
    trouble = Trouble(node=None, what=words, hint="") if ballast else None
    return replace(bundle(), created_at=moment, troubles=(trouble,) if trouble else ())


ONE = len(packed(at(0)))


def ring(folder: Path, *, most_bytes: int = 100 * ONE, node: str = "node-a") -> Segments:
    return Segments(folder, most_bytes=most_bytes, most_age_s=DAY, node=node)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def written(segments: Segments, seconds: float, *, pinned: bool = False) -> Path:
    path = segments.write(at(seconds), pinned=pinned)
    assert isinstance(path, Path), path
    return path


def test_a_segment_is_named_by_its_moment_and_its_node(tmp_path: Path) -> None:
    path = written(ring(tmp_path), 0.25)
    assert path.name == "flantrace-20261130T061502.250Z-node-a.tgz"
    assert read(path) == at(0.25)


def test_two_of_one_moment_are_two(tmp_path: Path) -> None:
    segments = ring(tmp_path)
    assert written(segments, 0) < written(segments, 0) < written(segments, 0.1)
    assert len(files(tmp_path)) == 3


def test_what_is_too_old_goes_and_what_is_pinned_stays(tmp_path: Path) -> None:
    segments = ring(tmp_path)
    incident = written(segments, 0, pinned=True)
    written(segments, MINUTE)
    late = written(segments, MINUTE + DAY + 1)
    assert files(tmp_path) == [incident.name, late.name]


def test_prune_lets_go_of_what_is_old_without_a_new_one(tmp_path: Path) -> None:
    segments = ring(tmp_path)
    written(segments, 0)
    segments.prune(START.timestamp() + DAY - 1)
    assert len(files(tmp_path)) == 1
    segments.prune(START.timestamp() + DAY + 1)
    assert files(tmp_path) == []


def test_at_the_limit_of_size_the_oldest_goes(tmp_path: Path) -> None:
    segments = ring(tmp_path, most_bytes=2 * ONE + ONE // 2)
    kept = [written(segments, MINUTE * number) for number in range(5)]
    assert files(tmp_path) == [path.name for path in kept[3:]]
    assert segments.noted() == ()


@pytest.mark.parametrize(("spare", "left"), [(0, 2), (-1, 1)])
def test_the_limit_of_size_is_one_to_the_byte(tmp_path: Path, spare: int, left: int) -> None:
    every = [at(number) for number in range(3)]
    most = sum(len(packed(one)) for one in every[1:]) + spare
    segments = ring(tmp_path, most_bytes=most)
    for one in every:
        assert isinstance(segments.write(one, pinned=False), Path)
    assert len(segments.kept()) == left


def test_at_the_limit_of_size_pinned_ones_go_last_and_it_says_so(tmp_path: Path) -> None:
    segments = ring(tmp_path, most_bytes=2 * ONE + ONE // 2)
    incident = written(segments, 0, pinned=True)
    for number in (1, 2, 3):
        written(segments, number * MINUTE)
        assert incident.exists()
    assert segments.noted() == ()
    second = written(segments, 4 * MINUTE, pinned=True)
    third = written(segments, 5 * MINUTE, pinned=True)
    assert files(tmp_path) == [second.name, third.name]
    (said,) = segments.noted()
    assert incident.name in said.what
    assert "--record-size" in said.hint
    assert segments.noted() == (), "it is said once"


def test_one_larger_than_the_whole_ring_is_refused_and_costs_nothing(tmp_path: Path) -> None:
    segments = ring(tmp_path, most_bytes=2 * ONE)
    written(segments, 0)
    said = segments.write(at(MINUTE, ballast=4 * ONE), pinned=True)
    assert isinstance(said, Trouble)
    assert "larger than the whole ring" in said.what
    assert len(files(tmp_path)) == 1


def test_what_came_just_before_is_pinned_when_something_begins(tmp_path: Path) -> None:
    segments = ring(tmp_path)
    for number in range(4):
        written(segments, number)
    segments.pin_last(2)
    segments.pin_last(0)
    assert [one.name.pinned for one in segments.kept()] == [False, False, True, True]
    segments.prune(START.timestamp() + 2 * DAY)
    assert [read(one.path) for one in segments.kept()] == [at(2), at(3)]


def test_after_a_restart_it_goes_on_with_what_is_there(tmp_path: Path) -> None:
    first = ring(tmp_path)
    written(first, 0)
    incident = written(first, 1, pinned=True)
    second = ring(tmp_path)
    second.prune(START.timestamp() + 2 * DAY)
    assert files(tmp_path) == [incident.name]


FOREIGN = (
    "notes.txt",
    "flantrace-20260101T000000Z.tgz",
    "flantrace-20260101T000000.000Z-node-b.tgz",
    "flantrace-20260101T000000.000Z-node-a.tgz.bak",
    "flantrace-20261341T000000.000Z-node-a.tgz",
    ".flantrace-20260101T000000.000Z-node-b.tgz.abcdefgh",
    ".notes.txt.abcdefgh",
)
"""Saved by hand, of another node, with a month that there is not, or of another program."""


def test_what_it_has_not_written_is_never_touched(tmp_path: Path) -> None:
    for name in FOREIGN:
        (tmp_path / name).write_text(name)
    (tmp_path / "flantrace-20260101T000000.000Z-node-a.tgz").mkdir()
    (tmp_path / "flantrace-20260102T000000.000Z-node-a.tgz").symlink_to(tmp_path / "notes.txt")
    before = files(tmp_path)
    segments = ring(tmp_path, most_bytes=ONE)
    segments.pin_last(9)
    segments.prune(START.timestamp())
    assert files(tmp_path) == before
    assert [(tmp_path / name).read_text() for name in FOREIGN] == list(FOREIGN)


@pytest.mark.parametrize("mark", ["", "_pinned"])
def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path, mark: str) -> None:
    half = tmp_path / f".flantrace-20260101T000000.000Z-node-a{mark}.tgz.abc_efg1"
    half.write_bytes(b"half")
    ring(tmp_path)
    assert files(tmp_path) == []


def test_rings_of_two_nodes_share_a_folder(tmp_path: Path) -> None:
    one, two = (ring(tmp_path, most_bytes=ONE + 9, node=node) for node in ("node-a", "node-a-2"))
    for number in range(3):
        written(one, number)
        written(two, number)
    assert len(one.kept()) == len(two.kept()) == 1
    assert len(files(tmp_path)) == 2


def test_a_name_too_long_for_a_file_or_no_name_of_a_node_is_shortened(tmp_path: Path) -> None:
    for node in ("n" * 253, "../../etc/NODE", "n" * 252 + "m"):
        segments = ring(tmp_path, node=node)
        path = written(segments, 0)
        assert path.parent == tmp_path
        assert [one.path for one in segments.kept()] == [path]
    assert len(files(tmp_path)) == 3


def test_a_recording_that_replay_would_refuse_is_not_kept(tmp_path: Path) -> None:
    said = ring(tmp_path).write(replace(at(0), request=None, check=None), pinned=False)
    assert isinstance(said, Trouble)
    assert files(tmp_path) == []


@pytest.mark.parametrize("folder", ["file", "nowhere/ring"])
def test_a_folder_that_cannot_be_is_a_usage_error(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot record to"):
        ring(tmp_path / folder)


def test_a_new_folder_is_made(tmp_path: Path) -> None:
    assert written(ring(tmp_path / "ring"), 0).exists()


def test_a_folder_that_went_away_is_told_and_when_it_is_back_it_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "ring"
    segments = ring(folder)
    folder.rmdir()
    said = segments.write(at(0), pinned=False)
    assert isinstance(said, Trouble)
    assert "No such file" in said.what
    assert said.node == "node-a"
    segments.pin_last(1)
    segments.prune(START.timestamp())
    assert len(segments.noted()) == 2
    folder.mkdir()
    assert written(segments, 1).exists()


def test_a_full_disk_costs_no_more_than_twice_the_room_that_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever else fills the disk would have all that the ring frees."""
    segments = ring(tmp_path)
    for number in range(10):
        written(segments, number)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tracer.bundle.segments.replace_whole", full)
    assert isinstance(segments.write(at(20), pinned=True), Trouble)
    assert len(files(tmp_path)) >= 7


RECORDED = [(name, file) for file in (BUNDLE, SWAPPED, CHECK) for name in names(file)]


def test_every_kept_segment_is_the_recording_that_it_was(tmp_path: Path) -> None:
    """All recorded cases go into a ring that holds half of them."""
    every = [read(bundle_of(*case)) for case in RECORDED]
    most = sum(len(packed(one)) for one in every) // 2
    segments = Segments(tmp_path, most_bytes=most, most_age_s=10 * 365 * DAY, node="node-a")
    for bundle_ in every:
        assert isinstance(segments.write(bundle_, pinned=False), Path)
    kept = [read(segment.path) for segment in segments.kept()]
    assert len(kept) > len(every) // 4
    assert all(one in every for one in kept)


@pytest.mark.parametrize(("name", "file"), RECORDED[::9], ids="-".join)
def test_every_kept_segment_replays_to_the_findings_that_were_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, file: str
) -> None:
    recorded = read(bundle_of(name, file))
    segments = ring(tmp_path, most_bytes=1 << 20)
    path = segments.write(recorded, pinned=False)
    segments.pin_last(1)
    (segment,) = segments.kept()
    assert segment.path != path, "pinned, it is called otherwise"
    assert conclude(read(segment.path)).findings == conclude(recorded).findings
    codes = [run(["replay", str(one)]) for one in (segment.path, bundle_of(name, file))]
    assert codes[0] == codes[1]
    text = capsys.readouterr().out
    assert text[: len(text) // 2] == text[len(text) // 2 :]


Step = tuple[str, int, bool]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "write", "pin", "prune", "restart"]),
        st.integers(0, 5),
        st.booleans(),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_it_is_never_above_its_limits_and_pinned_ones_go_last(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    folder = tmp_path_factory.mktemp("ring")
    (folder / "foreign.tgz").write_bytes(b"\0" * 4096)
    most, hours, segments = 4 * ONE, 0, ring(folder, most_bytes=4 * ONE)
    for what, number, pinned in steps:
        before = {one.name.moment: one for one in segments.kept()}
        hours += number
        now = START.timestamp() + hours * 3600
        written_at = None
        if what == "write":
            path = segments.write(at(hours * 3600.0, ballast=number * 200), pinned=pinned)
            assert isinstance(path, Path)
            name = Names("node-a").read(path.name)
            assert name is not None
            written_at = name.moment
        elif what == "pin":
            segments.pin_last(number)
        elif what == "prune":
            segments.prune(now)
        else:
            segments = ring(folder, most_bytes=most)
        after = {one.name.moment: one for one in segments.kept()}
        assert sum(one.bytes for one in after.values()) <= most
        if what in ("write", "prune"):
            assert all(
                one.name.pinned or one.name.moment.timestamp() >= now - DAY
                for one in after.values()
            )
        gone = [one for moment, one in before.items() if moment not in after]
        if any(one.name.pinned for one in gone):
            left = [one for moment, one in after.items() if moment != written_at]
            assert all(one.name.pinned for one in left)
            assert segments.noted()
        assert (folder / "foreign.tgz").read_bytes() == b"\0" * 4096
