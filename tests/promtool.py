"""Debian's own promtool and prometheus. `python -m tests.promtool` prints where.

Unpacked beside the system and never installed: the package would start a server on the machine.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.debian import NoPackage, unpacked

RELEASE = "bookworm"


def tool(name: str) -> str:
    """The path of `promtool` or `prometheus`, the machine's own first. Raises NoPackage."""
    own = shutil.which(name)
    if own is not None:
        return own
    binary = unpacked(RELEASE, ["prometheus"], f"prometheus-{RELEASE}") / "usr/bin" / name
    if not binary.exists():
        raise NoPackage(f"prometheus of {RELEASE} holds no usr/bin/{name}")
    return str(binary)


def needed(name: str) -> str:
    """The same for a test, which is skipped, and says so, where there is none."""
    try:
        return tool(name)
    except NoPackage as reason:
        pytest.skip(f"no {name}: {reason}")


def promtool(*words: str | Path, text: str | None = None) -> str:
    """What it says; it must be content."""
    done = subprocess.run(
        [needed("promtool"), *map(str, words)],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def main() -> int:
    """Fetch both; the exit code says whether both are there."""
    try:
        print(tool("promtool"), tool("prometheus"), sep="\n")
    except NoPackage as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
