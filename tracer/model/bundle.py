"""Everything recorded, nothing concluded."""

from collections.abc import Mapping
from enum import StrEnum

from tracer.model.cluster import ClusterState
from tracer.model.message import Datagram, Sent
from tracer.model.observation import AttachedPoint, Observation
from tracer.model.record import Record
from tracer.model.request import CheckRequest, Request
from tracer.model.state import Counters, NodeState
from tracer.model.watch import Watched

FORMAT = 1
"""Version of the bundle's files; `bundle/migrate.py` lifts older ones."""


class AgentEnd(StrEnum):
    """How an agent's stream ended."""

    UNKNOWN = "unknown"
    BYE = "bye"
    """It detached, emptied its ring and said so: what it did not see did not pass."""
    SILENT = "silent"
    """It stopped answering, or never began."""


class AgentReport(Record, frozen=True, kw_only=True):
    """What is known of one node's agent: what it watched, and whether it stayed to the end."""

    node: str
    end: AgentEnd
    points: tuple[AttachedPoint, ...] = ()
    attach: str | None = None
    drops: bool = False
    reasons: bool = False
    lost: int | None = None
    """Records that the kernel could not hand over; None: not known."""
    counters: Mapping[str, Counters] = {}
    """ifname -> counters at the end."""


class Trouble(Record, frozen=True, kw_only=True):
    """Something that could not be collected. The verdict may be UNKNOWN because of it."""

    node: str | None
    what: str
    hint: str


class Bundle(Record, frozen=True, kw_only=True):
    """One recording. Partial ones are legal: `troubles` says what is missing."""

    format: int
    tool_version: str
    created_at: str
    request: Request | None = None
    """None: nothing was traced (a check)."""
    check: CheckRequest | None = None
    """None: a trace."""
    cluster: ClusterState
    nodes: Mapping[str, NodeState] = {}
    agents: Mapping[str, AgentReport] = {}
    observations: tuple[Observation, ...] = ()
    sent: tuple[Sent, ...] = ()
    datagrams: tuple[Datagram, ...] = ()
    """Test datagrams that flantrace sent on the underlay."""
    troubles: tuple[Trouble, ...] = ()
    watched: Watched | None = None
    """A watch's evidence at this moment; None: this is no watch's."""
    redacted: bool = False
    """Names, addresses, MACs and payload were replaced (bundle/redact)."""

    @property
    def traced(self) -> Request:
        """The trace that was asked for. ValueError: this is the recording of a check."""
        if self.request is None:
            raise ValueError("nothing was traced")
        return self.request
