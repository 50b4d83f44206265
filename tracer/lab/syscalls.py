"""Namespaces and mounts by ctypes: the few system calls that Python 3.11 does not have."""

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000

MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_SHARED = 1 << 20
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)


def unshare(flags: int) -> None:
    """Give this thread namespaces of its own. Raises OSError."""
    _checked(_libc.unshare(flags), "unshare")


def setns(path: str, kind: int) -> None:
    """Enter the namespace that the file `path` stands for. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(_libc.setns(descriptor, kind), path)
    finally:
        os.close(descriptor)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2). Raises OSError that names the target."""
    result = _libc.mount(
        source.encode(),
        target.encode(),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    _checked(result, target)


def unmount(target: str, *, detach: bool = True) -> None:
    """umount2(2); detached: at once, whoever still uses it. Raises OSError."""
    _checked(_libc.umount2(target.encode(), MNT_DETACH if detach else 0), target)
