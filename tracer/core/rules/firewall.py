"""Where firewalls stop the packets of a way: asked of the nodes' own rules, and quoted."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from msgspec.structs import replace

from tracer.core.case import MissingFact, WayView
from tracer.core.end import WayEnd
from tracer.core.netfilter.decision import Decision, Outcome
from tracer.core.netfilter.decision import Way as Line
from tracer.core.netfilter.probe import Probe
from tracer.core.netfilter.stopped import probe_of, rules_of
from tracer.core.rules.datagrams import vxlan_port
from tracer.core.tables import Tables
from tracer.model.diagnosis import Evidence
from tracer.model.observation import Device, Direction
from tracer.model.packet import Packet
from tracer.model.path import Way
from tracer.model.request import ProbeKind

MOST = 3
"""Lines that are quoted where several may have stopped a packet."""

BEFORE = "prerouting"


class Course(NamedTuple):
    """The hooks that packets of a way meet on a node behind one device."""

    node: str
    devices: tuple[Device, ...]
    """The first names the place; the kernel may name another for one that came in by it."""
    ifname: str
    hook: str
    """The one behind PREROUTING: `forward` of the inner packet, `input` of the outer one."""
    asked: Probe

    @property
    def outer(self) -> bool:
        """It is the outer packet that meets them."""
        return self.hook == "input"


class Stop(NamedTuple):
    """A firewall that stops the packets of a way."""

    node: str
    device: Device
    ifname: str
    hook: str
    """That of the course; `decision.hook` is where it happens."""
    decision: Decision | None
    """None: the kernel says so, and nothing that was read does."""
    ended: bool
    """The packets ended there; else it would stop them, if they came that far."""

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


@lru_cache(maxsize=8)
def stops(way: WayView) -> tuple[Stop, ...]:
    """The firewall that ended the packets of a way, and those that they did not come to any more.

    What they passed let them pass; a way that nothing stopped has none.
    """
    end = way.end
    if end is None:
        return ()
    found: list[Stop] = []
    for course in _courses(way):
        if not found and _ended_at(way, end, course):
            found += _stop_there(way, end, course)
        elif _is_ahead(way, end, course):
            decision = _first_stop(way, course)
            if decision is not None and decision.certain:
                found.append(_stop(course, decision, ended=False))
    return tuple(found)


def _stop(course: Course, decision: Decision | None, *, ended: bool) -> Stop:
    return Stop(course.node, course.devices[0], course.ifname, course.hook, decision, ended)


def _stop_there(way: WayView, end: WayEnd, course: Course) -> Iterator[Stop]:
    """By the kernel's word, or where it was not heard by a rule that certainly does it."""
    decision = _first_stop(way, course)
    certain = decision is not None and decision.certain
    if end.freed("NETFILTER_DROP"):
        yield _stop(course, decision, ended=True)
    elif certain:
        lost = any(end.lost_at(course.node, device, Direction.IN) for device in course.devices)
        yield _stop(course, decision, ended=lost)


def _first_stop(way: WayView, course: Course) -> Decision | None:
    """What stops them at PREROUTING or at the hook behind it, certainly; else what may."""
    tables = way.case.facts.tables_if_read(course.node)
    if tables is None:
        return None
    last: Decision | None = None
    for decision in rules_of(tables.state).course((BEFORE, course.hook), course.asked):
        if decision.certain or (decision.passes is None and decision.hook == course.hook):
            return decision
        if decision.passes is None:
            last = decision
    return last


def _ended_at(way: WayView, end: WayEnd, course: Course) -> bool:
    if not end.on(course.node, *course.devices) or end.outer is not course.outer:
        return False
    tables = way.case.facts.tables_if_read(course.node)
    to = course.asked.dst
    # Packets for the node's own address meet INPUT at the same place.
    return course.outer or tables is None or to is None or not tables.has_address(to)


