"""One lab for all tests that do not build their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.universe import Universe
from tracer.lab.shape import PLAIN

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


class Shapes:
    """Healthy labs of three nodes by shape: the plain one stays, of the others one at a time."""

    def __init__(self) -> None:
        self._plain: Universe | None = None
        self._other: tuple[str, Universe] | None = None

    def of(self, shape: str) -> Universe:
        """A lab of that shape."""
        if shape == PLAIN.name:
            self._plain = self._plain or _up(shape)
            return self._plain
        if self._other is None or self._other[0] != shape:
            self._close_other()
            self._other = shape, _up(shape)
        return self._other[1]

    def _close_other(self) -> None:
        if self._other is not None:
            self._other[1].close()
            self._other = None

    def close(self) -> None:
        """Take all labs down."""
        self._close_other()
        if self._plain is not None:
            self._plain.close()


def _up(shape: str) -> Universe:
    made = Universe()
    made.lab("up", "--shape", shape)
    return made


@pytest.fixture(scope="session")
def shapes() -> Iterator[Shapes]:
    """Labs by shape. A test that breaks one heals it."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    made = Shapes()
    yield made
    made.close()


@pytest.fixture(scope="session")
def lab(shapes: Shapes) -> Universe:
    """A universe with a healthy plain lab of three nodes. A test that breaks it heals it."""
    return shapes.of(PLAIN.name)


def ping(lab: Universe, source: str, destination: str, size: int = 56, seconds: float = 1) -> str:
    """What became of one ping."""
    command = ["python3", PING, destination, str(size), str(seconds)]
    return lab.lab("exec", source, "--", *command).strip()
