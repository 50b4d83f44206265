"""The recorded cases: a folder each under tests/cases, a bundle and what is read out of it."""

from pathlib import Path

CASES = Path(__file__).parent / "cases"
BUNDLE = "bundle.tgz"


def names() -> list[str]:
    """Every recorded case."""
    return sorted(path.parent.name for path in CASES.glob(f"*/{BUNDLE}"))


def bundle_of(name: str) -> Path:
    """A case's recording."""
    return CASES / name / BUNDLE
