"""The firewall that ended the packets of a way: asked of the node's own rules, and quoted."""

from functools import lru_cache
from typing import NamedTuple

from tracer.core.case import WayView
from tracer.core.end import WayEnd
from tracer.core.netfilter.decision import Decision, Outcome
from tracer.core.netfilter.decision import Way as Line
from tracer.core.netfilter.stopped import probe_of, rules_of
from tracer.core.tables import Tables
from tracer.model.diagnosis import Evidence
from tracer.model.observation import Device, Direction
from tracer.model.packet import Inner
from tracer.model.path import Place, Way

MOST = 3
"""Lines that are quoted where several may have stopped a packet."""

BEFORE = "prerouting"

FIREWALLD = "firewalld"
"""Its table."""


class Stop(NamedTuple):
    """A firewall that ended the packets of a way."""

    place: Place
    hook: str
    """The one behind PREROUTING there: `forward` of the inner packet, `input` of the outer one."""
    decision: Decision | None
    """What stops them, or may; its `hook` is where. None: nothing that was read does."""

    @property
    def node(self) -> str:
        """Whose firewall it is."""
        return self.place.node

    @property
    def before_routing(self) -> bool:
        """In PREROUTING, of raw or mangle or of a table of nft's."""
        return self.decision is not None and self.decision.hook == BEFORE

    @property
    def lines(self) -> tuple[Line, ...]:
        """What stops them or may have done so, in the order in which they meet it."""
        return self.decision.stops if self.decision is not None else ()

    @property
    def rejects(self) -> bool:
        """Their sender is told."""
        return bool(self.lines) and all(line.outcome is Outcome.REJECT for line in self.lines)


def of_firewalld(stop: Stop) -> bool:
    """The line that stops them stands in firewalld's table."""
    return bool(stop.lines) and FIREWALLD in stop.lines[0].table


@lru_cache(maxsize=8)
def stop_of(way: WayView) -> Stop | None:
    """By the kernel's word; where that was not heard, by a rule that certainly stops them.

    None: no firewall did, or at a hook that the packets of pods do not meet there.
    """
    end = way.end
    hook = _hook(way, end) if end is not None else None
    if end is None or end.place is None or hook is None:
        return None
    decision = _first_stop(way, end, end.place, hook)
    certain = decision is not None and decision.certain
    lost = certain and end.lost_at(end.place.node, end.place.device, Direction.IN)
    if not lost and not end.freed("NETFILTER_DROP"):
        return None
    if decision is None and _dumped(way, end):
        # What was read lets them pass: a chain of another family (bridge, netdev) or a rule that
        # came and went. Where it ended them is known, and no more.
        return None
    return Stop(end.place, hook, decision)


def _dumped(way: WayView, end: WayEnd) -> bool:
    tables = _tables(way, end)
    return tables is not None and bool(tables.state.firewall)


def stopping(way: WayView) -> Decision | None:
    """Whatever hook it is at: the first rule that certainly stops such packets on that node."""
    end = way.end
    tables = _tables(way, end) if end is not None else None
    hop = end.last_hop if end is not None else None
    if tables is None or hop is None or hop.packet is None or hop.drop is None:
        return None
    asked = probe_of(hop.packet, state=None)
    for hook in ("output", "postrouting"):
        decision = rules_of(tables.state).verdict(hook, asked)
        if decision.certain and not decision.passes:
            return decision
    return None


def _hook(way: WayView, end: WayEnd) -> str | None:
    """What comes behind PREROUTING where they ended."""
    if end.on(way.receiver, Device.UPLINK) and end.outer:
        return "input"
    at_sender = end.on(way.sender, Device.BRIDGE, Device.POD)
    if end.outer or not (at_sender or end.on(way.receiver, Device.VTEP, Device.UPLINK)):
        return None
    tables, hop = _tables(way, end), end.last_hop
    inner = hop.packet.inner if hop is not None and hop.packet is not None else None
    # Packets for an address of the node itself meet INPUT at the same place.
    own = tables is not None and inner is not None and tables.has_address(inner.dst)
    return None if own else "forward"


def _first_stop(way: WayView, end: WayEnd, place: Place, hook: str) -> Decision | None:
    """What stops them at PREROUTING or at the hook behind it, certainly; else what may."""
    tables, hop = _tables(way, end), end.last_hop
    if tables is None or hop is None or hop.packet is None:
        return None
    state = "new" if end.outer or way.way is Way.REQUEST else "established"
    asked = probe_of(
        hop.packet,
        state=state,
        iif=place.ifname or None,
        oif=_leaves_by(tables, hop.packet.inner, place) if hook == "forward" else None,
    )
    last: Decision | None = None
    for decision in rules_of(tables.state).course((BEFORE, hook), asked):
        if decision.certain or (decision.passes is None and decision.hook == hook):
            return decision
        if decision.passes is None:
            last = decision
    return last


def _tables(way: WayView, end: WayEnd) -> Tables | None:
    return way.case.facts.tables_if_read(end.place.node) if end.place is not None else None


def _leaves_by(tables: Tables, inner: Inner | None, place: Place) -> str | None:
    if inner is None:
        return None
    answer = tables.route(inner.dst, src=inner.src, iif=place.ifname)
    out = tables.link(answer.route.ifindex) if answer.route is not None else None
    return out.ifname if out is not None else None


def quoted(decision: Decision | None, node: str) -> tuple[Evidence, ...]:
    """The lines of the dumps, with their chain and table; or that there is none."""
    if decision is not None and decision.stops:
        return tuple(
            Evidence(label="rule", value=line.quote, source=f"{node} {_stands(line)}")
            for line in decision.stops[:MOST]
        )
    if decision is not None and decision.unclear and not decision.quote:
        source = f"{node} {decision.tool}"
        return (Evidence(label="rule", value=decision.unclear, source=source),)
    return (Evidence(label="rule", value="none found", source=f"firewall dumps of {node}"),)


def _stands(line: Line) -> str:
    """`iptables-nft-save, table raw`: where the quote itself does not say it."""
    if line.policy or line.table in line.quote or not line.table:
        return line.tool
    return f"{line.tool}, table {line.table}"
