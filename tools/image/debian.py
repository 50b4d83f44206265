"""The layer of Debian: the interpreter, BCC with its compiler, the firewall's tools.

Packages are resolved, fetched and checked by the machine's own apt, as its own configuration says,
and unpacked by dpkg-deb. No maintainer script runs, so the image needs no shell, no apt, no perl.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tools.image import elf
from tools.image.tree import FILE, MERGED, BuildError, Tree

WANTED = ("python3", "python3-bpfcc", "nftables", "iptables")

LEFT_OUT = {
    "dpkg", "tar",  # for maintainer scripts; with what they stand on:
    "libacl1", "libpcre2-8-0", "libselinux1",
    "media-types", "readline-common",
    "libdb5.3",  # dbm
    "libsqlite3-0",  # sqlite3
    "libreadline8", "libncursesw6",  # readline and curses
    "libnsl2", "libtirpc3", "libtirpc-common", "libgssapi-krb5-2", "libkrb5-3", "libk5crypto3",
    "libkrb5support0", "libkeyutils1", "libcom-err2",  # nis
}  # fmt: skip
"""Dependencies that nothing uses which flantrace imports or calls."""

EXCLUDED = (
    "usr/share/doc/*/*",
    "usr/share/man/*",
    "usr/share/locale/*",
    *(f"usr/share/{name}/*" for name in ("info", "lintian", "doc-base", "bug", "bash-completion")),
    *(f"usr/share/{name}/*" for name in ("applications", "binfmts", "pixmaps", "gcc", "gdb")),
    *(f"usr/share/{name}/*" for name in ("python3", "libc-bin", "iptables", "nftables")),
    *(f"usr/lib/{name}/*" for name in ("systemd", "binfmt.d", "valgrind")),
    "etc/init.d/*",
    "etc/python3*/*",
    "usr/bin/py3*",
    "usr/bin/pydoc*",
    "usr/bin/pygettext*",
    "usr/sbin/nfnl_osf",
    "usr/bin/pdb3*",
    "usr/bin/iptables-xml",
    "usr/sbin/ip*tables-apply",
    "etc/nftables.conf",
    "etc/ethertypes",
    "etc/rpc",
    "etc/ld.so.conf.d/*",
    "usr/lib/*/gconv/*",
    "usr/lib/*/audit/*",
    *(f"usr/lib/*/lib{name}.so*" for name in ("mvec", "expatw", "tic", "zstd", "nsl", "thread_db")),
    *(f"usr/lib/*/lib{name}.so*" for name in ("memusage", "pcprofile", "c_malloc_debug")),
    *(f"usr/lib/*/libnss_{name}.so*" for name in ("compat", "hesiod")),
    *(f"usr/lib/*/libicu{name}.so*" for name in ("i18n", "io", "test", "tu")),
    "usr/lib/python3.*/lib-dynload/_*test*",
    "usr/lib/python3.*/lib-dynload/xx*",
    *(f"usr/lib/python3.*/lib-dynload/{name}.*" for name in ("_dbm", "_sqlite3", "nis")),
    *(f"usr/lib/python3.*/lib-dynload/{name}.*" for name in ("readline", "_curses*")),
    *(f"usr/lib/python3.*/{name}/*" for name in ("pydoc_data", "lib2to3", "turtledemo", "idlelib")),
    *(f"usr/lib/python3.*/{name}/*" for name in ("test", "sqlite3", "curses", "ensurepip")),
    "usr/lib/python3.*/turtle.py",
)
"""Not looked at by anything that runs in the image. fnmatch's `*` crosses slashes."""

KEPT = ("usr/share/doc/*/copyright",)

EMPTY = ("dev", "proc", "run", "sys", "root", "var/tmp")
"""Where a container's runtime mounts things, and the home folder."""

_PASSWD = "root:x:0:0:root:/root:/usr/sbin/nologin\n"
_GROUP = "root:x:0:\n"
_NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\nprotocols: files\nservices: files\n"

