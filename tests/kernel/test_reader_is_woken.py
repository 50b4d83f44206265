"""When the reader of a watch is woken: for what deviates, and before the ring is full."""

import select
import time
from collections.abc import Iterator

import pytest

from tests.kernel.test_holding import MAC_A, OTHER_MAC, POD_A, POD_B, Kernel, inner
from tracer.collect.layout import STEP
from tracer.collect.watch_program import LOOK_EVERY_NS

pytestmark = pytest.mark.kernel

SOON_S = LOOK_EVERY_NS / 1e9 / 10
GOOD = inner(POD_A, POD_B)
STALE = inner(POD_A, POD_B, to=OTHER_MAC, by=MAC_A)


def readable(kernel: Kernel, within_s: float) -> bool:
    return bool(select.select([kernel.holding.fileno()], [], [], within_s)[0])


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    """Every packet a sample, and the reader has just looked."""
    made = Kernel()
    made.holding.sample(1)
    list(made.holding.records())
    yield made
    made.holding.close()


def test_a_sample_waits_until_the_reader_looks_by_itself(kernel: Kernel) -> None:
    began = time.monotonic()
    kernel.feed("from_pod", GOOD)
    assert not readable(kernel, SOON_S)
    assert readable(kernel, 1)
    assert time.monotonic() - began <= LOOK_EVERY_NS / 1e9 + SOON_S
    assert len(list(kernel.holding.records())) == 1


def test_a_deviation_wakes_the_reader_at_once(kernel: Kernel) -> None:
    kernel.feed("vtep_out", STALE)
    assert readable(kernel, SOON_S)
    assert len(kernel.records()) == 1


def test_after_waking_the_reader_looks_once_more_soon(kernel: Kernel) -> None:
    kernel.feed("vtep_out", STALE)
    assert readable(kernel, SOON_S)
    list(kernel.holding.records())
    assert readable(kernel, SOON_S)
    list(kernel.holding.records())
    assert not readable(kernel, SOON_S)


def test_between_looks_samples_do_not_keep_it_awake(kernel: Kernel) -> None:
    kernel.feed("vtep_out", STALE)
    for _ in range(2):
        assert readable(kernel, SOON_S)
        kernel.records()
        kernel.feed("from_pod", GOOD)
    list(kernel.holding.records())
    kernel.feed("from_pod", GOOD)
    assert not readable(kernel, SOON_S)


def test_it_is_woken_in_every_quarter_of_a_ring_that_fills(kernel: Kernel) -> None:
    quarter = (1 << 20) // 4 // STEP + 1
    for _ in range(9):
        kernel.feed("from_pod", GOOD, quarter)
        assert readable(kernel, SOON_S)
        assert len(list(kernel.holding.records())) == quarter
        if readable(kernel, SOON_S):  # the look that follows on being woken
            list(kernel.holding.records())
        assert not readable(kernel, SOON_S)
    assert kernel.holding.lost() == 0


def test_what_a_reader_that_lags_cannot_be_given_is_counted(kernel: Kernel) -> None:
    fits = (1 << 20) // STEP
    kernel.feed("from_pod", GOOD, fits + 1000)
    taken = len(list(kernel.holding.records()))
    assert taken == fits
    assert kernel.holding.lost() == 1000
    kernel.feed("from_pod", GOOD)
    assert len(list(kernel.holding.records())) == 1, "and then it goes on"
