"""Python's bytecode, written once at build time: the image's root is read-only."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.image.tree import FILE, BuildError, Tree

PYTHON = f"python3.{sys.version_info.minor}"
"""The interpreter that builds, which must be the image's: bytecode and wheels belong to one."""


def compile_all(tree: Tree, folder: str, but: Sequence[str] = ()) -> None:
    """Add the bytecode of every module under `folder`, save those under one of `but`.

    Marked as never to be held against its source, so no time of any file stands in it.
    """
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        for path, entry in tree.sorted():
            ours = path.startswith(f"{folder}/") and not path.startswith(tuple(but))
            if entry.kind == FILE and ours and path.endswith(".py"):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(entry.data)
        words = [sys.executable, "-s", "-S", "-m", "compileall", "-q", "-s", made, "-p", "/"]
        done = subprocess.run(
            [*words, "--invalidation-mode", "unchecked-hash", made],
            env={"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BuildError(f"the modules do not compile: {done.stdout.strip()}")
        for file in sorted(root.rglob("*.pyc")):
            path = file.relative_to(root).as_posix()
            tree.folder(path.rpartition("/")[0])
            tree.file(path, file.read_bytes())
