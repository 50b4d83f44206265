"""`flantrace lab exec`: enter a node or a pod and become the command. Imports little: it is hot."""

import os
from collections.abc import Sequence

from tracer.errors import CollectFailed, UsageError
from tracer.lab import paths
from tracer.lab.journal import present
from tracer.lab.mounts import mount_sys
from tracer.lab.syscalls import CLONE_NEWNET, CLONE_NEWNS, MS_PRIVATE, MS_REC, mount, setns, unshare


def become(place: str, command: Sequence[str]) -> None:
    """Enter a node (its network and mount namespaces) or a pod, and exec. Does not return.

    A pod has its node's files, but a /sys that shows its own devices. Raises UsageError for an
    unknown place and CollectFailed when the command cannot be run.
    """
    plan = present().plan
    nodes = {node.name: node.name for node in plan}
    pods = {pod.name: pod.node for node in plan for pod in node.pods}
    node = nodes.get(place) or pods.get(place)
    if node is None:
        raise UsageError(
            f"the lab has no node or pod {place}",
            where="lab exec",
            hint=f"one of {', '.join([*nodes, *pods])}",
        )
    here = os.getcwd()
    network = os.open(f"{paths.NETNS_DIR}/{place}", os.O_RDONLY | os.O_CLOEXEC)
    setns(f"{paths.MOUNT_NAMESPACES}/{node}", CLONE_NEWNS)
    setns(f"/proc/self/fd/{network}", CLONE_NEWNET)
    if place in pods:
        unshare(CLONE_NEWNS)
        mount("", "/", flags=MS_REC | MS_PRIVATE)
        mount_sys()
    if os.path.isdir(here):
        os.chdir(here)
    try:
        os.execvp(command[0], list(command))
    except OSError as error:
        raise CollectFailed(
            f"{command[0]}: {error.strerror}",
            where=f"lab exec {place}",
            hint="the command must be there under that name",
        ) from error
