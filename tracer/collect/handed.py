"""Descriptors from a child process: what it takes to make them, memory above all, goes with it.

The child is a Python of its own, in the calling thread's namespaces, with this process's rights.
One datagram carries the order there, and one the answer back, with the descriptors beside it
(unix(7), SCM_RIGHTS).
"""

import os
import signal
import socket
import subprocess
import sys
from array import array
from collections.abc import Sequence

from tracer.errors import CollectFailed, FlantraceError, NotPermitted, NotSupported
from tracer.model.record import Record

LIMIT_S = 120.0
"""Alone it takes a second or two; a node that is short of CPU gives it little of it."""

LARGEST = 64 << 10
"""Bytes of an order or an answer."""

_MOST = 128
"""Descriptors; the kernel's limit is 253."""


class Refused(Record, frozen=True, tag="refused"):
    """The child's error, to be raised here."""

    kind: str
    what: str
    where: str
    hint: str

    def error(self) -> FlantraceError:
        """As the child raised it."""
        kinds = {one.__name__: one for one in (NotSupported, NotPermitted)}
        return kinds.get(self.kind, CollectFailed)(self.what, where=self.where, hint=self.hint)

    @classmethod
    def of(cls, error: FlantraceError) -> "Refused":
        """What the child sends."""
        return cls(type(error).__name__, error.what, error.where, error.hint)


def handed_over(module: str, order: bytes, *, doing: str) -> tuple[bytes, list[int]]:
    """Run a module of ours; its answer, and the descriptors, which are the caller's to close.

    `doing`: what is done there, for the error. Raises CollectFailed when no answer comes.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # not a temporary file: a container's root may be read-only as a whole
    with ours, os.fdopen(os.memfd_create("stderr"), "w+b") as said:
        with theirs:
            process = _started(module, theirs, said.fileno(), doing)
        try:
            ours.settimeout(LIMIT_S)
            ours.send(order)
            answer, fds, whole = _received(ours)
        except (BrokenPipeError, ConnectionResetError):
            answer, fds, whole = b"", [], True
        except TimeoutError:
            raise _failed(module, doing, f"it takes longer than {LIMIT_S:g} s") from None
        finally:
            code = _ended(process)
        if not whole:
            _close(fds)
            raise _failed(module, doing, "this process may not open as many files (ulimit -n)")
        if not answer:
            said.seek(0)
            last = said.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise _failed(module, doing, _end(code, last))
        return answer, fds


def hand_over(to: socket.socket, answer: bytes, fds: Sequence[int]) -> None:
    """The child's side: answer once. Raises OSError when nobody waits any more."""
    socket.send_fds(to, [answer], list(fds))


def _received(ours: socket.socket) -> tuple[bytes, list[int], bool]:
    """The answer, its descriptors, and whether these are all.

    socket.recv_fds of Python 3.11 forgets its flags: whatever we run later would inherit them.
    """
    fds = array("i")
    room = socket.CMSG_LEN(_MOST * fds.itemsize)
    answer, beside, flags, _ = ours.recvmsg(LARGEST, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in beside:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return answer, fds.tolist(), not flags & socket.MSG_CTRUNC


def _started(
    module: str, theirs: socket.socket, stderr: int, doing: str
) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-P", "-m", module, str(theirs.fileno())]
    try:
        # A session of its own: Ctrl-C is ours, and the child ends with us.
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    except OSError as error:
        raise _failed(module, doing, f"no process can be started: {error.strerror}") from error


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Its exit code. It has answered, or it never will: nothing of it is needed any more."""
    try:
        return process.wait(0.5)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _end(code: int, last: str) -> str:
    if code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}" + (f": {last}" if last else "")


def _failed(module: str, doing: str, why: str) -> CollectFailed:
    return CollectFailed(
        f"cannot {doing}: {why}",
        where=f"{sys.executable} -m {module}",
        hint="is there enough memory (150 MB for a moment; a container's limit counts), and CPU?",
    )


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