_LINE = re.compile(r"Inst (\S+) (?:\[\S+\] )?\((\S+) .*\)")


class Package(NamedTuple):
    """One package in the version that apt would install today."""

    name: str
    version: str


def resolved(wanted: Sequence[str] = WANTED) -> tuple[Package, ...]:
    """What apt would install of `wanted` and all they need on an empty machine. BuildError."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise BuildError("this is no Debian system; `podman build .` makes an image anywhere")
    simulated = _simulated(wanted)
    if simulated.returncode != 0:
        # this machine may never have asked its archives
        _run(["apt-get", "update", "-qq"], "apt cannot ask its archives")
        simulated = _simulated(wanted)
    if simulated.returncode != 0:
        raise BuildError(f"apt cannot resolve {', '.join(wanted)}: {simulated.stderr.strip()}")
    found = (Package(*match.groups()) for match in _LINE.finditer(simulated.stdout))
    return tuple(sorted(one for one in found if one.name not in LEFT_OUT))


def _simulated(wanted: Sequence[str]) -> subprocess.CompletedProcess[str]:
    words = ["apt-get", "install", "--simulate", "--no-install-recommends", *wanted]
    options = ["-o", "Dir::State::status=/dev/null", "-o", "Debug::NoLocking=1"]
    return subprocess.run([*words, *options], capture_output=True, text=True, check=False)


def fetched(packages: Sequence[Package], folder: Path) -> list[Path]:
    """The packages' files, checked by apt against its signed lists."""
    names = [f"{name}={version}" for name, version in packages]
    # as whoever builds: apt's own user may not write here
    words = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=", *names]
    _run(words, "apt cannot fetch the packages", folder)
    return sorted(folder.glob("*.deb"))


def tree(files: Sequence[Path]) -> Tree:
    """What the packages hold and the image needs. BuildError if a library is missing."""
    found = Tree()
    for file in files:
        _unpack(file, found)
    found.leave_out(EXCLUDED, KEPT)
    for path in EMPTY:
        found.folder(path)
    found.folder("tmp", 0o1777)
    for path in MERGED:
        found.link(path, f"usr/{path}")
    found.file("etc/passwd", _PASSWD.encode())
    found.file("etc/group", _GROUP.encode())
    found.file("etc/nsswitch.conf", _NSSWITCH.encode())
    for file in files:
        # where scanners look for what an image without dpkg consists of
        control = _run(["dpkg-deb", "--field", str(file)], f"{file.name} is no package")
        name = file.name.partition("_")[0]
        found.file(f"var/lib/dpkg/status.d/{name}", control)
    _all_there(found)
    return found


def _unpack(file: Path, into: Tree) -> None:
    words = ["dpkg-deb", "--fsys-tarfile", str(file)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            into.add_tar(archive)
        if process.stdout is not None:
            process.stdout.read()
    if process.returncode != 0:
        raise BuildError(f"dpkg-deb cannot unpack {file.name}")


def _all_there(found: Tree) -> None:
    """Every library that something in the tree asks for is in the tree."""
    names = {path.rpartition("/")[2] for path, _ in found.sorted()}
    missing = {
        f"{needed} (of /{path})"
        for path, needs in objects(found)
        for needed in needs.needed
        if needed not in names
    }
    if missing:
        raise BuildError(f"the image lacks {', '.join(sorted(missing))}")


def objects(found: Tree) -> Iterator[tuple[str, elf.Shared]]:
    """Every program and library that the dynamic linker loads."""
    for path, entry in found.sorted():
        if entry.kind == FILE and (needs := elf.shared(entry.data)) is not None:
            yield path, needs


def _run(words: list[str], failure: str, folder: Path | None = None) -> bytes:
    done = subprocess.run(words, cwd=folder, capture_output=True, check=False)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise BuildError(f"{failure}: {said[-1] if said else 'no reason given'}")
    return done.stdout
