"""Debian's newest Go, for a machine whose own is missing or too old."""

from pathlib import Path

from cluster.debian import NoPackage, unpacked

RELEASE = "trixie-backports"
SERIES = "1.26"


class NoGo(Exception):
    """The Go toolchain cannot be had, in words."""


def debian_go() -> Path:
    """The `go` command of Debian's Go, unpacked in the cache. NoGo says why there is none."""
    packages = (f"golang-{SERIES}-go", f"golang-{SERIES}-src")
    try:
        root = unpacked(RELEASE, packages, f"go-{SERIES}")
    except NoPackage as error:
        raise NoGo(f"Debian's Go {SERIES} ({RELEASE}): {error}") from error
    go = root / f"usr/lib/go-{SERIES}/bin/go"
    if not go.exists():
        raise NoGo(f"Debian's Go {SERIES} ({RELEASE}) holds no bin/go")
    return go
