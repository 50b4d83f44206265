"""What a check concludes of many nodes: steps compared, findings, and who cannot reach whom."""

from enum import StrEnum

from tracer.model.diagnosis import Finding, Skipped
from tracer.model.observation import Device, Direction
from tracer.model.packet import InnerId
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


class Ended(Record, frozen=True, kw_only=True):
    """Sampled packets that were seen at one hook last."""

    node: str
    device: Device
    direction: Direction
    ifname: str
    packets: int
    freed: int
    """Of these, those that were seen freed there, or behind it. At most ten a second are recorded.
    """
    reason: str | None
    """The kernel's name of why, or the function; None: none was seen freed."""
    last: InnerId
    """The last of them."""


class Trajectories(Record, frozen=True, kw_only=True):
    """Sampled packets of one node for another, followed over the hooks that are watched."""

    sender: str | None
    """None: a node whose lease the recording does not have."""
    receiver: str | None
    family: int
    hooks: tuple[str, ...]
    """Where most of them were to be seen, in their order: `node-a cni0 in`."""
    followed: int
    complete: int
    """Seen at every hook on their way."""
    unknown: int
    """Neither seen to the end, nor known to have ended."""
    ended: tuple[Ended, ...]
    """The others, by the hook where they were seen last."""


class Samples(Record, frozen=True, kw_only=True):
    """What a watch's samples say (trajectory sampling, RFC 5475)."""

    one_in: int
    nodes: tuple[str, ...]
    """Whose hooks were watched."""
    ways: tuple[Trajectories, ...]
    at_the_edges: int
    """Packets that were near to the beginning or the end of what is recorded, and those that
    nothing tells from such."""
    cut: int
    """Super-packets and later fragments: cut or glued on the way, they are not the same packets at
    the next hook."""
    begun_elsewhere: int
    """Packets that were not seen where they must have come in."""
    lost: int
    """Records: what is missing at a hook of a node that lost some is unknown."""


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
    samples: Samples | None = None
    """Of a watch's recording with samples; None: it has none."""
