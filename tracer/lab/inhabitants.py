"""Processes that live in the lab's namespaces: they end with it."""

import os
import select
import signal
from collections.abc import Sequence

from tracer.errors import NotPermitted
from tracer.lab import paths
from tracer.lab.plan import PlannedNode


def end_inhabitants(netns: Sequence[str], nodes: Sequence[PlannedNode]) -> None:
    """End what runs in those network namespaces and in those nodes' mount namespaces: whatever it

    is, it was started in there. Raises NotPermitted when we are one of them.
    """
    spaces = _namespaces(netns, nodes)
    found = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _in(pid, spaces)]
    if os.getpid() in found or os.getppid() in found:
        raise NotPermitted(
            "this command runs inside the lab", where="lab", hint="run it outside of the nodes"
        )
    handles = []
    for pid in found:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        if _in(pid, spaces):
            handles.append(handle)
        else:
            os.close(handle)
    for each in (signal.SIGTERM, signal.SIGKILL):
        handles = [handle for handle in handles if not _ends(handle, each)]


def _ends(handle: int, with_signal: signal.Signals) -> bool:
    try:
        signal.pidfd_send_signal(handle, with_signal)
    except ProcessLookupError:
        pass
    else:
        if not select.select([handle], [], [], 2)[0]:
            return False
    os.close(handle)
    return True


def _namespaces(netns: Sequence[str], nodes: Sequence[PlannedNode]) -> set[tuple[int, int]]:
    found = set()
    mounts = [f"{paths.MOUNT_NAMESPACES}/{node.name}" for node in nodes]
    for path in [*(f"{paths.NETNS_DIR}/{name}" for name in netns), *mounts]:
        try:
            status = os.stat(path)
        except OSError:
            continue
        found.add((status.st_dev, status.st_ino))
    # A name that is no mount yet lies on an ordinary file system: no process is "in" it.
    return found


def _in(pid: int, spaces: set[tuple[int, int]]) -> bool:
    for kind in ("net", "mnt"):
        try:
            status = os.stat(f"/proc/{pid}/ns/{kind}")
        except OSError:
            return False
        if (status.st_dev, status.st_ino) in spaces:
            return True
    return False
