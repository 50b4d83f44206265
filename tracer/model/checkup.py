"""What `flantrace doctor` concludes: what is there, what is missing, and each remedy."""

from enum import StrEnum

from tracer.model.record import Record

SCHEMA = "flantrace/checkup/1"


class Standing(StrEnum):
    """How one thing stands."""

    OK = "ok"
    LESS = "less"
    """A trace works without it, and shows less."""
    MISSING = "missing"
    """Without it there is no trace, or none that sees drops."""
    UNKNOWN = "unknown"
    """It could not be asked."""


class Item(Record, frozen=True, kw_only=True):
    """One line of the table."""

    name: str
    standing: Standing
    said: str
    """What was found, in a phrase."""
    without: str = ""
    """What is lost."""
    remedy: str = ""


class Place(Record, frozen=True, kw_only=True):
    """A node, or where the operator is."""

    node: str | None
    """None: the operator's side."""
    about: str
    """`Linux 6.12.8 x86_64, flantrace 0.1.0`; empty: not known."""
    items: tuple[Item, ...]


class Right(Record, frozen=True, kw_only=True):
    """A capability of an agent, for one feature."""

    capability: str
    feature: str
    without: str
    optional: bool
    """There are installations that do not give it."""


class Checkup(Record, frozen=True, kw_only=True):
    """Everything that was concluded. Pure: the same facts, the same answer."""

    schema: str
    recorded_at: str
    """UTC, ISO 8601, by the operator's clock."""
    recorded_by: str
    """The version of flantrace that asked."""
    sentence: str
    """The answer."""
    exit_code: int
    operator: Place | None
    """None: only a machine was looked at."""
    nodes: tuple[Place, ...]
