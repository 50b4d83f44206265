"""One input in a process of its own: its exit code, its seconds, its memory.

Processes are forked from one that is forked off before the first input and never reads any: its
memory stays what flantrace itself takes, so that a fork's peak is what the input costs.
"""

import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from typing import IO, NamedTuple

LIMIT_S = 5.0
LIMIT_MB = 500
BUG = 70


class Measured(NamedTuple):
    """What one input came to: exit code, CPU seconds (others use the machine, too), peak."""

    code: int
    seconds: float
    mb: int


class Nursery:
    """Runs `work` in forks of a fresh process, with the words that it is given."""

    def __init__(self, work: Callable[[list[str]], int]) -> None:
        self._work = work
        asked, self._ask = os.pipe()
        self._answer, answers = os.pipe()
        if os.fork() == 0:
            os.close(self._ask)
            self._serve(os.fdopen(asked, "rb"), answers)
        os.close(asked)
        os.close(answers)
        self._answers = os.fdopen(self._answer, "rb")

    def measured(self, words: list[str]) -> Measured:
        """One run. Five times the limit by the wall ends it; a traceback is exit code 70."""
        os.write(self._ask, json.dumps(words).encode() + b"\n")
        return Measured(*json.loads(self._answers.readline()))

    def _serve(self, asked: IO[bytes], answers: int) -> None:
        for line in asked:
            child = os.fork()
            if child == 0:
                self._be_the_child(json.loads(line))
            _, status, used = os.wait4(child, 0)
            code = os.waitstatus_to_exitcode(status)
            seconds, mb = used.ru_utime + used.ru_stime, used.ru_maxrss // 1024
            os.write(answers, json.dumps((code, seconds, mb)).encode() + b"\n")
        os._exit(0)

    def _be_the_child(self, words: list[str]) -> None:
        code = BUG
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(int(LIMIT_S * 5))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            code = self._work(words)
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        os._exit(code)
