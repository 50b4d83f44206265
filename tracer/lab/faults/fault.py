"""What a fault is, and the words that faults are told with."""

from dataclasses import dataclass

from tracer.lab.change import Act, Change, Plan, node, nothing_more, others

__all__ = ["RECEIVER", "SENDER", "Act", "Fault", "Plan", "node", "nothing_more", "others"]

SENDER = "node-a"
RECEIVER = "node-b"
"""A fault hits the traffic of pod-a, on node-a, to pod-b, on node-b."""


@dataclass(frozen=True)
class Fault(Change):
    """A thing that breaks."""

    traced: tuple[str, ...] = ()
    """Further words of the trace that meets it, where a plain one does not."""
    swapped: str = ""
    """The rule by which traffic of pod-b to pod-a meets it, where that is another one."""
    spares: str = ""
    """Why whatever pod-a sends to pod-b arrives all the same; empty: it does not."""
    hidden: str = ""
    """Why no table of any node shows it, so that only packets do; empty: a check names it."""

    @property
    def name(self) -> str:
        """The slug of the rule that names it: the function's own name."""
        return self.apply.__name__.replace("_", "-")
