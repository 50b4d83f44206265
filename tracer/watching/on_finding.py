"""`--on-finding CMD`: a command that is run for each finding that opens or closes."""

import contextlib
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

from tracer.bundle import codec
from tracer.errors import UsageError
from tracer.model.watch import Turned
from tracer.render.style import escaped
from tracer.watching.failures import Failures

LIMIT_S = 30.0
"""How long it may run."""

_LOOK_S = 0.2
"""How often a run is asked whether it is given up."""

_STDERR = 4096
"""Bytes of the end of what it says that are kept."""

_VALUE = 2000
"""Characters of one value in its environment."""


class OnFinding:
    """One command, run once for each announcement, without a shell."""

    name = "--on-finding"

    def __init__(
        self, command: str, trouble: Callable[[str], None], *, limit_s: float = LIMIT_S
    ) -> None:
        """UsageError for a command that is not there."""
        self._words = _words(command)
        self._limit_s = limit_s
        self._failures = Failures(trouble)
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """Kill what runs, soon."""
        self._given_up.set()

    def send(self, turned: Turned) -> None:
        """Run it to its end, or to the end of its time."""
        name = f"the command {escaped(self._words[0])} of --on-finding"
        with document(turned) as stdin:
            try:
                process = subprocess.Popen(
                    self._words,
                    stdin=stdin,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env=os.environ | dict(_variables(turned)),
                    start_new_session=True,
                )
            except OSError as error:
                self._failures.failed(f"{name} cannot be run: {error.strerror or error}")
                return
        ended, said = _watched(process, time.monotonic() + self._limit_s, self._given_up)
        if not ended:
            why = "the watch ended" if self._given_up.is_set() else f"it took {self._limit_s:g} s"
            self._failures.failed(f"{name} was killed, since {why}", said)
        elif process.returncode:
            self._failures.failed(f"{name} failed ({_ending(process.returncode)})", said)
        else:
            self._failures.worked()


@contextlib.contextmanager
def document(turned: Turned) -> Iterator[int]:
    """The announcement as a file that only lives in memory: its reader may take its time."""
    handle = os.memfd_create("finding")
    try:
        with os.fdopen(handle, "wb", closefd=False) as file:
            file.write(codec.line(turned))
        os.lseek(handle, 0, os.SEEK_SET)
        yield handle
    finally:
        os.close(handle)


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
        why = "it is empty" if not words else None
    except ValueError as error:
        words, why = [], str(error)
    if why is None and shutil.which(words[0]) is None:
        why = f"there is no command {words[0]}"
    if why is not None:
        raise UsageError(
            f"the command cannot be run: {why}",
            where=f"--on-finding {command!r}",
            hint="pass a program and its arguments; for more, --on-finding 'sh -c \"...\"'",
        )
    return words


def _variables(turned: Turned) -> Iterator[tuple[str, str]]:
    """For scripts that read no JSON. Control characters are escaped."""
    for name, value in (
        ("TURN", turned.turn.value),
        ("RULE", turned.finding.rule),
        ("NODE", turned.finding.node),
        ("SENTENCE", turned.finding.sentence),
    ):
        yield f"FLANTRACE_{name}", escaped(value)[:_VALUE]


def _watched(
    process: subprocess.Popen[bytes], end: float, given_up: threading.Event
) -> tuple[bool, str]:
    """Until it has ended, or is killed since its time has: which, and the end of its stderr.

    Its end counts, not that of its stderr: a child that it left behind may keep that open.
    """
    ended, said = False, b""
    assert process.stderr is not None
    over = os.pidfd_open(process.pid)
    try:
        with process.stderr as stderr, selectors.DefaultSelector() as ready:
            os.set_blocking(stderr.fileno(), False)
            ready.register(stderr, selectors.EVENT_READ)
            ready.register(over, selectors.EVENT_READ)
            while (left := end - time.monotonic()) > 0 and not given_up.is_set():
                events = {key.fd for key, _ in ready.select(min(left, _LOOK_S))}
                if stderr.fileno() in events:
                    some = os.read(stderr.fileno(), 65_536)
                    said = (said + some)[-_STDERR:]
                    if not some:
                        ready.unregister(stderr)
                elif over in events:
                    ended = True
                    break
            # before its stderr is closed: of that it would die, too, and as if by itself
            _end(process)
    finally:
        os.close(over)
    return ended, said.decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill it, if it runs, and all that it started, but for what has left its process group."""
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5.0)


def _ending(code: int) -> str:
    """`exit code 3`, `killed by SIGTERM`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
