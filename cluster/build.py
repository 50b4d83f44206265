"""Kubernetes, flannel and its CNI plugin, built once from pinned Go modules into a cache.

`python -m cluster.build` builds what is missing and prints where it lies. Exit code 77: Go cannot
be had here.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from cluster.debian_go import NoGo, debian_go
from cluster.paths import MODULES, cache
from cluster.shell import Failed, run

KUBERNETES = "v1.35.4"
FLANNEL = "v0.28.10"
NO_GO = 77

_COMPONENTS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)
_VERSION = "k8s.io/component-base/version"
_FLANNEL = "github.com/flannel-io/flannel"
_NAMES = {
    "kubernetes": {f"k8s.io/kubernetes/cmd/{one}": one for one in _COMPONENTS},
    "flannel": {_FLANNEL: "flanneld", f"{_FLANNEL}/cmd/install_conf": "install-conf"},
    "cni": {"github.com/containernetworking/plugins/plugins/meta/flannel": "flannel-cni"},
}
"""Module -> package -> the program's name."""


def programs() -> Path:
    """The folder of all programs, for the versions pinned now. Failed: they are not built."""
    place = _place()
    missing = [
        name for names in _NAMES.values() for name in names.values() if not (place / name).exists()
    ]
    if missing:
        raise Failed(f"not built yet: {', '.join(missing)} (python -m cluster.build)")
    return place


def manifest() -> Path:
    """flannel's own kube-flannel.yml, of the version that is built."""
    return _place() / "kube-flannel.yml"


def build() -> Path:
    """Build what is missing, saying what takes how long. NoGo, Failed."""
    place = _place()
    place.mkdir(parents=True, exist_ok=True)
    go: str | None = None
    for module, names in _NAMES.items():
        for package, name in names.items():
            if (place / name).exists():
                continue
            go = go or compiler()
            begun = time.monotonic()
            _compile(go, module, package, place / name)
            print(f"built {name} in {time.monotonic() - begun:.0f} s", flush=True)
    if not manifest().exists():
        go = go or compiler()
        folder = run(
            [go, "list", "-m", "-f", "{{.Dir}}", _FLANNEL],
            cwd=MODULES / "flannel",
            environ=environ(),
        )
        shutil.copy(Path(folder.strip()) / "Documentation/kube-flannel.yml", manifest())
    return place


def _place() -> Path:
    """One folder for each set of pinned versions."""
    digest = hashlib.sha256(repr((KUBERNETES, FLANNEL, _NAMES)).encode())
    for file in sorted(MODULES.rglob("go.*")):
        digest.update(file.read_bytes())
    return cache() / f"bin-{digest.hexdigest()[:12]}"


def _compile(go: str, module: str, package: str, target: Path) -> None:
    """Whole or not at all: an interrupted build leaves no half program."""
    half = target.with_suffix(".half")
    # flannel's udp backend is C; everything else runs in containers without a libc
    values = {**environ(), "CGO_ENABLED": "1" if target.name == "flanneld" else "0"}
    run(
        [go, "build", "-trimpath", "-ldflags", f"-s -w {_stamps(module)}", "-o", half, package],
        cwd=MODULES / module,
        environ=values,
        timeout=3600,
    )
    half.rename(target)


def _stamps(module: str) -> str:
    """The versions that the programs say they are; the API server goes by its own."""
    if module == "flannel":
        return f"-X {_FLANNEL}/pkg/version.Version={FLANNEL}"
    if module == "cni":
        return ""
    major, minor = KUBERNETES.removeprefix("v").split(".")[:2]
    values = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor}
    return " ".join(f"-X {_VERSION}.{name}={value}" for name, value in values.items())


def environ() -> Mapping[str, str]:
    """For `go`: the caller's own: its proxy of modules is the machine's affair."""
    return {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}


def compiler() -> str:
    """A Go toolchain new enough for the modules; NoGo says why there is none."""
    wanted = _wanted()
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go", "/usr/lib/go/bin/go"):
        if candidate is not None and Path(candidate).exists() and _version(candidate) >= wanted:
            return candidate
    found = str(debian_go())
    if _version(found) < wanted:
        raise NoGo(f"{found} is older than the modules want: {wanted}")
    return found


def _version(go: str) -> tuple[int, ...]:
    return _numbers(run([go, "env", "GOVERSION"], environ=environ()).strip())


def _wanted() -> tuple[int, ...]:
    """The highest `go` line of the modules."""
    lines = [line for file in MODULES.rglob("go.mod") for line in file.read_text().splitlines()]
    return max(_numbers(line.split()[1]) for line in lines if line.startswith("go "))


def _numbers(version: str) -> tuple[int, ...]:
    """`go1.26.8` -> (1, 26, 8)."""
    parts = version.removeprefix("go").split("-")[0].split()[0].split(".")
    return tuple(int(part) for part in parts if part.isdigit())


def main() -> int:
    """Build, or say why not."""
    try:
        begun = time.monotonic()
        print(f"{build()} ({time.monotonic() - begun:.0f} s)")
    except NoGo as error:
        print(f"not run: {error}", file=sys.stderr)
        return NO_GO
    except (Failed, subprocess.SubprocessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
