"""What a watch knows of traffic, beside the tables: counters, evidence, and what it amounts to."""

from enum import StrEnum

from tracer.model.diagnosis import Finding
from tracer.model.observation import Direction, Observation
from tracer.model.packet import Net
from tracer.model.record import Record
from tracer.model.sampled import Sampled

SCHEMA = "flantrace/watch/1"


class Kind(StrEnum):
    """How a packet deviates from the leases, in the order of bpf/expectation.h's enum kind."""

    NO_LEASE = "no-lease"
    """To or from an address of the cluster's network that nobody leases."""
    PEER_MAC = "peer-mac"
    """It leaves with an inner destination MAC that is not the peer's VtepMAC."""
    OWN_MAC = "own-mac"
    """It arrives with an inner destination MAC that is not this node's VTEP's."""
    SENDER_MAC = "sender-mac"
    """It arrives with an inner source MAC that is not the VtepMAC of the source's subnet."""
    OUTER_DST = "outer-dst"
    OUTER_SRC = "outer-src"
    VNI = "vni"
    PORT = "port"
    PLAIN = "plain"
    """On the uplink without encapsulation."""
    FREED = "freed"
    """The kernel threw it away."""


HOOKS = ("from_pod", "to_pod", "vtep_in", "vtep_out", "uplink_in", "uplink_out")
"""Where packets are counted, in the order of bpf/expectation.h's enum hook."""


class Passed(Record, frozen=True):
    """What passed one hook of one peer's packets. Encoded as it is written."""

    packets: int
    """A super-packet is as many as the wire carries of it."""
    bytes: int
    """Of frames as the hook has them; those of a super-packet once."""
    host: int
    """Of the packets, those from or to the node's own flannel address."""


class PeerCounts(Record, frozen=True, kw_only=True):
    """Totals of one peer's packets on one node, since its watch began."""

    peer: str | None
    """None: addresses of the cluster's network that nobody leases."""
    subnet: Net | None
    at: tuple[Passed, ...]
    """In the order of HOOKS."""
    deviations: tuple[int, ...]
    """Packets, in the order of Kind."""


class DropCount(Record, frozen=True, kw_only=True):
    """Packets of one peer that the kernel freed on one node, for one reason in one function."""

    peer: str | None
    subnet: Net | None
    reason: str | None
    """None: the kernel does not tell (below Linux 5.17)."""
    caller: str | None
    packets: int


class Counts(Record, frozen=True, kw_only=True, tag="counts", tag_field="kind"):
    """One period's end on one node: the totals that changed since the last one."""

    node: str
    time_ns: int
    """The node's CLOCK_MONOTONIC, before the counters were read."""
    until_ns: int
    """And after: on a busy machine that may be a while."""
    peers: tuple[PeerCounts, ...]
    drops: tuple[DropCount, ...]
    lost: int
    """Records that found no room, until now."""
    untold: int
    """Freed packets that are in none of `drops`, for want of room."""
    one_in: int
    """One packet in so many was a sample, all the period; 0: none."""
    overhead: float | None = None
    """Part of one CPU that the programs took when it was last measured; None: not measured."""
    records: int = 0
    """Taken from the ring until now."""
    unsaid: int = 0
    """Of these, those that had to be told, and were too many."""


class Deviant(Record, frozen=True, kw_only=True, tag="deviant", tag_field="kind"):
    """One packet, recorded because it deviates. At most ten a second of a kind and a peer."""

    kinds: tuple[Kind, ...]
    peer: str | None
    subnet: Net | None
    seen: Observation


class Deviating(Record, frozen=True, kw_only=True):
    """Packets of one peer that are not as the leases say, and no good one since."""

    node: str
    """Where they were seen."""
    peer: str | None
    subnet: Net | None
    kind: Kind
    direction: Direction
    """OUT: this node sends them; IN: the peer does."""
    ifname: str
    packets: int
    """Since it began."""
    first_ns: int
    last_ns: int
    seen: Observation | None
    """The last that was recorded."""
    explained_ns: int | None = None
    """When a fault in the tables last explained it; None: none ever did."""


class Dropping(Record, frozen=True, kw_only=True):
    """Packets of one peer that the kernel frees for one reason, and none got on since."""

    node: str
    peer: str | None
    subnet: Net | None
    reason: str | None
    caller: str | None
    packets: int
    """Since it began."""
    first_ns: int
    last_ns: int
    seen: Observation | None
    """The last that was recorded."""
    explained_ns: int | None = None
    """When a fault in the tables last explained it; None: none ever did."""


