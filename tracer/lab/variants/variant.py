"""What a variant is."""

from dataclasses import dataclass

from tracer.errors import UsageError
from tracer.lab.change import Change, Plan
from tracer.lab.plan import PlannedNode


@dataclass(frozen=True)
class Variant(Change):
    """A thing that happens and breaks nothing."""


def bystander(plan: Plan) -> PlannedNode:
    """The last node, which has no part in the traffic of pod-a to pod-b. Raises UsageError."""
    if len(plan) < 3:
        raise UsageError(
            f"it needs a third node, and this lab has {len(plan)}",
            where="lab vary",
            hint="flantrace lab down, then flantrace lab up --nodes 3",
        )
    return plan[-1]
