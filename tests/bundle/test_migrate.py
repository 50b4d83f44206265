"""Older bundles are lifted step by step; the steps' machinery is tested with steps of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.bundle.test_archive import whole
from tracer.bundle import archive, migrate
from tracer.bundle.archive import read, write
from tracer.errors import BadBundle
from tracer.model.bundle import FORMAT


def renamed(old: bytes, new: bytes) -> Callable[[migrate.Texts], migrate.Texts]:
    def step(texts: migrate.Texts) -> migrate.Texts:
        return {name: text.replace(old, new) for name, text in texts.items()}

    return step


def test_every_format_before_todays_has_its_step() -> None:
    assert sorted(migrate.STEPS) == list(range(1, FORMAT))


def test_a_bundle_of_two_formats_ago_is_lifted_twice_and_its_nodes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if `kernel` had been called `release`, and before that `uname`."""
    path = tmp_path / "old.tgz"
    write(whole(), path)
    monkeypatch.setattr(archive, "FORMAT", FORMAT + 2)
    monkeypatch.setattr(migrate, "FORMAT", FORMAT + 2)
    steps = {
        FORMAT: renamed(b'"kernel": "6.12.0"', b'"uname": "6.12.0-old"'),
        FORMAT + 1: renamed(b'"uname"', b'"kernel"'),
    }
    monkeypatch.setattr(migrate, "STEPS", steps)
    lifted = read(path)
    assert {state.kernel for state in lifted.nodes.values()} == {"6.12.0-old"}


@pytest.mark.parametrize("number", [0, -1, FORMAT + 1])
def test_a_format_that_never_was_is_refused(tmp_path: Path, number: int) -> None:
    path = tmp_path / "odd.tgz"
    write(replace(whole(), format=number), path)
    with pytest.raises(BadBundle, match=r"newer flantrace|has no format"):
        read(path)
