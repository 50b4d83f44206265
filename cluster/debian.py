"""Debian packages of other releases, unpacked beside the system and never installed.

Each gets an apt state of its own in the cache; the mirror is the one that the machine's own sources
name.
"""

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

from cluster.shell import Failed, run

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class NoPackage(Exception):
    """It cannot be had here, in words."""


def cache() -> Path:
    """Where things stay from run to run."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "flantrace"


def unpacked(release: str, packages: Sequence[str], name: str) -> Path:
    """The folder below which the packages of a release lie, as if installed. NoPackage.

    `name`: of the folder in the cache. Nothing is fetched that is there.
    """
    place = cache() / name
    done = place / "done"
    if not done.exists():
        try:
            _fetch(release, packages, place)
        except Failed as error:
            raise NoPackage(str(error)) from error
        done.touch()
    return place / "root"


def mirror() -> str:
    """The Debian archive that this machine uses (not that of security updates). NoPackage."""
    texts = []
    for path in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*"))]:
        if path.endswith((".list", ".sources")) and os.path.isfile(path):
            texts.append(Path(path).read_text())
    for text in texts:
        for line in text.splitlines():
            if found := re.match(r"(?:URIs:|deb\s(?:\[[^]]*\])?)\s*(\S+/debian)/?(?:\s|$)", line):
                return found[1]
    raise NoPackage("no Debian archive among the machine's apt sources")


def _fetch(release: str, packages: Sequence[str], place: Path) -> None:
    if not os.path.exists(KEYRING):
        raise NoPackage(f"{KEYRING} is missing: apt-get install debian-archive-keyring")
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
    for setting, value in settings.items():
        apt += ["-o", f"{setting}={value}"]
    run([*apt, "update"], cwd=place, environ=os.environ, timeout=300)
    run([*apt, "download", *packages], cwd=place, environ=os.environ, timeout=600)
    for package in place.glob("*.deb"):
        run(["dpkg", "-x", package, place / "root"])
        package.unlink()
