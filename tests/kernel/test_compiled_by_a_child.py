"""A child compiles a watch's programs: LLVM stays with it, and so does whatever goes wrong."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bpf_objects import gone, ids
from tests.kernel.test_holding import HELD
from tracer.collect import handed, watch_compiler
from tracer.collect.counters import HOOKS
from tracer.collect.holding import Holding
from tracer.collect.shape import Shape, shape
from tracer.collect.watch_program import Order, loaded
from tracer.errors import CollectFailed, NotSupported

pytestmark = pytest.mark.kernel

WANTED = shape(HELD)
MODULE = "tracer.collect.watch_compiler"

HOLDS = """
import os, sys
from tests.kernel.test_holding import HELD
from tracer.collect.holding import Holding
from tracer.collect.shape import shape
def anonymous():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
sys.modules.pop("bcc", None)
before = anonymous()
with Holding(shape(HELD), 6) as holding:
    holding.hold(HELD)
    print("bcc" in sys.modules, "bcc" in open("/proc/self/maps").read(), anonymous() - before)
"""


def descriptors() -> set[str]:
    gc.collect()
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}")
        except FileNotFoundError:
            continue
    return found


def child() -> int:
    """Waits for it, and for it to be at work."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                stat = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
                libraries = Path(f"/proc/{entry}/maps").read_text()
            except OSError:
                continue
            if stat[1] == str(os.getpid()) and MODULE.encode() in words and "libbcc" in libraries:
                return int(entry)
        time.sleep(0.005)
    raise AssertionError("no child was started")


def with_a_child_that(ends: Callable[[int], None], action: Callable[[], object]) -> None:
    """Do something to the child while `action` waits for it."""
    thread = threading.Thread(target=lambda: ends(child()))
    thread.start()
    try:
        action()
    finally:
        thread.join()


def test_the_process_that_holds_never_sees_bcc_and_stays_small() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOLDS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    imported, mapped, grown = done.stdout.split()
    assert (imported, mapped) == ("False", "False")
    assert int(grown) < 8_000, "kB; LLVM and the kernel's types take 40,000"


def test_nothing_stays_open_after_it() -> None:
    Holding(WANTED, 6).close()  # what is imported once, or read once
    before = descriptors()
    for _ in range(2):
        with Holding(WANTED, 6) as holding:
            programs = ids(map(holding.program, HOOKS))
        assert gone(programs)
    del holding
    assert descriptors() <= before


def test_descriptors_are_not_passed_on_to_commands_that_are_run() -> None:
    with Holding(WANTED, 6) as holding:
        assert not os.get_inheritable(holding.program("vtep_out"))
        listed = subprocess.run(
            ["ls", "-l", "/proc/self/fd"],
            capture_output=True,
            text=True,
            check=True,
            close_fds=False,
        ).stdout
    assert "bpf" not in listed


def test_what_the_kernel_or_the_compiler_refuses_arrives_as_the_same_error() -> None:
    order = Order(shape=WANTED, slots=6, ring_bytes=3 * os.sysconf("SC_PAGE_SIZE"))
    with pytest.raises(NotSupported) as here:
        watch_compiler.compiled(order)
    before = descriptors()
    with pytest.raises(NotSupported) as there:
        loaded(order.shape, order.slots, order.ring_bytes)
    assert (there.value.what, there.value.where) == (here.value.what, here.value.where)
    assert there.value.hint == here.value.hint
    assert descriptors() <= before


def test_a_child_that_raises_is_quoted() -> None:
    nonsense = Shape(("no network",), (), (24,), (), (8472,))
    with pytest.raises(CollectFailed) as caught:
        loaded(nonsense, 6, 1 << 20)
    assert caught.value.what == (
        "cannot compile the BPF programs: its process ended with exit code 1: ValueError:"
        " 'no network' does not appear to be an IPv4 or IPv6 network"
    )
    assert caught.value.where == f"{sys.executable} -m {MODULE}"


def test_a_child_that_is_killed_is_said_to_be() -> None:
    before = descriptors()
    with pytest.raises(CollectFailed, match="its process was killed by SIGKILL"):
        with_a_child_that(
            lambda pid: os.kill(pid, signal.SIGKILL), lambda: loaded(WANTED, 6, 1 << 20)
        )
    assert descriptors() <= before


def test_a_child_that_hangs_is_waited_for_until_its_time_is_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handed, "LIMIT_S", 3.0)
    stopped: list[int] = []

    def stop(pid: int) -> None:
        stopped.append(pid)
        os.kill(pid, signal.SIGSTOP)

    before = descriptors()
    with pytest.raises(CollectFailed, match="it takes longer than 3 s"):
        with_a_child_that(stop, lambda: loaded(WANTED, 6, 1 << 20))
    assert not Path(f"/proc/{stopped[0]}").exists()
    assert descriptors() <= before


def test_too_few_files_are_said_to_be() -> None:
    code = """
import resource
from tests.kernel.test_compiled_by_a_child import WANTED, with_a_child_that
from tracer.collect.watch_program import loaded
from tracer.errors import CollectFailed
try:
    with_a_child_that(
        lambda _: resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16)),
        lambda: loaded(WANTED, 6, 1 << 20),
    )
except CollectFailed as error:
    print(error.what)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert "may not open as many files" in done.stdout, done.stderr
