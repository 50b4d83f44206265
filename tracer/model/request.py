"""What the operator asked for."""

from enum import StrEnum

from tracer.model.packet import Ip
from tracer.model.record import Record


class EndKind(StrEnum):
    """What stands at one end of a trace."""

    UNKNOWN = "unknown"
    POD = "pod"
    NODE = "node"
    """The node's own flannel address (flannel.1), as in the origin's incident."""


class End(Record, frozen=True, kw_only=True):
    """One end of a trace, resolved through the API."""

    kind: EndKind
    name: str
    """`namespace/name` of a pod; the name of a node."""
    node: str
    ip: Ip
    host_network: bool = False
    assumed: bool = False
    """No pod of this address is known: it stands for any pod of the node."""


class ProbeKind(StrEnum):
    """What a probe is made of."""

    UNKNOWN = "unknown"
    ICMP = "icmp"
    TCP = "tcp"
    UDP = "udp"


class ProbePlan(Record, frozen=True, kw_only=True):
    """What to send."""

    kind: ProbeKind
    port: int | None = None
    count: int = 5
    size: int | None = None
    """Bytes of the IP packet; None: small (84 for ICMP over IPv4)."""
    full_mtu: bool = True
    """Follow with one probe of the overlay's full MTU, DF set."""
    sizes: tuple[int, ...] = ()
    """Bytes of further probes, one each, that looked for the size that passes."""


class CheckRequest(Record, frozen=True, kw_only=True):
    """A check of nodes: no packet is sent, no pair is traced."""

    nodes: tuple[str, ...] = ()
    """Those that were asked for; none: all."""
    agents: bool = True
    """False: only what the API shows was asked for."""


class Request(Record, frozen=True, kw_only=True):
    """A trace from one end to the other. `plan` None: passive, the pods' own traffic."""

    source: End
    destination: End
    plan: ProbePlan | None
    passive_s: float | None = None
    probe_id: int | None = None
    """The ICMP id of flantrace's own probes; other pings between the pods are not theirs."""
    predict: bool = False
    """Nothing is sent or watched: the tables alone are asked."""
    active: bool = True
    """May flantrace send test datagrams between the nodes when requests vanish on the underlay."""
