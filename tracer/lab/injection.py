"""Setting a fault, and healing."""

import os

from tracer.errors import UsageError
from tracer.lab import journal, overlay, paths
from tracer.lab.faults import FAULTS
from tracer.lab.faults.fault import Fault
from tracer.lab.shell import tool


def named(name: str) -> Fault:
    """The fault of that name. Raises UsageError."""
    fault = FAULTS.get(name)
    if fault is None:
        raise UsageError(
            f"no fault is called {name}", where="lab inject", hint="flantrace lab faults"
        )
    return fault


def inject(name: str) -> None:
    """Set a fault in the running lab. Raises UsageError when there is one already."""
    fault = named(name)
    here = journal.present()
    before = journal.fault_in_force()
    if before is not None:
        raise UsageError(
            f"the fault {before} is in force", where="lab inject", hint="flantrace lab heal"
        )
    for each in fault.needs:
        tool(each)
    with open(paths.FAULT, "w") as stream:
        stream.write(f"{name}\n")
    try:
        fault.apply(here.plan)
    except BaseException:
        heal()
        raise


def heal() -> None:
    """Undo the fault in force, then put everything that flannel writes in order."""
    here = journal.present()
    name = journal.fault_in_force()
    if name is not None and name in FAULTS:
        FAULTS[name].heal(here.plan)
    overlay.restore(here.plan, here.vtep_indexes)
    if name is not None:
        os.unlink(paths.FAULT)
