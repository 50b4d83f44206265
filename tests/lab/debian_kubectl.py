"""Debian's own kubectl, of two releases, unpacked beside the system and never installed.

Each release gets an apt state of its own in the cache; the mirror is the one that the machine's
own sources name. `python -m tests.lab.debian_kubectl` prints where they are.
"""

import glob
import os
import re
import subprocess
import sys
from pathlib import Path

PACKAGES = {"bookworm": "kubernetes-client", "trixie": "kubectl"}
"""Release -> the package that holds /usr/bin/kubectl (1.20 and 1.32)."""
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class NoKubectl(Exception):
    """It cannot be had here, in words."""


def cache() -> Path:
    """Where things stay from run to run."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "flantrace"


def mirror() -> str:
    """The Debian archive that this machine uses (not that of security updates)."""
    texts = []
    for path in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*"))]:
        if path.endswith((".list", ".sources")) and os.path.isfile(path):
            texts.append(Path(path).read_text())
    for text in texts:
        for line in text.splitlines():
            if found := re.match(r"(?:URIs:|deb\s(?:\[[^]]*\])?)\s*(\S+/debian)/?(?:\s|$)", line):
                return found[1]
    raise NoKubectl("no Debian archive among the machine's apt sources")


def kubectl(release: str) -> str:
    """The path of that release's kubectl. Raises NoKubectl."""
    place = cache() / f"kubectl-{release}"
    binary = place / "root/usr/bin/kubectl"
    if not binary.exists():
        _fetch(release, place)
    if not binary.exists():
        raise NoKubectl(f"{PACKAGES[release]} of {release} holds no usr/bin/kubectl")
    return str(binary)


def _fetch(release: str, place: Path) -> None:
    if not os.path.exists(KEYRING):
        raise NoKubectl(f"{KEYRING} is missing: apt-get install debian-archive-keyring")
    for part in ("lists/partial", "archives/partial", "etc", "root"):
        (place / part).mkdir(parents=True, exist_ok=True)
    sources = place / "etc/debian.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {mirror()} {release} main\n")
    (place / "status").touch()
    settings = {
        "Dir::State": place,
        "Dir::State::Lists": place / "lists",
        "Dir::State::Status": place / "status",
        "Dir::Cache": place,
        "Dir::Cache::Archives": place / "archives",
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::Etc::Preferences": "-",
        "Dir::Etc::PreferencesParts": "-",
        "APT::Sandbox::User": "root",
        "APT::Default-Release": release,
        "Acquire::Languages": "none",
    }
    apt = ["apt-get", "-q"]
    for name, value in settings.items():
        apt += ["-o", f"{name}={value}"]
    _run([*apt, "update"], place)
    _run([*apt, "download", PACKAGES[release]], place)
    package = next(place.glob(f"{PACKAGES[release]}_*.deb"))
    _run(["dpkg", "-x", str(package), str(place / "root")], place)


def _run(command: list[str], place: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=place, capture_output=True, text=True, check=False, timeout=300
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoKubectl(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise NoKubectl(f"{command[0]} {command[-1]}: {(done.stderr or done.stdout).strip()}")


def main() -> int:
    """Fetch both; the exit code says whether both are there."""
    missing = 0
    for release in PACKAGES:
        try:
            print(kubectl(release))
        except NoKubectl as reason:
            print(f"{release}: {reason}", file=sys.stderr)
            missing = 1
    return missing


if __name__ == "__main__":
    sys.exit(main())
