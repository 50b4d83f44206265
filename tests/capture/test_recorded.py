"""Recorded captures of real nodes give what their goldens say, through the command itself."""

import contextlib
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

from tests.capture.recording import FAULT, RECORDED
from tests.cli.test_replay import ABSENT
from tests.conftest import Golden
from tracer.bundle.archive import read
from tracer.cli.main import run
from tracer.core.diagnose import diagnose
from tracer.render.text import text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("recorded")
    with tarfile.open(RECORDED / f"{FAULT}.tar.xz") as archive:
        archive.extractall(place)
    return place


def words(folder: Path, device: str, *more: str, named: str = "") -> list[str]:
    files = [
        word
        for node in ("node-a", "node-b")
        for word in ("--node", f"{node}{named}", str(folder / f"{node}-{device}.pcap"))
    ]
    return [*files, "--state-dir", str(folder), *more]


def imported(*given: str) -> tuple[int, str]:
    """Exit code and stdout of `flantrace import`."""
    kept = () if "--save" in given else ("--no-save",)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run(["import", *given, *kept])
    return code, out.getvalue()


@pytest.mark.parametrize("device", ["any", "eth0"])
def test_a_recorded_fault_equals_its_golden(device: str, folder: Path, golden: Golden) -> None:
    code, out = imported(*words(folder, device))
    golden(RECORDED / f"{FAULT}-{device}.txt", out)
    assert code == (1 if device == "any" else 3)


def test_the_fixture_is_small() -> None:
    assert (RECORDED / f"{FAULT}.tar.xz").stat().st_size < 50_000


def test_the_saved_bundle_says_the_same_when_it_is_replayed(folder: Path, tmp_path: Path) -> None:
    saved = tmp_path / "i.tgz"
    _, out = imported(*words(folder, "any", "--save", str(saved)))
    assert text(diagnose(read(saved))) == out


def test_pods_may_be_named_and_one_line_is_enough(folder: Path) -> None:
    given = words(folder, "eth0", "pod-a", "default/pod-b", "--depth", "verdict", named=":eth0")
    assert imported(*given) == (3, f"UNKNOWN {FAULT} - - -\n")


def test_what_cannot_be_meant_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = (
        (("--node", "../etc", str(folder / "node-a-any.pcap")), 2, "cannot be a node"),
        (("--node", "node-a", str(folder / "nothing.pcap")), 4, "cannot read"),
        (words(folder, "any", "--save", "/nonexistent/x.tgz"), 2, "cannot write"),
    )
    for given, code, said in asked:
        assert imported(*given)[0] == code
        assert said in capsys.readouterr().err


ALONE = f"""
import os, sys
for name in {ABSENT!r}:
    sys.modules[name] = None
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)
from tracer.cli.main import run
sys.exit(run(["import", *sys.argv[1:]]))
"""


def test_an_import_needs_neither_root_nor_what_collects() -> None:
    with tempfile.TemporaryDirectory() as place:
        with tarfile.open(RECORDED / f"{FAULT}.tar.xz") as archive:
            archive.extractall(place)
        # Made by root, and to be read by nobody.
        subprocess.run(["chmod", "-R", "a+rX", place], check=True)
        given = words(Path(place), "any", "--depth", "verdict", "--no-save")
        done = subprocess.run(
            [sys.executable, "-c", ALONE, *given], capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == f"LOST {FAULT} node-b flannel.1 -\n"
