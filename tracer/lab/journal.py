"""The lab's record of itself, written before a thing is made: no crash leaves orphans."""

import json
import os
from dataclasses import asdict, dataclass, field

from tracer.errors import NotFound
from tracer.lab import paths
from tracer.lab.plan import PlannedNode, planned
from tracer.lab.shape import PLAIN, SHAPES


@dataclass
class Journal:
    """What exists, or may exist after a crash."""

    id: str
    """Random: marks the API server's process as this lab's."""
    nodes: int
    shape: str = PLAIN.name
    """The name of its shape."""
    ready: bool = False
    """`lab up` came to its end."""
    netns: list[str] = field(default_factory=list)
    """Names below /run/netns that are ours."""
    made_netns_dir: bool = False
    bound_netns_dir: bool = False
    """We made /run/netns a mount point, as iproute2 does at the first `ip netns add`."""
    vtep_indexes: dict[str, dict[str, int]] = field(default_factory=dict)
    """Node -> flannel's devices -> ifindex: the same one again when a fault is healed."""

    @property
    def plan(self) -> tuple[PlannedNode, ...]:
        """The nodes and their pods."""
        return planned(self.nodes, SHAPES.get(self.shape, PLAIN))

    def save(self) -> None:
        """Write it, whole or not at all."""
        with open(f"{paths.STATE}.new", "w") as stream:
            json.dump(asdict(self), stream)
        os.replace(f"{paths.STATE}.new", paths.STATE)


def saved() -> Journal | None:
    """The journal of the lab that is here, ready or half made; None without one."""
    try:
        with open(paths.STATE) as stream:
            return Journal(**json.load(stream))
    except (OSError, ValueError, TypeError):
        return None


def present() -> Journal:
    """The journal of the running lab. Raises NotFound when there is none."""
    journal = saved()
    if journal is None or not journal.ready:
        raise NotFound("no lab is up", where=paths.LAB_ROOT, hint="flantrace lab up")
    return journal


def in_force() -> str | None:
    """The name of the fault or the variant that was set."""
    try:
        with open(paths.IN_FORCE) as stream:
            return stream.read().strip() or None
    except OSError:
        return None
