"""The recorded cases: a folder each under tests/cases, bundles and what is read out of them."""

from pathlib import Path

from tests.constructed import CONSTRUCTED, Construction
from tracer.lab.faults import FAULTS
from tracer.lab.faults.fault import Fault

CASES = Path(__file__).parent / "cases"
BUNDLE = "bundle.tgz"
"""A trace of pod-a to pod-b."""
SWAPPED = "swapped.tgz"
"""A trace of pod-b to pod-a: the fault meets the replies."""
CHECK = "check.tgz"
"""A check of all nodes."""
CONSTRUCTION = "constructed.md"
"""Why a case could not be recorded."""


def names(file: str = BUNDLE) -> list[str]:
    """Every case that has this recording."""
    return sorted(path.parent.name for path in CASES.glob(f"*/{file}"))


def bundle_of(name: str, file: str = BUNDLE) -> Path:
    """A case's recording."""
    return CASES / name / file


def rule_of(name: str) -> str:
    """The rule that names a case: `routes-lost--no-device` is a second way to routes-lost."""
    return name.partition("--")[0]


def fault_of(name: str) -> Fault | Construction | None:
    """How the case came about; None: nothing is broken in it."""
    return FAULTS.get(rule_of(name)) or CONSTRUCTED.get(name)


def spares(name: str) -> bool:
    """Nothing that pod-a sends to pod-b is stopped."""
    fault = fault_of(name)
    return fault is None or bool(fault.spares)


def swapped(name: str) -> str:
    """The rule that names it for traffic of pod-b to pod-a."""
    fault = FAULTS.get(name)
    return (fault.swapped if fault is not None else "") or rule_of(name)


def hidden(name: str) -> bool:
    """Only packets show it, no table."""
    fault = fault_of(name)
    return fault is not None and bool(fault.hidden)
