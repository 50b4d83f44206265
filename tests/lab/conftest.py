"""One lab for all tests that do not build their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.universe import Universe

PING = str(Path(__file__).with_name("ping.py"))


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace that finds a fault keeps its recording in the folder where it was typed."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def universe() -> Iterator[Universe]:
    """An empty universe."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    made = Universe()
    yield made
    made.close()


@pytest.fixture(scope="session")
def lab() -> Iterator[Universe]:
    """A universe with a healthy lab of three nodes. A test that breaks it heals it."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    made = Universe()
    made.lab("up")
    yield made
    made.close()


def ping(lab: Universe, source: str, destination: str, size: int = 56, seconds: float = 1) -> str:
    """What became of one ping."""
    command = ["python3", PING, destination, str(size), str(seconds)]
    return lab.lab("exec", source, "--", *command).strip()
