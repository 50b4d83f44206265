"""What a pod of flantrace's does between traces: wait, and leave at once when it is told to."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import children


def idling(*before: str) -> subprocess.Popen[bytes]:
    """`flantrace idle`, at the moment at which it waits."""
    started = subprocess.Popen([*before, sys.executable, "-m", "tracer", "idle"])
    until = time.monotonic() + 20
    while not waits(started.pid):
        assert started.poll() is None, "it ended by itself"
        assert time.monotonic() < until, "it never came to wait"
        time.sleep(0.02)
    return started


def waits(pid: int) -> bool:
    """Whether the process, or the one child that it has, ignores SIGCHLD: it does so last."""
    status = Path(f"/proc/{(children(pid) or [pid])[0]}/status").read_text()
    ignored = next(line for line in status.splitlines() if line.startswith("SigIgn"))
    return bool(int(ignored.split()[1], 16) & 1 << (signal.SIGCHLD - 1))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_ends_with_zero_at_once_when_it_is_told_to(number: int) -> None:
    process = idling()
    told = time.monotonic()
    process.send_signal(number)
    assert process.wait(5) == 0
    assert time.monotonic() - told < 1


def test_idle_ends_as_the_first_process_of_a_container_too_and_leaves_no_zombies_until_then() -> (
    None
):
    if os.geteuid() != 0:
        pytest.skip("a PID namespace needs root")
    outside = idling("unshare", "--pid", "--fork", "--kill-child")
    (inside,) = children(outside.pid)
    enter = ["nsenter", f"--target={inside}", "--pid"]
    # a child whose parent is gone becomes the first process's
    subprocess.run([*enter, "sh", "-c", "sleep 0.2 & exit"], check=True)
    time.sleep(0.5)
    assert Path(f"/proc/{inside}/task/{inside}/children").read_text() == ""
    os.kill(inside, signal.SIGTERM)
    assert outside.wait(5) == 0
