"""Whether the running kernel has VXLAN at all: built in, loaded, there to be loaded, or missing."""

import os
from collections.abc import Iterable

from tracer.model.state import Link

_TREES = ("/lib/modules", "/usr/lib/modules")
_BUILT_IN, _LOADABLE = "modules.builtin", "modules.dep"
"""What depmod writes: one module's path a line; in the latter `PATH: PATHS that it needs`."""

_LARGEST = 16 << 20
"""Bytes; a distribution's modules.dep is some 700 KB."""


def vxlan_support(release: str, links: Iterable[Link], root: str = "") -> str | None:
    """`builtin`, `loaded`, `module` (there, and not loaded) or `missing`; None: it cannot be told.

    Where a device of that kind exists, the kernel has it, whatever the files say. An image often
    has no /lib/modules, or none of the running `release`: then its files tell nothing.
    """
    folder = f"{root}/sys/module/vxlan"
    if os.path.exists(f"{folder}/initstate"):
        return "loaded"  # what is built in has parameters here, and no state
    if os.path.exists(folder):
        return "builtin"
    if any(link.kind == "vxlan" for link in links):
        return "loaded"
    listed = {name: _modules(root, release, name) for name in (_BUILT_IN, _LOADABLE)}
    if "vxlan" in (listed[_BUILT_IN] or ()):
        return "builtin"
    if "vxlan" in (listed[_LOADABLE] or ()):
        return "module"
    return None if None in listed.values() else "missing"


def _modules(root: str, release: str, name: str) -> set[str] | None:
    """The modules' names in one of depmod's lists; None: no such list can be read."""
    for tree in _TREES:
        try:
            with open(f"{root}{tree}/{release}/{name}", encoding="ascii", errors="replace") as file:
                paths = (line.partition(":")[0] for line in file.read(_LARGEST).splitlines())
                return {path.rpartition("/")[2].partition(".")[0] for path in paths}
        except OSError:
            continue
    return None
