"""The manifest that `make release` writes, held against krew: its validation, its install."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from cluster.build import compiler, environ, programs
from cluster.paths import ROOT, cache
from cluster.shell import ENVIRON, run
from tracer import __version__

MODULE = Path(__file__).with_name("modules") / "krew"
VERSION = "v0.4.3"
PROGRAMS = ("krew", "validate-krew-manifest")


@pytest.fixture(scope="module")
def krew() -> Path:
    """The folder of krew's programs, built once."""
    place = cache() / f"krew-{VERSION}"
    if not all((place / name).exists() for name in PROGRAMS):
        packages = [f"sigs.k8s.io/krew/cmd/{name}" for name in PROGRAMS]
        half = place.with_suffix(".half")
        words = [compiler(), "build", "-trimpath", "-ldflags", "-s -w", "-o", f"{half}/", *packages]
        run(words, cwd=MODULE, environ={**environ(), "CGO_ENABLED": "0"}, timeout=1200)
        half.rename(place)
    return place


@pytest.fixture
def release(tmp_path: Path) -> tuple[Path, Path]:
    """(manifest, archive) of a release whose program is this checkout's."""
    program = tmp_path / "kubectl-flantrace"
    start = "import sys; from tracer.__main__ import kubectl; kubectl()"
    program.write_text(f"#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -c '{start}' \"$@\"\n")
    program.chmod(0o755)
    archive = tmp_path / "flantrace-linux-amd64.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        made.add(program, program.name)
    manifest = tmp_path / "flantrace.yaml"
    words = ["--version", __version__, "--url", str(archive), "--output", str(manifest)]
    run([sys.executable, "-m", "tools.release", *words], cwd=ROOT, environ=os.environ)
    return manifest, archive


def test_krews_own_validation_takes_it(krew: Path, release: tuple[Path, Path]) -> None:
    manifest, _ = release
    words = [str(krew / "validate-krew-manifest"), "-skip-install", "-manifest", str(manifest)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "structural validation OK" in done.stderr


def test_a_manifest_with_another_checksum_is_not_installed(
    krew: Path, release: tuple[Path, Path], tmp_path: Path
) -> None:
    manifest, archive = release
    with archive.open("ab") as file:
        file.write(b"more")
    said = installed(krew, manifest, archive, tmp_path).stderr
    assert "checksum does not match" in said


def test_krew_installs_it_and_kubectl_runs_it(
    krew: Path, release: tuple[Path, Path], tmp_path: Path
) -> None:
    manifest, archive = release
    assert installed(krew, manifest, archive, tmp_path).returncode == 0
    path = f"{tmp_path / 'krew' / 'bin'}:{ENVIRON['PATH']}"
    words = [str(programs() / "kubectl"), "flantrace", "check", "--help"]
    said = run(words, environ={**ENVIRON, "PATH": path})
    assert said.startswith("Usage: kubectl flantrace check [OPTIONS] [NODE]...")


def installed(
    krew: Path, manifest: Path, archive: Path, folder: Path
) -> "subprocess.CompletedProcess[str]":
    words = [str(krew / "krew"), "install", f"--manifest={manifest}", f"--archive={archive}"]
    environment = {**ENVIRON, "KREW_ROOT": str(folder / "krew"), "HOME": str(folder)}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
