"""What a checkout says of itself: its files, its last commit, its version."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from tools.image.tree import BuildError

PARTS = ("tracer/", "bpf/", "docs/rules/")
SINGLE = ("pyproject.toml", "README.md", "LICENSE")
"""What an installation is made of."""


class Source(NamedTuple):
    """One state of the checkout."""

    files: tuple[str, ...]
    version: str
    revision: str
    """The commit; with `-dirty` where files differ from it."""
    epoch: int
    """When it was committed, or $SOURCE_DATE_EPOCH: the date of all that the image dates."""


def source(root: Path) -> Source:
    """The files that git knows, as they lie there. BuildError where there is no git."""
    wanted = [*PARTS, *SINGLE]
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", *wanted)
    files = sorted(name for name in listed.split("\0") if name and (root / name).is_file())
    dirty = "-dirty" if _git(root, "status", "--porcelain", "--", *wanted) else ""
    found = re.search(r'__version__ = "([^"]+)"', (root / "tracer/__init__.py").read_text())
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or _git(root, "log", "-1", "--format=%ct")
    return Source(
        files=tuple(files),
        version=found.group(1) if found else "0",
        revision=_git(root, "rev-parse", "HEAD").strip() + dirty,
        epoch=int(epoch),
    )


def _git(root: Path, *words: str) -> str:
    # a clone of another user's (sudo make) is as good as one's own to read
    command = ["git", "-c", f"safe.directory={root}", "-C", str(root), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BuildError("git is missing: the image is dated by the last commit") from None
    if done.returncode != 0:
        raise BuildError(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout
