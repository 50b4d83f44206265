"""What a node's mount namespace holds of its own: /run, /etc, /var/lib, /sys."""

import os

from tracer.lab import paths
from tracer.lab.mountpoints import is_mounted
from tracer.lab.plan import PlannedNode
from tracer.lab.syscalls import MS_BIND, mount, unmount

OWN_LAYERS = ("/etc", "/var/lib")
"""Directories of which a node has its own copy, by an overlay: the host's stay as they are."""


def furnish(node: PlannedNode) -> None:
    """Mount a node's own files. Call in its network and (private) mount namespace.

    Order matters: whatever lies below /run is reached before /run is covered.
    """
    kubeconfig = os.open(paths.KUBECONFIG, os.O_RDONLY)
    pods = {pod.netns: os.open(f"{paths.NETNS_DIR}/{pod.name}", os.O_RDONLY) for pod in node.pods}
    for directory in OWN_LAYERS:
        _overlay(node.name, directory)
    # Else every node would hold the namespaces of all pods and nodes alive.
    while is_mounted(paths.NETNS_DIR):
        unmount(paths.NETNS_DIR)
    mount("flantrace-lab", "/run", "tmpfs", options="mode=0755")
    for directory in ("/run/flannel", paths.NETNS_DIR, "/run/lock"):
        os.makedirs(directory, mode=0o755)
    for name, descriptor in pods.items():
        target = f"{paths.NETNS_DIR}/{name}"
        os.close(os.open(target, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o444))
        mount(f"/proc/self/fd/{descriptor}", target, flags=MS_BIND)
        os.close(descriptor)
    _show(kubeconfig, paths.KUBECONFIG)
    mount_sys()
    for directory in ("/etc/cni", "/var/lib/cni"):  # Empty, whatever the host has there.
        os.makedirs(directory, mode=0o755, exist_ok=True)
        mount("flantrace-lab", directory, "tmpfs", options="mode=0755")
    os.makedirs("/etc/cni/net.d", mode=0o755)


def mount_sys() -> None:
    """Mount /sys anew: it shows the devices of the network namespace in which it was mounted."""
    mount("sysfs", "/sys", "sysfs")
    if os.path.isdir("/sys/kernel/tracing"):
        mount("tracefs", "/sys/kernel/tracing", "tracefs")


def _show(descriptor: int, path: str) -> None:
    """Mount an open file, that only root reads, at a path where nothing is. Closes it."""
    os.makedirs(os.path.dirname(path), mode=0o700)
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o600))
    mount(f"/proc/self/fd/{descriptor}", path, flags=MS_BIND)
    os.close(descriptor)


def _overlay(node: str, directory: str) -> None:
    base = f"{paths.NODE_FILES}/{node}{directory}"
    for part in ("upper", "work"):
        os.makedirs(f"{base}/{part}", exist_ok=True)
    if not os.path.isdir(directory):
        return
    os.chmod(f"{base}/upper", os.stat(directory).st_mode & 0o7777)
    options = f"lowerdir={directory},upperdir={base}/upper,workdir={base}/work"
    mount("flantrace-lab", directory, "overlay", options=options)
