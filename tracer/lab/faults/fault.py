"""What a fault is: a pair of functions, and the words that faults are told with."""

from collections.abc import Callable
from dataclasses import dataclass

from tracer.lab.plan import PlannedNode

Plan = tuple[PlannedNode, ...]
Act = Callable[[Plan], None]

SENDER = "node-a"
RECEIVER = "node-b"
"""A fault hits the traffic of pod-a, on node-a, to pod-b, on node-b."""


def nothing_more(_plan: Plan) -> None:
    """The heal of faults that lie in what flannel writes: every heal puts that in order."""


@dataclass(frozen=True)
class Fault:
    """A thing that breaks: `apply` sets it at its cause, `heal` takes the cause away.

    After `heal`, and whatever the fault, all that flannel writes is put in order.
    """

    apply: Act
    heal: Act = nothing_more
    needs: tuple[str, ...] = ()
    """Tools without which it cannot be set."""

    @property
    def sentence(self) -> str:
        """What is broken: the first line of the function's docstring."""
        return (self.apply.__doc__ or "").strip().splitlines()[0]


def node(plan: Plan, name: str) -> PlannedNode:
    """A node by its name."""
    return next(each for each in plan if each.name == name)


def others(plan: Plan, name: str) -> Plan:
    """All nodes but that one."""
    return tuple(each for each in plan if each.name != name)
