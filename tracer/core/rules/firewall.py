"""Which line of a node's firewall stops the packets of a way: asked of its rules, and quoted."""

from msgspec.structs import replace

from tracer.core.case import WayView
from tracer.core.netfilter.decision import Decision
from tracer.core.netfilter.stopped import probe_of, rules_of
from tracer.core.tables import Tables
from tracer.model.diagnosis import Evidence
from tracer.model.path import Hop, Way

MOST = 3
"""Lines that are quoted where several may have stopped a packet."""


def stopped_at(way: WayView, hook: str) -> Decision | None:
    """What stops the packets of a way where they ended: at a hook, or at PREROUTING before it.

    None: nothing that was read does. Not `certain`: `stops` is what may have done it.
    """
    hop = way.end.last_hop if way.end is not None else None
    tables = way.case.facts.tables_if_read(hop.node) if hop is not None else None
    if hop is None or hop.packet is None or tables is None:
        return None
    state = "new" if hop.packet.outer is not None or way.way is Way.REQUEST else "established"
    asked = replace(
        probe_of(hop.packet, state=state, iif=hop.ifname or None),
        oif=_leaves_by(tables, hop) if hook == "forward" else None,
    )
    last: Decision | None = None
    for decision in rules_of(tables.state).course(("prerouting", hook), asked):
        if decision.certain or (decision.passes is None and decision.hook == hook):
            return decision
        if decision.passes is None:
            last = decision
    return last


def is_forwarded(way: WayView) -> bool:
    """The packets were on their way through the node; else it took them for its own."""
    hop = way.end.last_hop if way.end is not None else None
    tables = way.case.facts.tables_if_read(hop.node) if hop is not None else None
    inner = hop.packet.inner if hop is not None and hop.packet is not None else None
    return tables is None or inner is None or not tables.has_address(inner.dst)


def _leaves_by(tables: Tables, hop: Hop) -> str | None:
    inner = hop.packet.inner if hop.packet is not None else None
    if inner is None:
        return None
    answer = tables.route(inner.dst, src=inner.src, iif=hop.ifname)
    out = tables.link(answer.route.ifindex) if answer.route is not None else None
    return out.ifname if out is not None else None


def quoted(decision: Decision | None, node: str) -> tuple[Evidence, ...]:
    """The lines of the dumps, or that there is none."""
    if decision is not None and decision.stops:
        return tuple(
            Evidence(label="rule", value=way.quote, source=f"{node} {way.tool}")
            for way in decision.stops[:MOST]
        )
    if decision is not None and decision.unclear and not decision.quote:
        source = f"{node} {decision.tool}"
        return (Evidence(label="rule", value=decision.unclear, source=source),)
    return (Evidence(label="rule", value="none found", source=f"firewall dumps of {node}"),)
