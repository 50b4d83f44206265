"""The one question that most have: does a node's firewall stop this packet, and which rule does?"""

from functools import lru_cache

from tracer.core.netfilter.decision import Decision
from tracer.core.netfilter.probe import Probe
from tracer.core.netfilter.ruleset import Ruleset, ruleset
from tracer.model.packet import Packet
from tracer.model.state import NodeState

AT_ONCE = 32
"""Nodes whose rules are kept parsed at one time."""

_ECHO = {8: 128, 0: 129}
"""ICMP's types as ICMPv6's."""


def stopped(state: NodeState, hook: str, packet: Probe) -> Decision | None:
    """The rule or policy of a node that stops a packet at a hook, or may; None: it passes.

    Ask it of the node that the packet is on, with what the kernel knows at that hook:

        asked = probe_of(hop.packet, iif="flannel.1", oif="cni0")
        found = stopped(facts.state("node-b"), "forward", asked)
        if found is not None and found.certain: ...  # found.quote, found.tool, found.table

    `hook`: `prerouting`, `input`, `forward`, `output` or `postrouting`. VXLAN packets meet `input`
    of the receiver and `output` of the sender as the outer packet, pods' own ones `forward`. What
    a Probe leaves None is not known, so that a rule that asks for it stops nothing for certain. Of
    one that is not certain, `ways` is all that may happen; its quote is empty where it is a dump
    that could not be read (`unclear` says which and why). A dump that is not there, and that
    nobody failed to read, held nothing.
    """
    decision = rules_of(state).verdict(hook, packet)
    return None if decision.passes else decision


def probe_of(
    packet: Packet, *, state: str | None = "new", iif: str | None = None, oif: str | None = None
) -> Probe:
    """A packet of a hop as a hook sees it: the outer one where it has one, else the inner one.

    `state`: of its connection; an outer packet's is always `new`, since the answers to it come
    from another port. Device names as in Probe.
    """
    outer, inner = packet.outer, packet.inner
    if outer is not None:
        return Probe(
            src=outer.src,
            dst=outer.dst,
            protocol="udp",
            sport=outer.src_port or None,
            dport=outer.dst_port,
            iif=iif,
            oif=oif,
        )
    if inner is None:
        return Probe(src=None, dst=None, state=None, iif=iif, oif=oif)
    # A prediction calls the echo of both families icmp, and numbers it as IPv4's.
    six = ":" in inner.dst and inner.protocol == "icmp"
    kind = inner.icmp_type
    return Probe(
        src=inner.src,
        dst=inner.dst,
        protocol="icmpv6" if six else inner.protocol,
        sport=inner.src_port,
        dport=inner.dst_port,
        icmp_type=_ECHO.get(kind, kind) if six and kind is not None else kind,
        icmp_code=inner.icmp_code,
        tcp_flags=inner.tcp_flags,
        iif=iif,
        oif=oif,
        length=inner.ip_length,
        ct_mark=0 if state == "new" else None,
        state=state,
        dnat=False if state == "new" else None,
        snat=False if state == "new" else None,
    )


def rules_of(state: NodeState) -> Ruleset:
    """A node's rules, parsed once for all who ask. A dump that nobody failed to read is whole."""
    return _parsed(_Same(state))


class _Same:
    """A state by what it is and not by what is in it: its tables are too large to be compared."""

    def __init__(self, state: NodeState) -> None:
        self.state = state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.state is self.state

    def __hash__(self) -> int:
        return id(self.state)


@lru_cache(maxsize=AT_ONCE)
def _parsed(same: _Same) -> Ruleset:
    return ruleset(same.state).as_recorded()
