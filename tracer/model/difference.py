"""What changed between two recordings: in the verdict, in what is promised, in what nodes hold."""

from enum import StrEnum

from tracer.model.diagnosis import Verdict
from tracer.model.record import Record
from tracer.model.request import Request

SCHEMA = "flantrace/difference/1"


class Turn(StrEnum):
    """How the verdict turned from the first recording to the second."""

    UNKNOWN = "unknown"
    """One of them cannot say."""
    SAME = "same"
    FIXED = "fixed"
    BROKEN = "broken"
    OTHER = "other"
    """A fault in both, and not the same one."""


class Side(Record, frozen=True, kw_only=True):
    """One of the two recordings, as far as its answer goes."""

    recorded_at: str
    request: Request
    verdict: Verdict
    rules: tuple[str, ...]
    """Every finding's rule, in order of weight."""


class Change(Record, frozen=True, kw_only=True):
    """One entry that is not the same in both; None: it is not there."""

    place: str
    """A node's name, or its part in the trace where two pairs are compared, or `cluster`."""
    table: str
    """`link`, `route`, `neighbour`, `fdb`, `lease`, `sysctl` ..."""
    before: str | None
    after: str | None


class Difference(Record, frozen=True, kw_only=True):
    """Everything that follows from two bundles. Pure: the same two give the same difference."""

    schema: str
    turn: Turn
    sentence: str
    before: Side
    after: Side
    by_part: bool
    """Two pairs of nodes: compared by their part in the trace, names and addresses replaced."""
    changes: tuple[Change, ...]
    not_compared: tuple[str, ...]
    """What only one of the two recorded, in words."""
