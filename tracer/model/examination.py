"""What a check concludes of many nodes: steps compared, findings, and who cannot reach whom."""

from enum import StrEnum

from tracer.model.diagnosis import Finding, Skipped
from tracer.model.path import Outcome
from tracer.model.record import Record
from tracer.model.request import CheckRequest

SCHEMA = "flantrace/examination/1"


class Step(StrEnum):
    """The comparisons of a check, in their order."""

    CLUSTER = "cluster"
    """flannel's configuration, pod CIDRs and leases, as the API has them."""
    NODES = "nodes"
    """Each node's files and devices."""
    ROUTES = "routes"
    """Routes to every peer, policy rules, leftovers."""
    ENTRIES = "entries"
    """Neighbours and FDB entries of every peer, held against leases and devices."""
    DROPS = "drops"
    """What else on a node, or between nodes, may drop packets."""


class StepResult(Record, frozen=True, kw_only=True):
    """One line of the table of steps."""

    step: Step
    compared: str
    """What and how much, in words: `6 routes`."""
    errors: int
    warnings: int
    skipped: int
    """Rules that could not be asked everywhere."""


class Reach(Record, frozen=True, kw_only=True):
    """By the tables, packets of one node's pods to another's do not arrive, or nobody knows."""

    sender: str
    receiver: str
    family: int
    outcome: Outcome
    rule: str | None
    node: str | None
    """Where they would end."""
    device: str | None
    reason: str | None


class Noticed(Record, frozen=True, kw_only=True):
    """Something that a watch saw before this moment: a change, or what packets showed."""

    at: str
    """UTC, ISO 8601, by the clock of whoever watched."""
    until: str | None
    """The last of several; None: it was one, or all at once."""
    node: str | None
    """Where; None: in the API."""
    what: str


class Examination(Record, frozen=True, kw_only=True):
    """Everything concluded from one recording without packets. Pure: same bundle, same answer."""

    schema: str
    recorded_at: str
    """UTC, ISO 8601, by the operator's clock."""
    recorded_by: str
    """The version of flantrace that recorded it."""
    check: CheckRequest
    asked: tuple[str, ...]
    """Nodes that the check is about."""
    read: tuple[str, ...]
    """Those of them whose state was read."""
    vni: int
    port: int | None
    """UDP port of the underlay, as flannel is configured; None: not known."""
    sentence: str
    """The answer."""
    exit_code: int
    steps: tuple[StepResult, ...]
    findings: tuple[Finding, ...]
    """In order of severity, then of causes."""
    ways: int
    """Ordered pairs of nodes, in each address family, of which both were read."""
    stopped: int
    """How many of them do not arrive, or are not known."""
    reach: tuple[Reach, ...]
    """The first of these, one by one."""
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    timeline: tuple[Noticed, ...]
    """Of a watch's recording: what came before, in order of time. Of a check: nothing."""
