"""Render the krew manifest of a release: `python -m tools.release --version V --url URL`.

The checksum is that of the archive: of a local file or a file:// address it is computed, and the
archive is looked into; of any other address it has to be given.
"""

import argparse
import hashlib
import re
import string
import sys
import tarfile
import zipfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tracer import __version__

ROOT = Path(__file__).parents[1]
TEMPLATE = Path(__file__).with_name("krew.yaml")
PROGRAM = "kubectl-flantrace"

SHA256 = re.compile(r"[0-9a-f]{64}")
SEMVER = re.compile(r"v(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
"""As krew's internal/installation/semver takes it: with a v."""

PLATFORMS = ("linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64")


class NotReleasable(Exception):
    """What is wrong, in words."""


def manifest(version: str, url: str, sha256: str | None, platform: str) -> str:
    """The text of the manifest. NotReleasable."""
    release = f"v{version.removeprefix('v')}"
    if not SEMVER.fullmatch(release):
        raise NotReleasable(f"VERSION={version}: krew wants a semantic version, such as 1.0.0")
    if release != f"v{__version__}":
        raise NotReleasable(f"VERSION={version}: tracer.__version__ is {__version__}")
    system, _, machine = platform.partition("/")
    values = {
        "version": release,
        "uri": _address(url),
        "sha256": _checksum(url, sha256),
        "os": system,
        "arch": machine,
    }
    return string.Template(TEMPLATE.read_text()).substitute(values)


def _address(url: str) -> str:
    path = _local(url)
    address = url if path is None else path.absolute().as_uri()
    if re.search(r"[\s#'\"]", address):
        raise NotReleasable(f"URL={url}: that is no address")
    return address


def _local(url: str) -> Path | None:
    """The file that is meant; None: it lies elsewhere."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if parts.scheme else Path(url)


def _checksum(url: str, given: str | None) -> str:
    path = _local(url)
    if path is None:
        if given is None:
            raise NotReleasable(f"URL={url}: the archive is not here, so SHA256= has to be given")
        if not SHA256.fullmatch(given):
            raise NotReleasable(f"SHA256={given}: 64 small hexadecimal digits are wanted")
        return given
    try:
        content = path.read_bytes()
        names = _names(path)
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise NotReleasable(f"URL={url}: {error}") from None
    if PROGRAM not in names:
        raise NotReleasable(f"URL={url}: the archive has no {PROGRAM} at its top")
    computed = hashlib.sha256(content).hexdigest()
    if given is not None and given != computed:
        raise NotReleasable(f"SHA256={given}: that of {path.name} is {computed}")
    return computed


def _names(path: Path) -> set[str]:
    """What the archive holds: krew takes .zip and .tar.gz."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return {name.removeprefix("./") for name in archive.namelist()}
    with tarfile.open(path, "r:gz") as archive:
        return {name.removeprefix("./") for name in archive.getnames()}


def main() -> int:
    """Write the manifest, or say why not."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    parser.add_argument("--version", required=True)
    parser.add_argument("--url", required=True, help="where krew finds the archive")
    parser.add_argument("--sha256", help="of the archive, where it is not a local file")
    parser.add_argument("--platform", choices=PLATFORMS, default=PLATFORMS[0])
    parser.add_argument("--output", type=Path, default=ROOT / "dist" / "flantrace.yaml")
    given = parser.parse_args()
    try:
        text = manifest(given.version, given.url, given.sha256, given.platform)
    except NotReleasable as error:
        print(error, file=sys.stderr)
        return 1
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(text)
    print(given.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
