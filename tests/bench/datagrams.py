"""UDP at the highest rate: in batches, from every CPU at once, and one who takes all of it.

A system call for each, or a reader who is woken for each, would be most of what is measured.
"""

import contextlib
import ctypes
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from tests.kernel.overlay import POD2, Overlay, inside

PAYLOAD = 64 - 14 - 20 - 8
"""Of a frame of 64 bytes in the pod."""
PORT = 9
BATCH = 256
TAKES_EVERY_S = 0.002
_ROOM = 64 << 20
_MSG_DONTWAIT = 0x40
_SO_RCVBUFFORCE = 33

_libc = ctypes.CDLL(None, use_errno=True)


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Mmsghdr(ctypes.Structure):
    """struct mmsghdr of <sys/socket.h>."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("iov", ctypes.POINTER(_Iovec)),
        ("iov_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("length", ctypes.c_uint),
    )


class Batch:
    """So many datagrams of one size."""

    def __init__(self) -> None:
        self._buffer = ctypes.create_string_buffer(PAYLOAD)
        self._iov = _Iovec(ctypes.addressof(self._buffer), PAYLOAD)
        self._messages = (_Mmsghdr * BATCH)()
        for message in self._messages:
            message.iov, message.iov_length = ctypes.pointer(self._iov), 1

    def send(self, sock: socket.socket) -> int:
        """How many were sent."""
        sent = int(_libc.sendmmsg(sock.fileno(), self._messages, BATCH, 0))
        if sent < 0:
            raise OSError(ctypes.get_errno(), "sendmmsg")
        return sent

    def take(self, sock: socket.socket) -> int:
        """How many were there; all go into one buffer, since nobody looks."""
        return int(_libc.recvmmsg(sock.fileno(), self._messages, BATCH, _MSG_DONTWAIT, None))


class Rate(NamedTuple):
    """Packets that the senders got rid of; they bear the whole way to the other pod."""

    a_second: float
    a_cpu_second: float
    """Of the senders' CPU time, one CPU's: what else runs on the machine is left out."""


def highest(overlay: Overlay, seconds: float) -> Rate:
    """From pod1 to pod2, from every CPU at once."""
    found: list[tuple[float, float]] = []

    def send(cpu: int, sock: socket.socket) -> None:
        os.sched_setaffinity(0, {cpu})
        batch, sent = Batch(), 0
        began, worked = time.monotonic(), time.thread_time()
        while (took := time.monotonic() - began) < seconds:
            sent += batch.send(sock)
        found.append((sent / took, sent / (time.thread_time() - worked)))

    with contextlib.ExitStack() as stack:
        threads = []
        for cpu in os.sched_getaffinity(0):
            with inside(overlay.pod(1)):
                sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sock.connect((POD2, PORT))
            threads.append(threading.Thread(target=send, args=(cpu, sock)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == len(threads), "a sender failed"
    return Rate(sum(one for one, _ in found), sum(one for _, one in found) / len(found))


@contextlib.contextmanager
def taker(overlay: Overlay) -> Iterator[None]:
    """A process in pod2 that takes every datagram: else they are dropped, which costs as well."""
    with inside(overlay.pod(2)):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
        sock.bind((POD2, PORT))
        pid = os.fork()
        if pid == 0:
            batch = Batch()
            while True:
                while batch.take(sock) == BATCH:
                    pass
                time.sleep(TAKES_EVERY_S)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
