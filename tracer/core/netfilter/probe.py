"""The packet that a ruleset is asked about."""

from tracer.model.packet import Ip
from tracer.model.record import Record


class Probe(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One whole packet as a hook would see it. None: not known, and a rule that asks is unclear.

    An empty device name says that there is none: a packet that the node itself sends has no `iif`.
    """

    src: Ip | None
    dst: Ip | None
    protocol: str | None = None
    """`icmp`, `icmpv6`, `tcp`, `udp`, or the protocol's number in decimal."""
    sport: int | None = None
    dport: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    tcp_flags: str | None = None
    """Letters as tcpdump writes them (`S`, `SA`); None: a SYN where the state is `new`."""
    iif: str | None = None
    oif: str | None = None
    length: int | None = None
    """Bytes of the IP packet."""
    mark: int | None = 0
    ct_mark: int | None = 0
    """The connection's mark; of no connection that is `new`."""
    state: str | None = "new"
    """As conntrack sees it: `new`, `established`, `related`, `invalid` or `untracked`. Only the
    first packet of a connection meets the nat chains."""
    dnat: bool | None = False
    """The connection's destination was rewritten."""
    snat: bool | None = False
    """The connection's source was rewritten."""
    bridged: bool | None = False
    """It is on its way through a bridge (br_netfilter); an ordinary packet is routed."""

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in (self.src or self.dst or "") else 4
