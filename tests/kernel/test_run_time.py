"""What the programs take of a CPU is measured while somebody asks, and not a moment longer."""

import os
import time

import pytest

from tests.kernel.overlay import Overlay, inside
from tests.kernel.test_devices_come_and_go import Sender
from tests.kernel.test_holding_on_devices import holding
from tracer.collect.holding import Holding
from tracer.collect.run_time import RunTime, Statistics
from tracer.errors import NotPermitted

pytestmark = pytest.mark.kernel


def grows(overlay: Overlay, one: Holding) -> bool:
    """Whether run time is measured at the moment."""
    before = one.run_ns()
    overlay.send(b"measured?", times=50)
    return one.run_ns() > before


def test_run_time_grows_with_traffic_while_it_is_measured(overlay: Overlay) -> None:
    with holding(overlay, 1) as one, RunTime(one.run_ns) as measured:
        measured.begin()
        time.sleep(0.1)
        idle = measured.end()
        with Sender(overlay) as sender:
            time.sleep(0.1)
            before = sender.sent
            measured.begin()
            time.sleep(0.3)
            busy = measured.end()
            passed = sender.sent - before
        assert idle is not None
        assert busy is not None
        assert idle < busy < 2, "of two CPUs, no more than both"
        # three hooks that each takes some 10 ns at the least and 10 us at the most
        assert 3 * passed * 10 < busy * 0.3e9 < 3 * passed * 10_000


def test_nothing_is_measured_before_and_afterwards(overlay: Overlay) -> None:
    with holding(overlay, 1) as one, RunTime(one.run_ns) as measured:
        assert measured.end() is None
        deadline = time.monotonic() + 10  # another process may measure, too
        while grows(overlay, one):
            assert time.monotonic() < deadline
        measured.begin()
        assert grows(overlay, one)
        assert measured.end() is not None
        deadline = time.monotonic() + 10
        while grows(overlay, one):
            assert time.monotonic() < deadline
        measured.begin()
        measured.close()
        while grows(overlay, one):
            assert time.monotonic() < deadline


def test_it_is_measured_where_somebody_else_measures_already(overlay: Overlay) -> None:
    with holding(overlay, 1) as one, RunTime(one.run_ns) as measured, Statistics():
        assert grows(overlay, one)
        measured.begin()
        overlay.send(b"measured by two", times=50)
        assert (measured.end() or 0) > 0
        assert grows(overlay, one), "the other one's measurement goes on"


def test_time_of_programs_that_were_replaced_stays_with_them(overlay: Overlay) -> None:
    with holding(overlay, 1) as one, holding(overlay, 1) as two, Statistics():
        with inside(overlay.node(1)):
            one.replaced_by(two)
        before = one.run_ns()
        assert grows(overlay, two)
        assert one.run_ns() == before


def test_without_the_right_it_is_said_what_is_missing() -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setuid(65534)
            Statistics()
        except NotPermitted as error:
            os.write(writing, f"{error.what}; {error.hint}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        assert said.read() == (
            "the programs' run time cannot be measured: Operation not permitted; it takes Linux 5.8"
            " and CAP_SYS_ADMIN; samples are taken all the same"
        )
    os.waitpid(pid, 0)
