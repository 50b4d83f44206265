"""What flantrace concludes: one verdict, the findings behind it, and what was not checked."""

from enum import StrEnum

from tracer.model.packet import Ip, Mac
from tracer.model.path import Outcome, Path, Way
from tracer.model.record import Record
from tracer.model.request import Request

SCHEMA = "flantrace/diagnosis/1"


class Severity(StrEnum):
    """How bad a finding is."""

    UNKNOWN = "unknown"
    ERROR = "error"
    """It stops this traffic, or will."""
    WARNING = "warning"
    INFO = "info"


class Evidence(Record, frozen=True, kw_only=True):
    """One line of proof: quotable in a ticket, re-checkable with the source it names."""

    label: str
    value: str
    source: str
    differs: bool = False


class Finding(Record, frozen=True, kw_only=True):
    """One rule's result."""

    rule: str
    """The slug of the failure catalogue."""
    severity: Severity
    node: str
    """Where the cause sits."""
    device: str | None
    sentence: str
    evidence: tuple[Evidence, ...]
    hits: str
    """Whose traffic is hit."""
    fix: tuple[str, ...]
    """First line: what to do, in words; the others: exact commands. Never run by flantrace."""
    confirm: tuple[str, ...] = ()
    """Commands that show that it worked."""
    useless: tuple[str, ...] = ()
    """Popular remedies that do not help here."""
    way: Way | None = None
    explains: bool = False
    """The packets ended as this fault makes them end."""
    also: tuple[str, ...] = ()
    """Other rules that the same evidence allows: only an active test could separate them."""


class Skipped(Record, frozen=True, kw_only=True):
    """A rule that could not be asked, and the fact that it lacked."""

    rule: str
    missing: str


class ThreeMacs(Record, frozen=True, kw_only=True):
    """The MACs that explain most incidents, for one receiving node, with that on the wire."""

    node: str
    peer: str
    """The node that sends to it."""
    advertised: Mac | None
    programmed: Mac | None
    """In the sender's neighbour entry."""
    programmed_fdb: Mac | None
    """The MAC of the sender's FDB entry that leads to this node."""
    actual: Mac | None
    wire: Mac | None
    """Inner destination MAC of the packets that arrived at the receiver."""


class Tally(Record, frozen=True, kw_only=True):
    """How many went one way, and how many arrived."""

    way: Way
    size: int | None = None
    """Bytes of the one probe of the overlay's full MTU; None: all the others."""
    sent: int
    delivered: int
    dropped: int
    lost: int
    unknown: int


class Verdict(Record, frozen=True, kw_only=True):
    """The answer."""

    outcome: Outcome
    rule: str | None
    node: str | None
    """Where the packets ended (LOST: where they were last seen)."""
    device: str | None
    reason: str | None
    """The kernel's drop reason."""
    way: Way | None
    """Which way failed; None when none did."""
    sentence: str
    exit_code: int


class Overlay(Record, frozen=True, kw_only=True):
    """The overlay as this trace met it, for the headline."""

    vni: int | None
    port: int | None
    """UDP port of the underlay."""
    source_underlay: Ip | None
    destination_underlay: Ip | None


class Moment(Record, frozen=True, kw_only=True):
    """Something that happened, by one clock. Two nodes' clocks are never compared."""

    clock: str
    """Whose clock: a node's name, or `Kubernetes API`."""
    at: str
    """UTC, ISO 8601."""
    until: str | None = None
    """The last of several; None: it was one, or all at once."""
    text: str


class Forecast(Record, frozen=True, kw_only=True):
    """What the tables alone would have done with the packets of a way."""

    way: Way
    size: int
    """Bytes of the IP packet."""
    outcome: Outcome
    node: str | None
    device: str | None
    reason: str | None
    doubt: str | None = None
    agrees: bool | None = None
    """The packets did just that; None: none was seen, or one side does not know."""


class Diagnosis(Record, frozen=True, kw_only=True):
    """Everything concluded from one bundle. Pure: the same bundle gives the same diagnosis."""

    schema: str
    recorded_at: str
    """UTC, ISO 8601, by the operator's clock."""
    recorded_by: str
    """The version of flantrace that recorded it."""
    request: Request
    overlay: Overlay
    verdict: Verdict
    findings: tuple[Finding, ...]
    tallies: tuple[Tally, ...]
    paths: tuple[Path, ...]
    macs: tuple[ThreeMacs, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    """Things to know: tests that flantrace made itself, agents that were silent, loss."""
    forecasts: tuple[Forecast, ...] = ()
    """A trace held against the prediction from its own tables; a prediction has none."""
    timeline: tuple[Moment, ...]
    """By clock, and by time within one clock."""
