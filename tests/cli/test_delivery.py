"""What becomes of a recording: kept, reported, printed; whatever fails, nothing is lost."""

import io
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cases import bundle_of
from tests.test_cases import replayed
from tracer.bundle.archive import read
from tracer.bundle.whole import write_whole
from tracer.cli.answer import Answer
from tracer.cli.delivery import Delivery, deliver, delivery_of
from tracer.cli.interrupts import held, interruptible
from tracer.errors import UsageError
from tracer.formats import Format
from tracer.model.bundle import Bundle

FAULT = bundle_of("fdb-missing")
HEALTHY = bundle_of("healthy")
WORDS = {"save_to": None, "no_save": False, "reports": ()}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command was typed."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_recording_with_a_fault_is_kept_unasked_and_its_path_is_said_on_stderr(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = deliver(read(FAULT), Delivery(answer=Answer()))
    said = capsys.readouterr()
    (kept,) = files(folder)
    assert code == 1
    assert kept.startswith("flantrace-2026")
    assert f"kept: {kept}" in said.err
    assert kept not in said.out


def test_stdout_of_a_kept_recording_equals_its_replay(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(read(FAULT), Delivery(answer=Answer()))
    live = capsys.readouterr().out
    (kept,) = files(folder)
    assert replayed(folder / kept) == (1, live)


def test_a_second_recording_of_the_same_second_does_not_replace_the_first(folder: Path) -> None:
    for _ in range(2):
        deliver(read(FAULT), Delivery(answer=Answer()))
    assert len(files(folder)) == 2


def test_a_healthy_recording_is_kept_only_where_a_name_is_given(folder: Path) -> None:
    assert deliver(read(HEALTHY), Delivery(answer=Answer())) == 0
    assert files(folder) == []
    deliver(read(HEALTHY), Delivery(answer=Answer(), save_to=Path("mine.tgz")))
    assert files(folder) == ["mine.tgz"]


def test_no_save_forbids_it(folder: Path) -> None:
    deliver(read(FAULT), Delivery(answer=Answer(), keep=False))
    assert files(folder) == []


def test_an_interrupted_recording_is_kept_though_all_that_was_seen_is_well(folder: Path) -> None:
    assert deliver(read(HEALTHY), Delivery(answer=Answer()), interrupted=True) == 130
    assert len(files(folder)) == 1


def test_where_this_folder_may_not_be_written_it_goes_to_the_temporary_ones(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(elsewhere))
    deliver(read(FAULT), Delivery(answer=Answer()))
    (kept,) = files(elsewhere)
    assert str(elsewhere / kept) in capsys.readouterr().err


def test_a_full_disk_does_not_withhold_the_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise UsageError("No space left on device", where="here", hint="there")

    monkeypatch.setattr("tracer.cli.delivery.write", full)
    assert deliver(read(FAULT), Delivery(answer=Answer())) == 1
    said = capsys.readouterr()
    assert "not kept: No space left" in said.err
    assert said.out.count("fdb-missing") > 0


def test_a_bug_in_the_diagnosis_loses_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Bundle) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tracer.core.conclude.conclude", broken)
    with pytest.raises(ZeroDivisionError):
        deliver(read(HEALTHY), Delivery(answer=Answer()))
    (kept,) = files(folder)
    assert read(folder / kept) == read(HEALTHY)


def test_a_closed_pipe_loses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Closed())
    with pytest.raises(BrokenPipeError):
        deliver(read(FAULT), Delivery(answer=Answer()))
    assert len(files(folder)) == 1


def test_reports_are_written_beside_the_answer(folder: Path) -> None:
    wanted = ((Format.MARKDOWN, Path("a.md")), (Format.JSON, Path("a.json")))
    deliver(read(FAULT), Delivery(answer=Answer(), keep=False, reports=wanted))
    assert (folder / "a.md").read_text() == replayed(FAULT, "--format", "markdown")[1]
    assert (folder / "a.json").read_text() == replayed(FAULT, "--json")[1]


@pytest.mark.parametrize("word", ["html", "=x", "novel=x.txt", "markdown="])
def test_a_report_that_cannot_be_meant_is_said_before_anything_is_recorded(word: str) -> None:
    with pytest.raises(UsageError, match="is no report"):
        delivery_of(Answer(), WORDS | {"reports": (word,)})


def test_a_target_that_cannot_be_written_is_said_before_anything_is_recorded() -> None:
    with pytest.raises(UsageError, match="cannot write the report"):
        delivery_of(Answer(), WORDS | {"reports": ("json=no/such/folder/x.json",)})
    with pytest.raises(UsageError, match="cannot write the bundle"):
        delivery_of(Answer(), WORDS | {"save_to": Path("no/such/folder/x.tgz")})


def test_to_save_and_not_to_save_is_a_contradiction() -> None:
    with pytest.raises(UsageError, match="contradict"):
        delivery_of(Answer(), WORDS | {"save_to": Path("x.tgz"), "no_save": True})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_of_writing_waits_until_the_file_is_whole(
    number: signal.Signals, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(path: Path, content: bytes, **words: str) -> None:
        os.kill(os.getpid(), number)
        time.sleep(0.05)
        write_whole(path, content, **words)

    monkeypatch.setattr("tracer.bundle.archive.write_whole", slow)
    with interruptible(), pytest.raises(KeyboardInterrupt):
        deliver(read(FAULT), Delivery(answer=Answer(), save_to=Path("mine.tgz")))
    assert files(folder) == ["mine.tgz"]
    assert read(folder / "mine.tgz") == read(FAULT)


def test_it_waits_with_threads_of_channels_about_as_well(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait, daemon=True)
    thread.start()
    try:
        test_a_signal_in_the_middle_of_writing_waits_until_the_file_is_whole(
            signal.SIGTERM, folder, monkeypatch
        )
    finally:
        over.set()
        thread.join()


def test_what_a_signal_meant_before_it_means_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruptible(), held():
        pass
    assert signal.getsignal(signal.SIGTERM) == before
    assert threading.current_thread() is threading.main_thread()
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
