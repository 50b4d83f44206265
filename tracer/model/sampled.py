"""What a recording has of a node's samples: the packets that are recorded at every hook."""

from tracer.model.observation import AttachedPoint
from tracer.model.record import Record


class Sampled(Record, frozen=True, kw_only=True):
    """What a recording has of one node's samples."""

    node: str
    since_ns: int
    """By the node's CLOCK_MONOTONIC: from here to `until_ns` all samples of all these nodes are in
    the recording, those that were lost aside."""
    until_ns: int
    one_in: int
    """One packet in so many was one all the time, on every one of these nodes."""
    lost: int
    """Records that found no room, or were too many to be told."""
    points: tuple[AttachedPoint, ...]
    """The devices that were watched."""
