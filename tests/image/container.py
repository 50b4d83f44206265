"""Run a command as a pod of flantrace's would: `container.py ROOT TMP -- COMMAND...`.

In the image's root, read-only, with TMP at /tmp, the node's folders that agents read, and no more
capabilities than an installation gives. Stays in the network namespace in which it is called.
"""

import ctypes
import os
import sys
import tempfile

CAPABILITIES = {
    "NET_BROADCAST": 11, "NET_ADMIN": 12, "NET_RAW": 13, "SYS_PTRACE": 19, "SYS_ADMIN": 21,
    "SYSLOG": 34, "PERFMON": 38, "BPF": 39,
}  # fmt: skip
LAST = 63

PATHS = ("/run/flannel", "/run/netns", "/etc/cni/net.d", "/var/lib/cni")

CLONE_NEWNS = 0x20000
READ_ONLY, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 32, 4096, 16384, 1 << 18
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Become the command."""
    root, temporary = sys.argv[1:3]
    command = sys.argv[4:]
    os.chdir("/")
    if _libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", flags=RECURSIVE | PRIVATE)
    enter(layered(root), temporary)
    for number in range(LAST + 1):
        if number not in CAPABILITIES.values():
            _libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    os.execvpe(command[0], command, {"PATH": path, "LANG": "C.UTF-8"})


def layered(root: str) -> str:
    """The image below a layer in which there is room for mount points."""
    place = tempfile.mkdtemp()
    mount("tmpfs", place, "tmpfs")
    for part in ("upper", "work", "whole"):
        os.mkdir(f"{place}/{part}")
    whole = f"{place}/whole"
    options = f"lowerdir={root},upperdir={place}/upper,workdir={place}/work"
    mount("overlay", whole, "overlay", data=options)
    return whole


def enter(whole: str, temporary: str) -> None:
    """Mount what a container has, make the rest read-only, and have it as the root."""
    for path in filter(os.path.isdir, PATHS):
        os.makedirs(whole + path, exist_ok=True)
        mount(path, whole + path, flags=BIND | RECURSIVE)
        mount("none", whole + path, flags=BIND | REMOUNT | READ_ONLY)
    mount("proc", f"{whole}/proc", "proc")
    mount("sysfs", f"{whole}/sys", "sysfs", flags=READ_ONLY)
    mount("/dev", f"{whole}/dev", flags=BIND | RECURSIVE)
    mount(temporary, f"{whole}/tmp", flags=BIND)
    mount("none", whole, flags=BIND | REMOUNT | READ_ONLY)
    os.chroot(whole)
    os.chdir("/tmp")


def mount(
    source: str, target: str, kind: str | None = None, *, flags: int = 0, data: str = ""
) -> None:
    """mount(2)."""
    words = (source.encode(), target.encode(), kind.encode() if kind else None)
    if _libc.mount(*words, ctypes.c_ulong(flags), data.encode()) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), target)


if __name__ == "__main__":
    main()
