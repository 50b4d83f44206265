"""Network namespaces: which ones this machine has, and how to do one thing inside another.

Entered in a thread of its own that ends there, so no other thread ever leaves its namespace.
Python 3.11 has no os.setns, hence libc's.
"""

import contextlib
import ctypes
import os
import struct
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from tracer.collect.capabilities import effective
from tracer.collect.netlink import RTM_GETNSID, Netlink, attribute, attributes

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
NAMED = ("/run/netns", "/var/run/netns", "/var/run/docker/netns")
_NETNSA_NSID, _NETNSA_FD = 1, 3
_libc = ctypes.CDLL(None, use_errno=True)


def inside(netns_fd: int, action: Callable[[], T]) -> T:
    """What `action` returns, run in that network namespace. Sockets it opens stay there.

    OSError: the namespace could not be entered (no CAP_SYS_ADMIN), or what `action` raises.
    """
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            enter(netns_fd)
            results.append(action())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name="in-netns", daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def enter(netns_fd: int) -> None:
    """Move the calling thread for good. Only for a thread that ends soon."""
    if _libc.setns(netns_fd, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def own_inode() -> int:
    """Inode of the network namespace of the calling thread."""
    return os.stat("/proc/thread-self/ns/net").st_ino


@contextlib.contextmanager
def opened(path: str) -> Iterator[int]:
    """A namespace's file, open for a while."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def others() -> tuple[dict[int, str], OSError | None]:
    """inode -> path of every namespace but our own: the named ones, and those of processes.

    And why processes do not tell theirs: for want of CAP_SYS_PTRACE, or because a security module
    keeps a pod's process from us. One of another kind that hides has no pod's namespace.
    """
    found: dict[int, str] = {}
    refused: OSError | None = None
    entitled = "SYS_PTRACE" in effective()
    own = os.stat("/proc/thread-self/ns/net")
    for path in _candidates():
        try:
            seen = os.stat(path)
        except PermissionError as error:
            if not entitled or _of_a_pod(path):
                refused = error
            continue
        except OSError:
            continue  # the process is gone
        # /run/netns may hold plain files whose mount is gone: those are on another device
        if seen.st_dev == own.st_dev and seen.st_ino != own.st_ino:
            found.setdefault(seen.st_ino, path)
    return found, refused


def _of_a_pod(path: str) -> bool:
    """The kubelet put the process there: cgroups below `kubepods`, which everybody may read."""
    try:
        with open(path.removesuffix("ns/net") + "cgroup", errors="replace") as file:
            return "kubepods" in file.read(4096)
    except OSError:
        return False


def _candidates() -> Iterator[str]:
    for folder in NAMED:
        with contextlib.suppress(OSError):
            yield from (f"{folder}/{name}" for name in sorted(os.listdir(folder)))
    with contextlib.suppress(OSError):
        yield from (f"/proc/{pid}/ns/net" for pid in os.listdir("/proc") if pid.isdigit())


def nsid(netlink: Netlink, netns_fd: int) -> int | None:
    """The number by which the namespace of `netlink` knows the other one; None: it does not.

    It is what IFLA_LINK_NETNSID of a veth says about its peer.
    """
    body = struct.pack("=Bxxx", 0) + attribute(_NETNSA_FD, struct.pack("=I", netns_fd))
    try:
        answer = attributes(netlink.request(RTM_GETNSID, body), 4)
    except OSError:
        return None
    number: int = struct.unpack("=i", answer.get(_NETNSA_NSID, b"\xff\xff\xff\xff")[:4])[0]
    return number if number >= 0 else None
