"""The real cluster, for every test below."""

from collections.abc import Iterator

import pytest

from cluster.setup import Cluster, down, running, up
from cluster.shell import Failed


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster that is up, or one that is brought up for this run."""
    try:
        yield running()
        return
    except Failed:
        pass
    try:
        yield up()
    finally:
        down()
