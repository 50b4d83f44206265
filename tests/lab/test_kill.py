"""Whoever is killed in the middle of a trace, nothing of it stays, and half a result is printed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bpf_objects import gone, held_by

pytestmark = pytest.mark.lab

FLANTRACE = str(Path(sys.executable).parent / "flantrace")
MARK = "FLANTRACE_TEST_RUN"
PATIENCE_S = 15


@pytest.fixture(scope="module", autouse=True)
def lab() -> Iterator[None]:
    subprocess.run([FLANTRACE, "lab", "up"], check=True, capture_output=True)
    yield
    subprocess.run([FLANTRACE, "lab", "down"], check=True, capture_output=True)


def processes(mark: str) -> dict[int, str]:
    """pid -> command line of every process of one run, by a variable of its environment."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().decode()
        except OSError:
            continue
    return found


def until(condition: object, what: str) -> None:
    """Poll, for at most PATIENCE_S."""
    assert callable(condition)
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def watching(mark: str) -> subprocess.Popen[str]:
    """A passive trace, at the moment at which both agents watch."""
    started = subprocess.Popen(
        [FLANTRACE, "--lab", "pod-a", "pod-b", "--passive", "--for", "60s"],
        env={**os.environ, MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stderr is not None
    for line in started.stderr:
        if line.startswith("watching"):
            return started
    raise AssertionError("the trace never began to watch")


def agents(mark: str, operator: int) -> list[int]:
    return [pid for pid in processes(mark) if pid != operator]


def programs(mark: str) -> set[int]:
    """What its agents hold in the kernel."""
    return set().union(*map(held_by, processes(mark)))


def test_a_killed_operator_leaves_no_agent_and_no_program() -> None:
    started = watching("operator")
    assert len(agents("operator", started.pid)) == 2
    held = programs("operator")
    assert held
    started.kill()
    started.wait()
    until(lambda: not processes("operator"), "agents outlived their operator")
    assert gone(held, PATIENCE_S), "programs outlived their agents"


@pytest.mark.parametrize("which", [0, 1])
def test_a_killed_agent_makes_the_verdict_unknown_and_leaves_nothing(which: int) -> None:
    mark = f"agent{which}"
    started = watching(mark)
    held = programs(mark)
    os.kill(sorted(agents(mark, started.pid))[which], signal.SIGKILL)
    until(lambda: len(agents(mark, started.pid)) == 1, "the killed agent is still there")
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=PATIENCE_S)
    assert "\nUNKNOWN  " in out, out
    assert "stopped answering" in out
    assert "Traceback" not in err
    assert started.returncode == 130
    until(lambda: not processes(mark), "a process stayed")
    assert gone(held, PATIENCE_S), "a program stayed"


def test_an_interrupted_trace_prints_what_it_saw_and_says_130() -> None:
    started = watching("interrupted")
    held = programs("interrupted")
    started.send_signal(signal.SIGINT)
    out, _ = started.communicate(timeout=PATIENCE_S)
    assert started.returncode == 130
    assert "UNKNOWN" in out
    until(lambda: not processes("interrupted"), "a process stayed")
    assert gone(held, PATIENCE_S), "a program stayed"
