"""Wireshark's word on a capture file: what tshark and capinfos read in it."""

import shutil
import subprocess
from pathlib import Path

import pytest

SEPARATOR = "\x1f"


def needed(*tools: str) -> pytest.MarkDecorator:
    """A mark that skips, and says so, where a tool of Wireshark's is not installed."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def fields(file: Path, *names: str, also: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """One row a packet, one column a field; `also`: further options of tshark."""
    words = [word for name in names for word in ("-e", name)]
    out = run(
        "tshark", "-n", "-r", str(file), "-T", "fields", "-E", f"separator={SEPARATOR}", *also,
        *words,
    )  # fmt: skip
    return [tuple(line.split(SEPARATOR)) for line in out.splitlines()]


def run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