def _is_ahead(way: WayView, end: WayEnd, course: Course) -> bool:
    """The packets ended before they came to this course."""
    if not way.crosses or end.place is None:
        return way.crosses
    if end.place.node != way.receiver:
        return course.node == way.receiver and way.sender != way.receiver
    return end.outer and course.node == way.receiver and not course.outer


def _courses(way: WayView) -> Iterator[Course]:
    """The pod's packet on the sender, the outer packet and the inner one on the receiver."""
    for course in (_leaving, _arriving, _unpacked):
        try:
            found = course(way)
        except MissingFact:
            continue
        if found is not None:
            yield found


def _leaving(way: WayView) -> Course | None:
    tables = way.case.tables(way.sender, "links")
    bridge = tables.bridge() if way.from_pod else None
    if bridge is None:
        return None
    devices = (Device.BRIDGE, Device.POD)
    out = way.route.route
    asked = _inner(way, bridge.ifname, _name(tables, out.ifindex if out is not None else None))
    return Course(way.sender, devices, bridge.ifname, "forward", asked)


def _unpacked(way: WayView) -> Course | None:
    tables = way.case.tables(way.receiver, "links")
    vtep, bridge = way.case.vtep(way.receiver), tables.bridge()
    if vtep is None or way.sender == way.receiver:
        return None
    came_by, device, end = vtep.ifname, Device.VTEP, way.end
    if end is not None and end.on(way.receiver, Device.UPLINK) and not end.outer and end.place:
        # DirectRouting: it comes in bare.
        came_by, device = end.place.ifname, Device.UPLINK
    asked = _inner(way, came_by, bridge.ifname if bridge is not None and way.to_pod else None)
    return Course(way.receiver, (device,), came_by, "forward", asked)


def _arriving(way: WayView) -> Course | None:
    """The outer packet as it was seen; else as the sender's tables would have it."""
    seen = _seen_outer(way)
    if seen is not None:
        asked = probe_of(seen)
    else:
        crossing = way.crossing
        vxlan = crossing.vtep.vxlan if crossing is not None else None
        if crossing is None or vxlan is None or crossing.dst is None:
            return None
        port = vxlan_port(way)
        asked = Probe(src=vxlan.local, dst=crossing.dst, protocol="udp", dport=port)
    tables = way.case.tables(way.receiver, "links", "addresses")
    held = (each.ifindex for each in tables.state.addresses if each.ip == asked.dst)
    uplink = tables.link(next(held, None)) or tables.uplink(None)
    if uplink is None:
        return None
    there = replace(asked, iif=uplink.ifname)
    return Course(way.receiver, (Device.UPLINK,), uplink.ifname, "input", there)


def _seen_outer(way: WayView) -> Packet | None:
    hops = way.end.sample.hops if way.end is not None else ()
    packets = (hop.packet for hop in hops if hop.packet is not None)
    return next((each for each in packets if each.outer is not None), None)


def _inner(way: WayView, iif: str, oif: str | None) -> Probe:
    """The pod's packet as it was seen last; where none was, as it is sent."""
    state = "new" if way.way is Way.REQUEST else "established"
    hops = way.end.sample.hops if way.end is not None else ()
    seen = [hop.packet.inner for hop in hops if hop.packet is not None and hop.packet.inner]
    if seen:
        return probe_of(Packet(inner=seen[-1]), state=state, iif=iif, oif=oif)
    plan = way.case.request.plan
    kind = plan.kind if plan is not None else ProbeKind.ICMP
    echo = (8 if way.way is Way.REQUEST else 0) if kind is ProbeKind.ICMP else None
    return Probe(
        src=way.src, dst=way.dst, protocol=kind.value, icmp_type=echo, state=state, iif=iif,
        oif=oif,
    )  # fmt: skip


def _name(tables: Tables, ifindex: int | None) -> str | None:
    link = tables.link(ifindex)
    return link.ifname if link is not None else None


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
