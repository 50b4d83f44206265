"""Cases that the lab cannot make: recordings of a healthy lab, changed as the fault would have it.

Each module here holds CONSTRUCTED: a rule's slug, and how its case is made of which recorded one.
"""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from tracer.model.bundle import Bundle


@dataclass(frozen=True)
class Construction:
    """One case that was never recorded."""

    why: str
    """Why the lab cannot make it: one sentence."""
    made: Callable[[Bundle], Bundle]
    """From each recording of the base case: the trace, the swapped one, the check."""
    base: str = "healthy"
    spares: str = ""
    """Why whatever pod-a sends to pod-b arrives all the same; empty: it does not."""
    hidden: str = ""
    """Why no table of any node shows it; empty: a check names it."""


CONSTRUCTED: dict[str, Construction] = {
    slug: construction
    for module in sorted(each.name for each in pkgutil.iter_modules(__path__))
    for slug, construction in import_module(f"{__name__}.{module}").CONSTRUCTED.items()
}
