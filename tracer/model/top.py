"""What a live view shows at one moment, for programs."""

from tracer.model.record import Record
from tracer.model.watch import Status

SCHEMA = "flantrace/top/1"


class Top(Record, frozen=True, kw_only=True):
    """One moment of all nodes that are watched."""

    schema: str
    sentence: str
    """The answer."""
    exit_code: int
    """0: nothing is wrong; 1: a fault is open; 3: something is not known."""
    silent: tuple[str, ...]
    """Nodes that said nothing lately."""
    nodes: tuple[Status, ...]
