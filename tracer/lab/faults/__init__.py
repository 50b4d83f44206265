"""What can be broken in the lab, by the slug of the rule that names it.

Each module here holds FAULTS: one Fault for each function that breaks something.
"""

import pkgutil
from importlib import import_module

from tracer.lab.faults.fault import Fault

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for module in sorted(each.name for each in pkgutil.iter_modules(__path__))
    for fault in getattr(import_module(f"{__name__}.{module}"), "FAULTS", ())
}
