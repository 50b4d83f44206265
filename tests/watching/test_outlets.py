"""What a watch tells goes on being told, whatever becomes of one of those it is told to."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.apiserver import serving
from tracer.collect.kube import Api
from tracer.model.bundle import Bundle, Trouble
from tracer.model.watch import Status, Turned
from tracer.watching.here import HereWay
from tracer.watching.intent import Options
from tracer.watching.watcher import Watcher


class Kept:
    """Counts the seconds that it was shown; `raises` at each of them."""

    def __init__(self, raises: Exception | None = None) -> None:
        self.shown = 0
        self._raises = raises

    def turn(self, turned: Turned, recording: Callable[[], Bundle]) -> None:
        """Nothing turns here."""

    def show(self, statuses: Sequence[Status], recording: Callable[[], Bundle]) -> None:  # noqa: ARG002
        self.shown += 1
        if self._raises is not None:
            raise self._raises

    def close(self) -> None:
        """Nothing is kept back."""


def watched(folder: Path, *outlets: Kept) -> list[Trouble]:
    """Three seconds of a watch of a cluster without nodes; what it complained of."""
    troubles: list[Trouble] = []
    with serving(folder) as server:
        api = Api(server.kubeconfig, None, 5.0)
        Watcher(api, HereWay(), (), Options(), outlets, troubles.append).run(2.5)
    return troubles


def test_one_that_fails_keeps_nobody_else_from_being_told_and_is_said_once(
    tmp_path: Path,
) -> None:
    broken, other = Kept(ValueError("full")), Kept()
    troubles = watched(tmp_path, broken, other)
    assert other.shown == broken.shown >= 2
    (one,) = (one for one in troubles if "bug" in one.what)
    assert one.what == "this is a bug in flantrace: ValueError: full"
    assert "Kept" in one.hint


def test_nobody_reads_any_more_ends_the_watch(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError):
        watched(tmp_path, Kept(BrokenPipeError()))
