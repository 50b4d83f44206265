"""Until every BPF program that runs at this moment has come to its end."""

import ctypes
import platform
import time

_MEMBARRIER = {
    "x86_64": 324,
    "aarch64": 283,
    "riscv64": 283,
    "loongarch64": 283,
    "ppc64le": 365,
    "s390x": 356,
}
"""From each architecture's table of system calls in the kernel's sources."""
_GLOBAL = 1

_LONG_ENOUGH_S = 0.05
"""Programs run for some 100 ns, with nothing to interrupt them but interrupts."""

_libc = ctypes.CDLL(None, use_errno=True)


def wait() -> None:
    """Some 10 ms. A program that was taken off its hook counts nothing more afterwards.

    membarrier(2)'s global command waits for an RCU grace period (kernel/sched/membarrier.c), in
    which programs run. A kernel or a sandbox that does not let us gets some time instead.
    """
    number = _MEMBARRIER.get(platform.machine())
    if number is None or _libc.syscall(number, _GLOBAL, 0, 0) != 0:
        time.sleep(_LONG_ENOUGH_S)
