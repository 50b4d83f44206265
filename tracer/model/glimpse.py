"""What nodes that are watched together tell of each other's packets between their counts."""

from tracer.model.packet import Net
from tracer.model.record import Record


class Both(Record, frozen=True):
    """One peer's packets at the uplink, until now. Encoded as it is written."""

    peer: str
    subnet: Net
    into: int
    out: int


class Glimpse(Record, frozen=True, kw_only=True, tag="glimpse", tag_field="kind"):
    """Between two periods' ends: what a node counted of those that are watched beside it.

    The sooner it is known, the sooner what does not arrive is told from what is under way.
    """

    node: str
    time_ns: int
    """The node's CLOCK_MONOTONIC, before the counters were read."""
    until_ns: int
    """And after."""
    passed: tuple[Both, ...]
