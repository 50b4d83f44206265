"""What BPF programs take of the CPUs, measured by the kernel, for a moment at a time.

The kernel takes the time of each run of every program while somebody holds it to that (bpf_stats).
That costs some 20 ns a run, so it is not held to it for longer than a measurement takes.
"""

import os
import struct
import time
from collections.abc import Callable, Iterable

from tracer.collect.closing import Closing
from tracer.collect.syscall import ENABLE_STATS, bpf, info
from tracer.errors import CollectFailed, NotPermitted

_RUN_TIME = 0
"""enum bpf_stats_type."""

_INFO = 200
_RUN_TIME_AT = 192
"""struct bpf_prog_info: run_time_ns, since Linux 5.1."""


def of(programs: Iterable[int]) -> int:
    """Nanoseconds, over all CPUs, of all runs that were measured until now. Raises OSError.

    `programs`: descriptors.
    """
    return sum(_run_time(program) for program in programs)


def _run_time(program: int) -> int:
    return int(struct.unpack_from("=Q", info(program, _INFO), _RUN_TIME_AT)[0])


class Statistics(Closing):
    """The kernel measures, for as long as this is open; a process that is killed holds nothing."""

    def __init__(self) -> None:
        """Linux 5.8. Raises CollectFailed, NotPermitted: CAP_SYS_ADMIN is needed."""
        try:
            self._fd, _ = bpf(ENABLE_STATS, struct.pack("=I", _RUN_TIME))
        except OSError as error:
            kind = NotPermitted if isinstance(error, PermissionError) else CollectFailed
            raise kind(
                f"the programs' run time cannot be measured: {error.strerror}",
                where="bpf(BPF_ENABLE_STATS)",
                hint="it takes Linux 5.8 and CAP_SYS_ADMIN; samples are taken all the same",
            ) from error

    def close(self) -> None:
        """The kernel stops, unless somebody else holds it to it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class RunTime(Closing):
    """Which part of one CPU programs take: begun, ended a while later, and again.

    In a loop that does other things meanwhile. 100 ms every 10 s tell enough.
    """

    def __init__(self, run_ns: Callable[[], int]) -> None:
        """`run_ns`: what the programs have taken until now (Holding.run_ns)."""
        self._run_ns = run_ns
        self._statistics: Statistics | None = None
        self._since = (0, 0)

    def begin(self) -> None:
        """From now on. Raises CollectFailed, NotPermitted."""
        self.close()
        self._statistics = Statistics()
        self._since = (time.monotonic_ns(), self._run_ns())

    def end(self) -> float | None:
        """Since the beginning: 0.01 is one per cent of one CPU. None: it had not begun."""
        if self._statistics is None:
            return None
        (began, before), now, taken = self._since, time.monotonic_ns(), self._run_ns()
        self.close()
        return (taken - before) / max(now - began, 1)

    def close(self) -> None:
        """Let go, whether it had begun or not."""
        if self._statistics is not None:
            self._statistics.close()
            self._statistics = None
