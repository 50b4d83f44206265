"""Long-running programs of the cluster: started, booked, ended; never one that is not ours."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cluster.nodes import Place
from cluster.paths import name as cluster
from cluster.paths import state
from cluster.shell import ENVIRON, Failed

HIERARCHIES = Path("/sys/fs/cgroup")
_ONE_AT_A_TIME = threading.Lock()
"""Nodes are made ready side by side."""
BOOKED = ("pids", "systemd")
"""The cgroup v1 hierarchies that daemons join, for the books: what is in them is ours to end."""


def cgroup_of(place: Place) -> str:
    """The cgroup that everything of a place is in, in every hierarchy."""
    return f"flantrace-{cluster()}-{place.name}"


def start(
    place: Place,
    name: str,
    words: Sequence[str | Path],
    *,
    environ: Mapping[str, str] | None = None,
) -> int:
    """Start a daemon in a place; its words go to logs/PLACE-NAME.log. Its pid."""
    log = state() / "logs" / f"{place.name}-{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    cgroup = f"{cgroup_of(place)}/sys"
    for hierarchy in BOOKED:
        (HIERARCHIES / hierarchy / cgroup).mkdir(parents=True, exist_ok=True)
    join = "".join(f"echo $$ > {HIERARCHIES}/{one}/{cgroup}/cgroup.procs; " for one in BOOKED)
    with log.open("ab") as file:
        process = subprocess.Popen(
            ["sh", "-c", f'{join}exec "$@"', "sh", *place.enter, *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env={**ENVIRON, **(environ or {})},
            start_new_session=True,
        )
    _note(place, name, process.pid)
    return process.pid


def pid_of(place: str, name: str) -> int:
    """The pid of a daemon as it was last started."""
    return int(json.loads(_book().read_text())[f"{place}-{name}"])


def end(pid: int, patience_s: float = 5.0) -> None:
    """End a process that we started: asked first, then made to."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if not alive(pid):
                return
            time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether it runs: a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(what: str, test: Callable[[], bool], patience_s: float, pause_s: float = 0.2) -> None:
    """Wait for something that a program of the cluster does. Failed: it did not, in time."""
    deadline = time.monotonic() + patience_s
    while not test():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not in {patience_s:g} s")
        time.sleep(pause_s)


def _book() -> Path:
    return state() / "daemons.json"


def _note(place: Place, name: str, pid: int) -> None:
    with _ONE_AT_A_TIME:
        book = json.loads(_book().read_text()) if _book().exists() else {}
        book[f"{place.name}-{name}"] = pid
        _book().write_text(json.dumps(book))
