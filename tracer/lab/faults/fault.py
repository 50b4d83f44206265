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
