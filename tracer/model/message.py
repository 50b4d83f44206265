"""What operator and agent say to each other: one JSON object a line, told apart by `kind`."""

from collections.abc import Mapping
from typing import TypeAlias

from tracer.model.cluster import NetConf, Node
from tracer.model.glimpse import Glimpse
from tracer.model.health import Health
from tracer.model.lease import Lease
from tracer.model.observation import AttachedPoint, Observation
from tracer.model.packet import Ip
from tracer.model.record import Record
from tracer.model.request import ProbeKind
from tracer.model.state import Counters, NodeState
from tracer.model.watch import Counts, Deviant, News

PROTOCOL = 1
"""Raised whenever an older side could misread a line."""


class Message(Record, frozen=True, kw_only=True, tag_field="kind", tag=str.lower):
    """A line on the wire."""


class Start(Message, frozen=True, kw_only=True):
    """Operator: the first line. Says what to watch on this node."""

    protocol: int
    version: str
    node: str
    pair: tuple[Ip, Ip] | None
    """Inner addresses to follow, both directions; None: take a snapshot only."""
    watch: bool = True
    """False: attach nothing; take a snapshot, and the kernel's look-ups for the pair."""
    pods: tuple[Ip, ...] = ()
    """Those of the pair that are pods on this node."""
    peers: tuple[Ip, ...] = ()
    """Underlay addresses of the other nodes: the uplink is where the route to them points."""
    vxlan_ports: tuple[int, ...] = ()
    """UDP ports to decode as VXLAN besides those of this node's own vxlan devices."""
    neighbours: tuple[Ip, ...] = ()
    """Next hops whose ARP or neighbour discovery belongs to the trace: peers' flannel addresses."""
    datagram_port: int = 0
    """Source port that marks our own test datagrams on the underlay; 0: none will be sent."""
    firewall: bool = True
    leases: tuple[Lease, ...] = ()
    """Leave out of the tables what these promise, and name the peers (core/promised.py)."""


class Examine(Message, frozen=True, kw_only=True):
    """Operator: the first line instead of Start. Say what this machine can do for a trace."""

    protocol: int
    version: str
    node: str


class Hold(Message, frozen=True, kw_only=True):
    """Operator: the first line instead of Start, to watch; and again with whatever changed."""

    protocol: int
    version: str
    node: str
    nodes: tuple[Node, ...] = ()
    """Those that are new or another than before."""
    gone: tuple[str, ...] = ()
    net_conf: NetConf | None = None
    pods: tuple[Ip, ...] = ()
    """Of this node, all."""
    one_in: int | None = 0
    """One packet in so many is a sample; 0: none; None: as many as may cost `most`."""
    most: float = 0.01
    """The part of one CPU that the programs may take."""
    beside: tuple[str, ...] = ()
    """Nodes that are watched together with this one, of which glimpses are wanted."""
    often: bool = False
    """Something is wrong: look often, so that it is seen mended."""


class Probe(Message, frozen=True, kw_only=True):
    """Operator: send `count` probes from the address `src`, which lives on this node."""

    id: int
    """Identifier that the probes carry: ICMP id, or the first source port."""
    src: Ip
    dst: Ip
    probe: ProbeKind
    port: int | None
    first_seq: int
    count: int
    size: int | None
    """Bytes of the IP packet; 0: the source's full MTU; None: small."""
    interval_ms: int
    timeout_ms: int
    from_host: bool = False
    """Send from the node's own namespace (a node's flannel address or a hostNetwork pod)."""


class Datagram(Message, frozen=True, kw_only=True):
    """Operator: send one UDP datagram from `src` to `dst` on the underlay to each of `ports`."""

    src: Ip
    dst: Ip
    src_port: int
    ports: tuple[int, ...]


class Beat(Message, frozen=True, kw_only=True):
    """Both: still here. The agent leaves when the operator's stop."""

    monotonic_ns: int = 0


class Stop(Message, frozen=True, kw_only=True):
    """Operator: detach, read the ring to its end, say bye."""


class Hello(Message, frozen=True, kw_only=True):
    """Agent: the first line."""

    protocol: int
    version: str
    node: str
    pid: int


class Ready(Message, frozen=True, kw_only=True):
    """Agent: everything is attached; what passes from now on is seen."""

    points: tuple[AttachedPoint, ...]
    attach: str
    """`tcx` or `clsact`."""
    drops: bool
    """The kfree_skb tracepoint is attached."""
    reasons: bool
    """The kernel names its drop reasons."""


class Sent(Message, frozen=True, kw_only=True):
    """Agent: what became of one probe, as the sending socket saw it."""

    seq: int
    size: int
    """Bytes of the IP packet."""
    sent_ns: int
    reply: str | None = None
    """`echo reply`, `SYN-ACK`, `RST`, `datagram`, or an ICMP error in words; None: nothing came."""
    reply_from: Ip | None = None
    rtt_us: int | None = None
    error: str | None = None
    """The sending system call failed: the C library's words."""
    src_port: int | None = None


class Problem(Message, frozen=True, kw_only=True):
    """Agent: a part of the observation failed; the rest goes on."""

    what: str
    hint: str


class Bye(Message, frozen=True, kw_only=True):
    """Agent: the last line. `lost` records could not be written; None: not known."""

    lost: int | None
    links: Mapping[str, Counters] = {}
    """ifname -> counters at the end, to hold against the snapshot's."""


ToAgent: TypeAlias = Start | Examine | Hold | Probe | Datagram | Beat | Stop
FromAgent: TypeAlias = (
    Hello
    | Health
    | NodeState
    | Ready
    | Observation
    | Counts
    | Glimpse
    | Deviant
    | News
    | Sent
    | Problem
    | Beat
    | Bye
)
