"""Network and mount namespaces that live without a process, and their end."""

import os
import socket
from collections.abc import Sequence

from tracer.errors import NotPermitted
from tracer.lab import paths
from tracer.lab.journal import Journal
from tracer.lab.mountpoints import is_mounted
from tracer.lab.mounts import furnish
from tracer.lab.plan import PlannedNode
from tracer.lab.syscalls import (
    CLONE_NEWNET,
    CLONE_NEWNS,
    MS_BIND,
    MS_PRIVATE,
    MS_REC,
    MS_SHARED,
    mount,
    setns,
    unmount,
    unshare,
)


def refuse_foreign_names(names: Sequence[str]) -> None:
    """Raise NotPermitted when a network namespace of one of those names exists already."""
    for name in names:
        path = f"{paths.NETNS_DIR}/{name}"
        if os.path.lexists(path):
            raise NotPermitted(
                f"a network namespace called {name} exists, and this lab did not make it",
                where=path,
                hint=f"if nobody needs it: ip netns delete {name}",
            )


def open_netns_dir(journal: Journal) -> None:
    """Make /run/netns what `ip netns add` makes of it: a mount of its own, shared.

    Were it done later, by somebody's `ip netns add`, our mounts would be hidden below theirs.
    """
    journal.made_netns_dir = not os.path.isdir(paths.NETNS_DIR)
    journal.bound_netns_dir = not is_mounted(paths.NETNS_DIR)
    journal.save()
    os.makedirs(paths.NETNS_DIR, mode=0o755, exist_ok=True)
    if journal.bound_netns_dir:
        mount(paths.NETNS_DIR, paths.NETNS_DIR, flags=MS_BIND | MS_REC)
        mount("", paths.NETNS_DIR, flags=MS_SHARED | MS_REC)


def make_network_namespaces(names: Sequence[str]) -> None:
    """Make named network namespaces. The caller's thread is back in its own afterwards."""
    held = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for name in names:
            path = f"{paths.NETNS_DIR}/{name}"
            os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o444))
            unshare(CLONE_NEWNET)
            mount("/proc/thread-self/ns/net", path, flags=MS_BIND)
    finally:
        setns(f"/proc/self/fd/{held}", CLONE_NEWNET)
        os.close(held)


def make_mount_namespaces(nodes: Sequence[PlannedNode]) -> None:
    """Make and pin each node's mount namespace, furnished as a node's. Raises NotPermitted."""
    os.makedirs(paths.MOUNT_NAMESPACES, exist_ok=True)
    for node in nodes:
        target = f"{paths.MOUNT_NAMESPACES}/{node.name}"
        with open(target, "w"):
            pass
        # The kernel pins a mount namespace only from one with a lower number, against loops. As of
        # 6.18 each CPU draws numbers from a batch of its own, so a younger namespace may have the
        # lower one; on the CPU that made ours, it has not.
        for cpu in [None, *sorted(os.sched_getaffinity(0))]:
            said = _make_mount_namespace(node, target, cpu)
            if said != "Invalid argument":
                break
        if said:
            raise NotPermitted(
                f"the mount namespace of {node.name} could not be made: {said}",
                where="lab",
                hint="the lab needs root with CAP_SYS_ADMIN, overlayfs and tmpfs",
            )


def _make_mount_namespace(node: PlannedNode, target: str, cpu: int | None) -> str:
    """One attempt. What went wrong, in words; empty when nothing did."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        ours.close()
        _child(node, theirs, cpu)
    theirs.close()
    with ours:
        said = ours.recv(500).decode()
        if said == "made":
            try:
                mount(f"/proc/{child}/ns/mnt", target, flags=MS_BIND)
                ours.send(b"pinned")
                said = ours.recv(500).decode()
            except OSError as error:
                said = error.strerror or repr(error)
    os.waitpid(child, 0)
    return "" if said == "furnished" else said or "no word"


def _child(node: PlannedNode, parent: socket.socket, cpu: int | None) -> None:
    """The child's whole life: it makes the namespace, the parent pins it. Never returns."""
    try:
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
        setns(f"{paths.NETNS_DIR}/{node.name}", CLONE_NEWNET)
        unshare(CLONE_NEWNS)
        mount("", "/", flags=MS_REC | MS_PRIVATE)
        parent.send(b"made")
        if parent.recv(10) == b"pinned":
            furnish(node)
            parent.send(b"furnished")
    except BaseException as failure:  # the parent reports it
        parent.send(repr(failure).encode()[:500])
    finally:
        os._exit(0)


def remove_network_namespaces(names: Sequence[str]) -> None:
    """Unbind and unlink them."""
    for name in names:
        path = f"{paths.NETNS_DIR}/{name}"
        while is_mounted(path):
            unmount(path)
        if os.path.lexists(path):
            os.unlink(path)


def close_netns_dir(journal: Journal) -> None:
    """Take /run/netns itself away, if we made it and nobody else uses it."""
    if not os.path.isdir(paths.NETNS_DIR) or os.listdir(paths.NETNS_DIR):
        return
    if journal.bound_netns_dir and is_mounted(paths.NETNS_DIR):
        unmount(paths.NETNS_DIR)
    if journal.made_netns_dir:
        os.rmdir(paths.NETNS_DIR)


def remove_mount_namespaces(nodes: Sequence[str] | None = None) -> None:
    """Unpin nodes' mount namespaces, or all; the kernel then undoes what is mounted in them."""
    if os.path.isdir(paths.MOUNT_NAMESPACES):
        for name in os.listdir(paths.MOUNT_NAMESPACES) if nodes is None else nodes:
            while is_mounted(f"{paths.MOUNT_NAMESPACES}/{name}"):
                unmount(f"{paths.MOUNT_NAMESPACES}/{name}")
