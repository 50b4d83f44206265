"""One overlay for all kernel tests of a run; each test leaves its tables as it found them."""

import os
import select
from collections.abc import Callable, Iterator

import pytest

from tests.kernel.overlay import Overlay
from tracer.collect.bpf import Watch
from tracer.model.observation import Observation


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        for item in items:
            if item.get_closest_marker("kernel"):
                item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(scope="session")
def overlay() -> Iterator[Overlay]:
    network = Overlay()
    try:
        network.up()
        network.send(b"so that every neighbour is known")
        yield network
    finally:
        network.down()


def until(watch: Watch, enough: Callable[[list[Observation]], object]) -> list[Observation]:
    """Everything seen until there is enough of it; all there is when that takes over 5 s."""
    seen = watch.drain()
    while not enough(seen):
        if not select.select([watch], [], [], 5)[0]:
            return seen
        seen += watch.drain()
    return seen
