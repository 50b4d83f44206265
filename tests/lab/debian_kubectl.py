"""Debian's own kubectl, of two releases. `python -m tests.lab.debian_kubectl` prints where."""

import sys

from cluster.debian import NoPackage, unpacked

PACKAGES = {"bookworm": "kubernetes-client", "trixie": "kubectl"}
"""Release -> the package that holds /usr/bin/kubectl (1.20 and 1.32)."""


def kubectl(release: str) -> str:
    """The path of that release's kubectl. Raises NoPackage."""
    package = PACKAGES[release]
    binary = unpacked(release, [package], f"kubectl-{release}") / "usr/bin/kubectl"
    if not binary.exists():
        raise NoPackage(f"{package} of {release} holds no usr/bin/kubectl")
    return str(binary)


def main() -> int:
    """Fetch both; the exit code says whether both are there."""
    missing = 0
    for release in PACKAGES:
        try:
            print(kubectl(release))
        except NoPackage as reason:
            print(f"{release}: {reason}", file=sys.stderr)
            missing = 1
    return missing


if __name__ == "__main__":
    sys.exit(main())
