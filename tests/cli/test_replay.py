"""A replay needs no root, no bcc, no cluster: only the file."""

import subprocess
import sys

import pytest

from tests.cases import bundle_of

ABSENT = ("bcc", "kubernetes", "pyroute2", "starlette", "uvicorn")

ALONE = f"""
import os, sys
for name in {ABSENT!r}:
    sys.modules[name] = None
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)
from tracer.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


def alone(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run flantrace as nobody, without any of the libraries that collect."""
    return subprocess.run(
        [sys.executable, "-c", ALONE, *words], input=stdin, capture_output=True, check=False
    )


@pytest.mark.parametrize("depth", ["verdict", "path", "full"])
def test_a_replay_needs_nothing_but_the_file(depth: str) -> None:
    bundle = bundle_of("vtepmac-annotation-stale")
    # Read by root and copied, so that nobody may read it wherever the checkout lies.
    copy = subprocess.run(
        ["mktemp", "--suffix=.tgz"], capture_output=True, text=True, check=True
    ).stdout.strip()
    with open(copy, "wb") as file:
        file.write(bundle.read_bytes())
    subprocess.run(["chmod", "a+r", copy], check=True)
    done = alone("replay", copy, "--depth", depth)
    subprocess.run(["rm", copy], check=True)
    assert done.returncode == 1, done.stderr
    assert b"vtepmac-annotation-stale" in done.stdout
    assert done.stderr == b""


def test_no_root_is_said_and_is_exit_code_4() -> None:
    done = alone("lab", "up")
    assert done.returncode == 4
    assert b"root" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_colour_is_a_repetition_never_the_only_sign() -> None:
    plain = alone("replay", str(bundle_of("fdb-missing")), "--color", "never").stdout
    colored = alone("replay", str(bundle_of("fdb-missing")), "--color", "always").stdout
    if not plain:
        pytest.skip("nobody may not read this checkout")
    assert b"\x1b[" in colored
    import re

    assert re.sub(rb"\x1b\[[0-9;]*m", b"", colored) == plain
