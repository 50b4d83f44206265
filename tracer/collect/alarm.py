"""A timer that select() can wait for. Python has none before 3.13 (os.timerfd_create)."""

import ctypes
import os
import struct
import weakref

_CLOCK_MONOTONIC = 1
_ITIMERSPEC = struct.Struct("@llll")

_libc = ctypes.CDLL(None, use_errno=True)


class Alarm:
    """Readable once its time has come, until it is set anew."""

    def __init__(self) -> None:
        """Not set. Raises OSError."""
        # TFD_CLOEXEC and TFD_NONBLOCK are O_CLOEXEC and O_NONBLOCK on every architecture
        self._fd = int(_libc.timerfd_create(_CLOCK_MONOTONIC, os.O_CLOEXEC | os.O_NONBLOCK))
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        weakref.finalize(self, os.close, self._fd)

    def fileno(self) -> int:
        """For select, poll and epoll."""
        return self._fd

    def set(self, after_ns: int) -> None:
        """Ring once, that much later; 0: never."""
        seconds, rest = divmod(after_ns, 1_000_000_000)
        _libc.timerfd_settime(self._fd, 0, _ITIMERSPEC.pack(0, 0, seconds, rest), None)
