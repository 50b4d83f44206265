"""Namespaces: one anchor process each, and what a node sees as its own file system.

`ip netns exec` is not used: it mounts /sys anew, and the cgroups below it are gone. The PID
namespace is the machine's, so that pids mean the same inside and outside.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from cluster.shell import ENVIRON, Failed, run

PRIVATE = ("etc", "opt", "var/lib", "var/log", "usr/libexec")
"""Below these a node writes what other nodes must not see."""

BESIDE = ("containerd", "kubelet", "cni")
"""Of /var/lib: overlayfs cannot have an overlay as its upper layer, and containerd mounts some."""

SYSCTLS = {
    "kernel/keys/root_maxbytes": "25000000",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
}
"""What kubelet sets for the whole machine (pkg/kubelet/cm): it meets files that say so already."""

_NODE = r"""
set -e
mount --make-rprivate /
hostname "$NAME"
for place in $PRIVATE; do
  mkdir -p "$DIR/upper/$place" "$DIR/work/$place" "/$place"
  layers="lowerdir=/$place,upperdir=$DIR/upper/$place,workdir=$DIR/work/$place"
  mount -t overlay -o "$layers" overlay "/$place"
done
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/netns /run/lock
for place in $BESIDE; do
  mkdir -p "$DIR/data/$place" "/var/lib/$place"
  mount --bind "$DIR/data/$place" "/var/lib/$place"
done
mkdir -p "$DIR/held"
mount --rbind /sys "$DIR/held"
mount -t sysfs sysfs /sys
for place in fs/cgroup fs/bpf kernel/tracing kernel/security kernel/debug; do
  [ ! -d "/sys/$place" ] || mount --rbind "$DIR/held/$place" "/sys/$place"
done
umount -l "$DIR/held"
ip link set lo up
mount --make-rshared /
echo ready
exec sleep infinity
"""

_PLAIN = """
set -e
mount --make-rprivate /
hostname "$NAME"
ip link set lo up
echo ready
exec sleep infinity
"""


class Place:
    """One set of namespaces, held by its anchor."""

    def __init__(self, name: str, pid: int) -> None:
        self.name = name
        self.pid = pid

    @property
    def enter(self) -> list[str]:
        """What to put before a command that is to run inside."""
        return ["nsenter", f"--target={self.pid}", "--net", "--mount", "--uts", "--wd=/", "--"]

    def run(self, *words: str | Path, text: str | None = None, timeout: float = 120) -> str:
        """The stdout of a command inside. Failed."""
        return run([*self.enter, *words], text=text, timeout=timeout)

    def write(self, path: str, text: str) -> None:
        """A file, as it is seen inside."""
        self.run("sh", "-c", 'mkdir -p "${1%/*}"; cat > "$1"', "sh", path, text=text)

    def read(self, path: str) -> str:
        """A file's text, as it is seen inside. Failed: it is not there."""
        return self.run("cat", path)


def plain(name: str) -> Place:
    """Namespaces with nothing in them but a loopback device."""
    return Place(name, _anchored(_PLAIN, {"NAME": name}))


def node(name: str, folder: Path) -> Place:
    """A node's namespaces, with /etc, /run, /opt, /var/lib and /var/log of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "NAME": name,
        "DIR": str(folder),
        "PRIVATE": " ".join(PRIVATE),
        "BESIDE": " ".join(BESIDE),
    }
    place = Place(name, _anchored(_NODE, values))
    for path, value in SYSCTLS.items():
        place.write(f"{folder}/sysctl/{path}", value + "\n")
        place.run("mount", "--bind", f"{folder}/sysctl/{path}", f"/proc/sys/{path}")
    return place


def _anchored(script: str, values: Mapping[str, str]) -> int:
    """The pid of a process that holds new namespaces, furnished."""
    process = subprocess.Popen(
        ["unshare", "--net", "--mount", "--uts", "sh", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**ENVIRON, **values},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    if process.stdout.readline() != "ready\n":
        raise Failed(f"{values['NAME']}: {process.stderr.read().strip()}")
    return process.pid


def wire(underlay: Place, others: Mapping[Place, str]) -> None:
    """One bridge, ul0, with a port for each place; each place's eth0 gets its address (CIDR)."""
    underlay.run("ip", "link", "add", "ul0", "type", "bridge")
    underlay.run("ip", "link", "set", "ul0", "up")
    for place, address in others.items():
        plug(underlay, place, address)


def plug(underlay: Place, place: Place, address: str) -> None:
    """A port of the bridge for one place; its eth0 gets the address (CIDR)."""
    port = f"p-{place.name}"
    end = ["type", "veth", "peer", "name", "eth0", "netns", str(place.pid)]
    underlay.run("ip", "link", "add", port, *end)
    underlay.run("ip", "link", "set", port, "master", "ul0", "up")
    place.run("ip", "address", "add", address, "dev", "eth0")
    place.run("ip", "link", "set", "eth0", "up")
