"""Libraries that only have names: they can be loaded, and whoever calls one is stopped."""

import ctypes
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools.image import elf
from tools.image.hollow import HOLLOWED, stub

MACHINES = {"x86_64": 62, "aarch64": 183}

CALL = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
assert library.first and library.last
print("loaded", flush=True)
getattr(library, sys.argv[2])()
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    if platform.machine() not in MACHINES:
        pytest.skip(f"no trap is known for {platform.machine()}")
    path = tmp_path / "libhollow.so.1"
    names = ["first", *(f"between_{number}" for number in range(200)), "last"]
    path.write_bytes(stub(path.name, names, MACHINES[platform.machine()]))
    return path


@pytest.mark.parametrize("name", ["first", "between_77", "last"])
def test_every_name_is_there_and_a_call_ends_in_a_trap(library: Path, name: str) -> None:
    command = [sys.executable, "-c", CALL, str(library), name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "loaded\n", done.stderr
    assert done.returncode == -signal.SIGILL


def test_a_name_that_was_not_asked_for_is_not_there(library: Path) -> None:
    with pytest.raises(AttributeError):
        _ = ctypes.CDLL(str(library)).another


def test_a_library_without_any_name_can_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "libempty.so"
    path.write_bytes(stub(path.name, [], MACHINES[platform.machine()]))
    assert ctypes.CDLL(str(path))


def test_what_is_written_is_read_back(library: Path) -> None:
    data = library.read_bytes()
    read = elf.shared(data)
    assert read is not None
    assert (read.soname, read.needed) == ("libhollow.so.1", ())


def test_what_a_real_library_asks_for_is_what_the_linker_says() -> None:
    path = Path("/proc/self/exe").resolve()
    read = elf.shared(path.read_bytes())
    assert read is not None
    assert "libc.so.6" in read.needed


def test_a_text_is_no_library() -> None:
    assert elf.shared(b"#!/usr/bin/python3\n") is None


def test_the_image_has_hollow_ones_of_a_few_kilobytes(root: Path) -> None:
    libraries = [path for path in root.rglob("lib*.so.*") if path.name.startswith(HOLLOWED)]
    assert len([path for path in libraries if not path.is_symlink()]) == len(HOLLOWED)
    assert max(path.stat().st_size for path in libraries) < 10_000
    assert not list(root.rglob("libicudata*"))
