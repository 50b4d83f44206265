"""The krew manifest of a release has every field that krew asks for, and the right checksum."""

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import jsonschema
import pytest
import yaml

from tools.release import NotReleasable, manifest
from tracer import __version__

ROOT = Path(__file__).parents[1]
FAR = "https://releases.example/flantrace-linux-amd64.tar.gz"
SUM = "0123456789abcdef" * 4

TEXT = {"type": "string", "minLength": 1}
SELECTOR = {
    "type": "object",
    "required": ["matchLabels"],
    "additionalProperties": False,
    "properties": {
        "matchLabels": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {"os": {"enum": ["linux", "darwin"]}, "arch": TEXT},
        }
    },
}
SCHEMA = {
    # sigs.k8s.io/krew v0.4.3: pkg/index/types.go, internal/index/validation/validate.go
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "krew.googlecontainertools.github.com/v1alpha2"},
        "kind": {"const": "Plugin"},
        "metadata": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"name": {"const": "flantrace"}},
        },
        "spec": {
            "type": "object",
            "required": ["version", "shortDescription", "description", "platforms"],
            "additionalProperties": False,
            "properties": {
                "version": {"type": "string", "pattern": r"^v\d+\.\d+\.\d+"},
                "shortDescription": {**TEXT, "pattern": r"^[^\r\n]+$", "maxLength": 50},
                "description": TEXT,
                "caveats": TEXT,
                "platforms": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["uri", "sha256", "bin", "selector"],
                        "additionalProperties": False,
                        "properties": {
                            "uri": TEXT,
                            "sha256": {"type": "string", "pattern": "^[a-f0-9]{64}$"},
                            "bin": {"const": "kubectl-flantrace"},
                            "selector": SELECTOR,
                        },
                    },
                },
            },
        },
    },
}


def tarball(folder: Path, *names: str) -> Path:
    path = folder / "flantrace-linux-amd64.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in names or ("kubectl-flantrace", "LICENSE"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return path


def rendered(
    url: str, sha256: str | None = None, platform: str = "linux/amd64"
) -> dict[str, object]:
    made = yaml.safe_load(manifest(__version__, url, sha256, platform))
    jsonschema.validate(made, SCHEMA)
    return dict(made["spec"])


def platform_of(spec: dict[str, object]) -> dict[str, object]:
    platforms = spec["platforms"]
    assert isinstance(platforms, list)
    return dict(platforms[0])


def test_make_release_writes_it_with_the_archives_checksum(tmp_path: Path) -> None:
    archive = tarball(tmp_path)
    out = tmp_path / "dist" / "flantrace.yaml"
    words = ["--version", __version__, "--url", archive.as_uri(), "--output", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "tools.release", *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"{out}\n"), done.stderr
    made = yaml.safe_load(out.read_text())
    jsonschema.validate(made, SCHEMA)
    assert made["spec"]["version"] == f"v{__version__}"
    assert made["spec"]["platforms"] == [
        {
            "selector": {"matchLabels": {"os": "linux", "arch": "amd64"}},
            "uri": archive.as_uri(),
            "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
            "bin": "kubectl-flantrace",
        }
    ]


def test_the_makefile_passes_on_what_it_is_given() -> None:
    words = ["VERSION=1.0.0", f"URL={FAR}", f"SHA256={SUM}", "PLATFORM=linux/arm64"]
    # not as a part of the make that runs the tests: it would tell which folder it enters
    environ = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "-n", "release", *words],
        cwd=ROOT, env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    line = " ".join(done.stdout.replace("\\\n", " ").split())
    assert line.endswith(
        f'python -m tools.release --version "1.0.0" --url "{FAR}" --sha256 {SUM}'
        " --platform linux/arm64"
    )


def test_an_archive_elsewhere_comes_with_its_checksum() -> None:
    platform = platform_of(rendered(FAR, SUM, "linux/arm64"))
    assert (platform["uri"], platform["sha256"]) == (FAR, SUM)
    assert platform["selector"] == {"matchLabels": {"os": "linux", "arch": "arm64"}}


def test_a_path_is_as_good_as_an_address_and_zip_as_tar(tmp_path: Path) -> None:
    path = tmp_path / "flantrace.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("kubectl-flantrace", "")
    assert platform_of(rendered(str(path)))["uri"] == path.as_uri()


def refusal(version: str, url: str, sha256: str | None = None) -> str:
    with pytest.raises(NotReleasable) as refused:
        manifest(version, url, sha256, "linux/amd64")
    return str(refused.value)


def test_what_cannot_be_released_is_said_in_words(tmp_path: Path) -> None:
    good = str(tarball(tmp_path))
    assert "krew wants a semantic version" in refusal("1.0", good)
    assert f"tracer.__version__ is {__version__}" in refusal("99.0.0", good)
    assert "SHA256= has to be given" in refusal(__version__, FAR)
    assert "64 small hexadecimal digits" in refusal(__version__, FAR, "abc")
    assert "that of flantrace-linux-amd64.tar.gz is" in refusal(__version__, good, SUM)
    assert "that is no address" in refusal(__version__, "https://x/ y", SUM)
    assert "No such file" in refusal(__version__, str(tmp_path / "none.tar.gz"))
    (tmp_path / "text.tar.gz").write_text("no archive")
    assert "not a gzip file" in refusal(__version__, str(tmp_path / "text.tar.gz"))
    other = tarball(tmp_path, "bin/flantrace")
    assert "has no kubectl-flantrace at its top" in refusal(__version__, str(other))


def test_the_program_that_krew_links_is_one_of_ours() -> None:
    scripts = (ROOT / "pyproject.toml").read_text()
    assert re.search(r'^kubectl-flantrace = "', scripts, re.M)
