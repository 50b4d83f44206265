"""The layers of Python: flantrace's pinned dependencies, and flantrace itself."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tools.image.bytecode import PYTHON, compile_all
from tools.image.tree import BuildError, Tree

SITE = f"usr/local/lib/{PYTHON}/dist-packages"
"""Where Debian's interpreter looks besides its own packages."""

LEFT_OUT = (
    # kubernetes' asynchronous half, which its package does not import, and what that stands on
    "kubernetes/aio", "aiohttp", "aiohttp_retry", "aiosignal", "aiohappyeyeballs", "attr", "attrs",
    "frozenlist", "multidict", "propcache", "yarl",
    "tzdata",  # only UTC is ever meant
    "bin",
)  # fmt: skip

UNCOMPILED = (f"{SITE}/kubernetes/client/api/", f"{SITE}/kubernetes/client/models/")
"""Imported one by one as they are used; compiled they would be a third of the layer."""

COMMAND = """\
#!/usr/bin/python3
from tracer.__main__ import main

main()
"""


def dependencies(root: Path) -> tuple[str, ...]:
    """What flantrace's pyproject.toml pins."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return tuple(project["dependencies"])


def of_dependencies(pinned: Sequence[str], constraints: Path) -> Tree:
    """The pinned packages and what they need, from wheels."""
    with tempfile.TemporaryDirectory() as made:
        _pip(
            "install", "--target", made, "--no-compile", "--only-binary=:all:",
            "-c", str(constraints), *pinned,
        )  # fmt: skip
        found = Tree()
        found.add_folder(Path(made), SITE, mtime=0)
    names = [f"{SITE}/{name}" for name in LEFT_OUT]
    infos = [f"{SITE}/{name}-*.dist-info/*" for name in LEFT_OUT]
    tests = [f"{SITE}/*/tests/*"]
    found.leave_out([*(f"{name}/*" for name in names), *infos, *tests])
    _shorten_records(found)
    compile_all(found, SITE, UNCOMPILED)
    return found


def _shorten_records(found: Tree) -> None:
    """A RECORD lists what is there: without the scripts, whose sums tell where they were made."""
    for path, entry in list(found.sorted()):
        if path.endswith(".dist-info/RECORD"):
            rows = entry.data.splitlines(keepends=True)
            there = [row for row in rows if f"{SITE}/{row.partition(b',')[0].decode()}" in found]
            found.replace(path, entry._replace(data=b"".join(there)))


def of_flantrace(root: Path, files: Sequence[str], epoch: int) -> Tree:
    """This checkout's `files`, installed; all of it dated `epoch`."""
    with tempfile.TemporaryDirectory() as made:
        copy, wheels = Path(made, "source"), Path(made, "wheels")
        for name in files:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((root / name).read_bytes())
        _pip("wheel", "--no-deps", "-w", str(wheels), str(copy))
        found = Tree()
        with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
            for name in wheel.namelist():
                found.file(f"{SITE}/{name}", wheel.read(name))
    compile_all(found, SITE)
    found.file("usr/bin/flantrace", COMMAND.encode(), 0o755)
    return found.dated(epoch)


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise BuildError(f"pip {words[0]}: {said[-1] if said else 'no reason given'}")
