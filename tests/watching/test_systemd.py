"""systemd is told what it asks for, by a real socket; and whoever is not asked says nothing."""

import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracer.watching.systemd import LONGEST, Systemd


class Manager:
    """The end of the socket that systemd would have."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(5)

    def heard(self) -> list[str]:
        """The lines of the next datagram."""
        return self.socket.recv(4096).decode().split("\n")

    def silent(self) -> bool:
        self.socket.setblocking(False)
        try:
            self.socket.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(5)
        return False


@pytest.fixture(params=["path", "abstract"])
def named(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Manager, str]]:
    """A manager, and its name as NOTIFY_SOCKET has it."""
    path = str(tmp_path / "notify")
    abstract = f"flantrace-test-{os.getpid()}"
    made = Manager(path if request.param == "path" else f"\0{abstract}")
    yield made, path if request.param == "path" else f"@{abstract}"
    made.socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.socket.close()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(tmp_path / "notify"), "HOME": "/"}


def test_a_watch_says_that_it_is_ready_what_it_does_and_that_it_ends(
    named: tuple[Manager, str],
) -> None:
    manager, name = named
    told = Systemd({"NOTIFY_SOCKET": name})
    assert told.asked
    told.ready("watching node-a, 3 leases")
    told.status("nothing found")
    told.stopping()
    assert manager.heard() == ["READY=1", "STATUS=watching node-a, 3 leases"]
    assert manager.heard() == ["STATUS=nothing found"]
    assert manager.heard() == ["STOPPING=1"]


def test_a_reload_has_its_time_by_the_clock_that_systemd_goes_by(
    manager: Manager, environ: dict[str, str]
) -> None:
    told = Systemd(environ)
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    with told.reloading():
        word, moment = manager.heard()
        assert manager.silent()
    assert word == "RELOADING=1"
    name, _, value = moment.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(value) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert manager.heard() == ["READY=1"]


def test_a_reload_that_fails_is_over_all_the_same(
    manager: Manager, environ: dict[str, str]
) -> None:
    def fails() -> None:
        with told.reloading():
            raise KeyError

    told = Systemd(environ)
    with pytest.raises(KeyError):
        fails()
    assert manager.heard()[0] == "RELOADING=1"
    assert manager.heard() == ["READY=1"]


def test_the_watchdog_hears_of_a_busy_loop_no_more_than_is_needed_and_often_enough(
    manager: Manager, environ: dict[str, str]
) -> None:
    told = Systemd(environ | {"WATCHDOG_USEC": "400000", "WATCHDOG_PID": str(os.getpid())})
    assert told.every_s == 0.2
    moments = []
    begun = time.monotonic()
    while time.monotonic() - begun < 1:
        told.alive()
        if not manager.silent():
            moments.append(time.monotonic())
        time.sleep(0.001)
    assert 5 <= len(moments) <= 11
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert max(gaps) < 0.4


@pytest.mark.parametrize(
    "more",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "²"},
     {"WATCHDOG_USEC": "400000", "WATCHDOG_PID": "1"}],
)  # fmt: skip
def test_a_unit_without_a_watchdog_hears_nothing_of_it(
    manager: Manager, environ: dict[str, str], more: dict[str, str]
) -> None:
    told = Systemd(environ | more)
    assert told.every_s is None
    told.alive()
    assert manager.silent()


@pytest.mark.parametrize("name", [None, "", "relative", "vsock:2:1234", "/nobody/is/here", "@gone"])
def test_where_nobody_listens_nothing_happens(name: str | None) -> None:
    told = Systemd({} if name is None else {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "100"})
    told.ready("x")
    told.alive()
    with told.reloading():
        pass
    told.stopping()
    told.close()
    told.status("after the end")


def test_a_manager_that_does_not_read_holds_nothing_up_and_hears_of_it_later(
    manager: Manager, environ: dict[str, str]
) -> None:
    told = Systemd(environ)
    begun = time.monotonic()
    for number in range(2000):  # net.unix.max_dgram_qlen is 10, or 512
        told.status(str(number))
    told.ready("at last")
    assert time.monotonic() - begun < 5
    while not manager.silent():
        pass
    told.status("further on")
    assert manager.heard() == ["READY=1", "STATUS=further on"]
    told.status("once is enough")
    assert manager.heard() == ["STATUS=once is enough"]


def test_a_status_is_one_line_and_has_an_end(manager: Manager, environ: dict[str, str]) -> None:
    Systemd(environ).status("two\nlines\nREADY=1" + "x" * 10_000 + "\udcff")
    (line,) = manager.heard()
    assert line.startswith("STATUS=two lines READY=1xxx")
    assert len(line) == len("STATUS=") + LONGEST


def test_what_a_watch_starts_does_not_speak_for_it(manager: Manager) -> None:
    code = (
        "import os, subprocess\n"
        "from tracer.watching.systemd import Systemd\n"
        "told = Systemd()\n"
        "told.ready(subprocess.run(['env'], capture_output=True, text=True).stdout)\n"
    )
    name = str(manager.socket.getsockname())
    given = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000000", "STAYS": "yes"}
    subprocess.run([sys.executable, "-c", code], env=given, check=True)
    _, status = manager.heard()
    assert "STAYS=yes" in status
    assert "NOTIFY" not in status
    assert "WATCHDOG" not in status
