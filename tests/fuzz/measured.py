"""One input in a process of its own: its exit code, its seconds, its memory."""

import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NamedTuple

LIMIT_S = 5.0
LIMIT_MB = 500
BUG = 70


class Measured(NamedTuple):
    """What one input came to. `mb`: the peak over what the fuzzer itself held at the fork."""

    code: int
    seconds: float
    mb: int


def measured(work: Callable[[], int]) -> Measured:
    """Run it in a fork, so that no input's memory is another's; a traceback is exit code 70.

    CPU seconds, since other processes share the machine; five times the limit by the wall ends it.
    """
    child = os.fork()
    if child == 0:
        _be_the_child(work)
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    held = _resident_mb()
    return Measured(code, used.ru_utime + used.ru_stime, max(0, used.ru_maxrss // 1024 - held))


def _be_the_child(work: Callable[[], int]) -> None:
    code = BUG
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(LIMIT_S * 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        code = work()
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
    os._exit(code)


def _resident_mb() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() >> 20
