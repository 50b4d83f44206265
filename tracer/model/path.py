"""How one packet went: hops in order, each with the table entries that decided it."""

from enum import StrEnum

from tracer.model.observation import Device, Direction, Drop
from tracer.model.packet import InnerId, Packet
from tracer.model.record import Record


class Outcome(StrEnum):
    """What became of packets."""

    UNKNOWN = "unknown"
    DELIVERED = "delivered"
    DROPPED = "dropped"
    """A kernel freed it, and said where."""
    LOST = "lost"
    """Last seen somewhere, then never again, though everything on the way was watched."""


class Way(StrEnum):
    """Which way a packet goes."""

    REQUEST = "request"
    REPLY = "reply"


class Mark(StrEnum):
    """How an entry compares with what the leases promise. The last column of the output."""

    NONE = ""
    OK = "ok"
    BAD = "BAD"
    SKIP = "skip"


class Entry(Record, frozen=True, kw_only=True):
    """One table entry that decided a hop, quotable, with what it should have been."""

    table: str
    """`route`, `neighbour`, `fdb`, `vtep` ..."""
    text: str
    """In iproute2's words; without an entry: what is missing."""
    mark: Mark = Mark.NONE
    expected: str | None = None
    because: str | None = None
    """Where the expectation comes from, such as `lease of node-b (…/backend-data)`."""


class Hop(Record, frozen=True, kw_only=True):
    """One packet at one point of one node (for a prediction: where it would be)."""

    node: str
    device: Device
    direction: Direction
    ifname: str
    since_us: int | None = None
    """Microseconds since it was first seen on this node; two nodes' clocks are never compared."""
    time_ns: int | None = None
    """The same moment by the node's CLOCK_MONOTONIC, as its observation has it."""
    length: int | None = None
    gso_size: int = 0
    packet: Packet | None = None
    entries: tuple[Entry, ...] = ()
    drop: Drop | None = None
    times: int = 1
    """How often it passed here: more than once is a retransmission, or a loop."""
    part: tuple[int, int] | None = None
    """(seen, whole) payload bytes of a TCP range that was only partly seen here."""


class Place(Record, frozen=True, kw_only=True):
    """A point of the way by name: where something ended, or should have been seen."""

    node: str
    device: Device
    direction: Direction
    ifname: str


class Path(Record, frozen=True, kw_only=True):
    """All hops of one packet in one direction, from its first point to its end."""

    way: Way
    inner_id: InnerId
    seq: int | None
    """The probe's number, counting from 1."""
    size: int
    """Bytes of the inner IP packet."""
    hops: tuple[Hop, ...]
    outcome: Outcome
    end: Place | None
    """Where it was delivered, dropped or last seen."""
    drop: Drop | None = None
    not_reached: tuple[Place, ...] = ()
    """Points of the expected way at which it was not seen although the agent there was watching."""
    doubt: str | None = None
    """Why the outcome is UNKNOWN; of a LOST packet, what could not be seen of its end."""
