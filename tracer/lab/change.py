"""What can be done to a running lab and undone: faults, and what looks like one and is none."""

from collections.abc import Callable
from dataclasses import dataclass

from tracer.lab.plan import PlannedNode
from tracer.lab.shape import PLAIN

Plan = tuple[PlannedNode, ...]
Act = Callable[[Plan], None]


def nothing_more(_plan: Plan) -> None:
    """The heal of what lies in what flannel writes: every heal puts that in order."""


@dataclass(frozen=True)
class Change:
    """`apply` sets it at its cause, `heal` takes the cause away.

    After `heal`, and whatever the change, all that flannel writes is put in order.
    """

    apply: Act
    heal: Act = nothing_more
    needs: tuple[str, ...] = ()
    """Tools without which it cannot be set."""
    shapes: tuple[str, ...] = (PLAIN.name,)
    """Shapes of a lab in which it can be set. In the first one its case is recorded."""

    @property
    def sentence(self) -> str:
        """What it is: the first line of the function's docstring."""
        return (self.apply.__doc__ or "").strip().splitlines()[0]

    @property
    def listed(self) -> str:
        """The sentence, and which lab it needs if not the plain one."""
        if PLAIN.name in self.shapes:
            return self.sentence
        return f"{self.sentence} (lab up --shape {self.shapes[0]})"


def node(plan: Plan, name: str) -> PlannedNode:
    """A node by its name."""
    return next(each for each in plan if each.name == name)


def others(plan: Plan, name: str) -> Plan:
    """All nodes but that one."""
    return tuple(each for each in plan if each.name != name)
