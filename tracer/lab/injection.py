"""Setting a fault or a variant, and healing."""

import os
from collections.abc import Mapping

from tracer.errors import UsageError
from tracer.lab import journal, overlay, paths
from tracer.lab.change import Change
from tracer.lab.faults import FAULTS
from tracer.lab.shell import tool
from tracer.lab.variants import VARIANTS

CHANGES: dict[str, Change] = {**FAULTS, **VARIANTS}


def inject(name: str) -> None:
    """Set a fault in the running lab. Raises UsageError when there is something already."""
    _set(name, FAULTS, ("fault", "lab inject", "flantrace lab faults"))


def vary(name: str) -> None:
    """Set a variant in the running lab. Raises UsageError when there is something already."""
    _set(name, VARIANTS, ("variant", "lab vary", "flantrace lab variants"))


def _set(name: str, known: Mapping[str, Change], words: tuple[str, str, str]) -> None:
    noun, where, listing = words
    change = known.get(name)
    if change is None:
        raise UsageError(f"no {noun} is called {name}", where=where, hint=listing)
    here = journal.present()
    before = journal.in_force()
    if before is not None:
        noun = "fault" if before in FAULTS else "variant"
        raise UsageError(f"the {noun} {before} is in force", where=where, hint="flantrace lab heal")
    if here.shape not in change.shapes:
        fit = change.shapes[0]
        raise UsageError(
            f"{name} needs a lab of the shape {fit}, and this one is {here.shape}",
            where=where,
            hint=f"flantrace lab down, then flantrace lab up --shape {fit}",
        )
    for each in change.needs:
        tool(each)
    with open(paths.IN_FORCE, "w") as stream:
        stream.write(f"{name}\n")
    try:
        change.apply(here.plan)
    except BaseException:
        heal()
        raise


def heal() -> None:
    """Undo what is in force, then put everything that flannel writes in order."""
    here = journal.present()
    name = journal.in_force()
    if name is not None and name in CHANGES:
        CHANGES[name].heal(here.plan)
    here = journal.present()  # a variant may have changed how many nodes there are
    overlay.restore(here.plan, here.vtep_indexes)
    if name is not None:
        os.unlink(paths.IN_FORCE)