class Gap(Record, frozen=True, kw_only=True):
    """Packets that were counted at one hook and not at the next, by counters: exact."""

    sender: str
    """The node at whose `after` they were counted."""
    receiver: str
    """The node at whose `before` they are missing; the same node: between its own hooks."""
    peer: str
    """Whose packets, as `sender` sees it; between nodes, `receiver`."""
    after: str
    """One of HOOKS: the last where they were."""
    before: str
    """One of HOOKS: where they are not."""
    sent: int
    """Packets at `after` since it began, those aside that may be under way."""
    missing: int
    first_ns: int
    """By the clock of whoever diagnoses, as `last_ns`."""
    last_ns: int
    explained_ns: int | None = None
    """When a fault in the tables last explained it; None: none ever did."""


class Happening(Record, frozen=True, kw_only=True):
    """A change that came before: of a node's network, or in the API."""

    node: str
    """Where it was noticed; empty: in the API."""
    time_ns: int
    """CLOCK_MONOTONIC; on the wire the node's, in a recording that of whoever diagnoses."""
    what: str
    about: tuple[str, ...]
    """Names, addresses, MACs and devices that are concerned."""


class News(Record, frozen=True, kw_only=True, tag="news", tag_field="kind"):
    """What changed on a node since the last time."""

    happened: tuple[Happening, ...]


class ReadAt(Record, frozen=True, kw_only=True):
    """When a node's state was read, by the clock of whoever diagnoses."""

    node: str
    time_ns: int


class Watched(Record, frozen=True, kw_only=True):
    """A watch's evidence at one moment: a part of a recording, which alone decides the findings."""

    time_ns: int
    """By the clock of whoever diagnoses."""
    deviating: tuple[Deviating, ...] = ()
    dropping: tuple[Dropping, ...] = ()
    gaps: tuple[Gap, ...] = ()
    happened: tuple[Happening, ...] = ()
    read: tuple[ReadAt, ...] = ()
    """When the nodes' states were."""
    sampled: tuple[Sampled, ...] = ()
    """Of the nodes that were watched and took samples."""
    aside: tuple[int, ...] = ()
    """Positions among the recording's observations: packets that deviate, or are samples where
    more are taken than elsewhere. They need not have been recorded at other hooks."""


class Turn(StrEnum):
    """What became of a finding."""

    OPENED = "opened"
    CHANGED = "changed"
    CLOSED = "closed"


class Turned(Record, frozen=True, kw_only=True):
    """One line of a watch: one finding that opened, changed or closed."""

    schema: str
    at: str
    """UTC, ISO 8601, by the clock of whoever diagnoses."""
    turn: Turn
    since: str
    """When it was opened."""
    times: int
    """How often it was opened in the last ten minutes, this time included."""
    finding: Finding
    """As it is now; a closed one as it was last."""
    before: tuple[str, ...] = ()
    """What changed just before it was opened, the likeliest first, each with its distance in time.
    """


class Rates(Record, frozen=True, kw_only=True):
    """One line of `flantrace top`: a peer's traffic on one node."""

    node: str
    peer: str | None
    """None: nobody's subnet."""
    subnet: Net | None
    packets_in_s: float
    """Per second, that came by the uplink."""
    packets_out_s: float
    bytes_in_s: float
    bytes_out_s: float
    dropped_s: float
    deviating_s: float
    """Misaddressed ones."""
    gap: int | None
    """Packets lost between this node and the peer, since the watch began; None: the peer is not
    watched beside it."""
    last_change: str | None = None
    """The last news about this peer, in words with its age; None: none."""


class Status(Record, frozen=True, kw_only=True):
    """All that a watch shows of one node at one moment: for metrics and for `flantrace top`."""

    node: str
    time_ns: int
    """Of the node's last counts, by its CLOCK_MONOTONIC: it stands still while nothing is heard."""
    totals: tuple[PeerCounts, ...]
    """Of every peer, since the watch began."""
    drops: tuple[DropCount, ...]
    rates: tuple[Rates, ...]
    standing: tuple[Finding, ...]
    """All findings that are open; of all nodes, where several are watched."""
    opened: tuple[tuple[str, int], ...] = ()
    """Rule -> how often a finding of it was opened since the watch began."""
    leases: int
    """How many there are."""
    leases_age_s: float | None
    """Since the API server last said anything; None: it has not yet."""
    lost: int
    untold: int
    one_in: int
    overhead: float | None = None
    """Part of one CPU that the programs took in the last period; None: not measured."""
    records: int = 0
    """Observations taken from the ring since the watch began."""
    watched_s: float = 0.0
    """How long it has watched."""
    counted: bool = True
    """The node has said something; False: its watch is being started."""
