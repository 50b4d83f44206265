"""A path with, at each hop, the table entries that decided it, and what the leases say of them."""

from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address, ip_network

from msgspec.structs import replace

from tracer.core.course import ends
from tracer.core.expect import Expectation, expectation, route_words
from tracer.core.leases import leases
from tracer.core.routes import RouteAnswer
from tracer.core.tables import Tables
from tracer.model.bundle import Bundle
from tracer.model.observation import Device, Direction
from tracer.model.path import Entry, Hop, Mark, Path, Way
from tracer.model.state import Link, Route

SKIPPED = Entry(table="state", text="not read on this node", mark=Mark.SKIP)


def annotate(path: Path, bundle: Bundle, tables: dict[str, Tables]) -> Path:
    """The same path, its hops with their entries. `tables`: of the nodes whose state was read."""
    facts = _Facts(bundle, tables, path.way)
    return replace(path, hops=tuple(_with_entries(hop, facts) for hop in path.hops))


@dataclass
class _Facts:
    """What one way's entries are held against."""

    bundle: Bundle
    tables: dict[str, Tables]
    way: Way

    @cached_property
    def sender(self) -> str:
        return ends(self.bundle, self.way)[0].node

    @cached_property
    def receiver(self) -> str:
        return ends(self.bundle, self.way)[1].node

    @cached_property
    def family(self) -> int:
        return ip_address(ends(self.bundle, self.way)[1].ip).version

    @cached_property
    def expected(self) -> Expectation | None:
        """What the receiver's lease promises."""
        for lease in leases(self.bundle.cluster):
            if (lease.node, lease.family) == (self.receiver, self.family):
                return expectation(lease)
        return None

    @cached_property
    def promised(self) -> Expectation | None:
        """The same, for a destination inside the receiver's pod CIDR only."""
        dst = ip_address(ends(self.bundle, self.way)[1].ip)
        if self.expected is None or dst not in ip_network(self.expected.pod_cidr):
            return None
        return self.expected


def _with_entries(hop: Hop, facts: _Facts) -> Hop:
    if hop.direction is Direction.FREED or hop.packet is None or hop.packet.inner is None:
        return hop
    tables = facts.tables.get(hop.node)
    at = (hop.device, hop.direction)
    # The bridge hands a pod's packets to routing; between pods of one node nothing is routed.
    if hop.node == facts.sender and at == (Device.BRIDGE, Direction.IN):
        entries = _route_out(hop, facts, tables)
    elif at == (Device.VTEP, Direction.OUT):
        entries = _neighbour_and_fdb(hop, facts, tables)
    elif at == (Device.UPLINK, Direction.OUT) and hop.node == facts.sender:
        entries = _underlay(hop, facts)
    elif at == (Device.VTEP, Direction.IN):
        entries = _vtep(hop, tables)
    elif at == (Device.BRIDGE, Direction.OUT):
        entries = _to_pod(hop, tables)
    else:
        entries = ()
    return replace(hop, entries=entries) if entries else hop


def _route_out(hop: Hop, facts: _Facts, tables: Tables | None) -> tuple[Entry, ...]:
    if tables is None:
        return (replace(SKIPPED, table="route"),)
    inner = hop.packet.inner if hop.packet is not None else None
    if inner is None:
        return ()
    answer = tables.route(inner.dst, src=inner.src, iif=hop.ifname)
    text = _route_text(answer, tables)
    expected, vtep = facts.promised, tables.vtep(None, facts.family)
    if expected is None or vtep is None:
        return (Entry(table="route", text=text),)
    if _leads_there(answer.route, expected, vtep):
        return (Entry(table="route", text=text, mark=Mark.OK),)
    return (
        Entry(
            table="route",
            text=text,
            mark=Mark.BAD,
            expected=route_words(expected, vtep.ifname),
            because=expected.source,
        ),
    )


def _leads_there(route: Route | None, expected: Expectation, vtep: Link) -> bool:
    """By the VTEP to the peer's flannel address, or straight to its node (DirectRouting)."""
    if route is None or route.kind != "unicast":
        return False
    if route.gateway == expected.public_ip:
        return True
    return route.ifindex == vtep.ifindex and route.gateway == expected.gateway


def _neighbour_and_fdb(hop: Hop, facts: _Facts, tables: Tables | None) -> tuple[Entry, ...]:
    if tables is None:
        return (replace(SKIPPED, table="neighbour"), replace(SKIPPED, table="fdb"))
    inner = hop.packet.inner if hop.packet is not None else None
    vtep = tables.link_named(hop.ifname)
    if inner is None or vtep is None:
        return ()
    expected = facts.promised if hop.node == facts.sender else None
    route = tables.route(inner.dst, src=inner.src).route
    gateway = (route.gateway if route is not None else None) or inner.dst
    entry = tables.neighbour(vtep.ifindex, gateway)
    wanted = expected.vtep_mac if expected is not None else None
    mac = entry.mac if entry is not None else None
    text = f"{gateway} is at {mac} {entry.state}" if entry and mac else f"no entry for {gateway}"
    neighbour = _held("neighbour", text, mac, wanted, expected)
    used = inner.dst_mac or mac
    if used is None:
        return (neighbour,)
    fdb = tables.fdb(vtep.ifindex, used)
    dst = fdb.dst if fdb is not None else None
    target = expected.public_ip if expected is not None else None
    text = f"{used} dst {dst} {fdb.state}" if fdb is not None else f"no entry for {used}"
    return neighbour, _held("fdb", text, dst, target, expected)


def _held(
    table: str, text: str, actual: str | None, wanted: str | None, expected: Expectation | None
) -> Entry:
    """An entry held against what the lease promises."""
    if expected is None or wanted is None:
        return Entry(table=table, text=text, mark=Mark.NONE if actual is not None else Mark.BAD)
    if actual == wanted:
        return Entry(table=table, text=text, mark=Mark.OK)
    return Entry(table=table, text=text, mark=Mark.BAD, expected=wanted, because=expected.source)


def _underlay(hop: Hop, facts: _Facts) -> tuple[Entry, ...]:
    """Only what is wrong: a packet that leaves bare, or to another address than the lease's."""
    outer = hop.packet.outer if hop.packet is not None else None
    expected = facts.promised
    if expected is None or expected.public_ip is None:
        return ()
    if outer is None:
        direct = hop.packet is not None and _goes_direct(facts)
        mark = Mark.OK if direct else Mark.BAD
        return (Entry(table="underlay", text="not encapsulated", mark=mark),)
    if outer.dst == expected.public_ip:
        return ()
    return (
        Entry(
            table="underlay",
            text=f"sent to {outer.dst}",
            mark=Mark.BAD,
            expected=expected.public_ip,
            because=expected.source,
        ),
    )


def _goes_direct(facts: _Facts) -> bool:
    tables, expected = facts.tables.get(facts.sender), facts.promised
    if tables is None or expected is None:
        return False
    route = tables.route(ends(facts.bundle, facts.way)[1].ip).route
    return route is not None and route.gateway == expected.public_ip


def _vtep(hop: Hop, tables: Tables | None) -> tuple[Entry, ...]:
    if tables is None:
        return (replace(SKIPPED, table="vtep"),)
    vtep = tables.link_named(hop.ifname)
    inner = hop.packet.inner if hop.packet is not None else None
    if vtep is None or inner is None or inner.dst_mac is None:
        return ()
    text = f"{hop.ifname} on {hop.node} has {vtep.mac}"
    if vtep.mac == inner.dst_mac:
        return (Entry(table="vtep", text=text, mark=Mark.OK),)
    return (
        Entry(
            table="vtep",
            text=text,
            mark=Mark.BAD,
            expected=inner.dst_mac,
            because="the packet's inner destination MAC",
        ),
    )


def _to_pod(hop: Hop, tables: Tables | None) -> tuple[Entry, ...]:
    if tables is None:
        return (replace(SKIPPED, table="route"),)
    inner = hop.packet.inner if hop.packet is not None else None
    bridge = tables.link_named(hop.ifname)
    if inner is None or bridge is None:
        return ()
    answer = tables.route(inner.dst, src=inner.src)
    right = answer.route is not None and answer.route.ifindex == bridge.ifindex
    mark = Mark.OK if right else Mark.BAD
    route = Entry(table="route", text=_route_text(answer, tables), mark=mark)
    entry = tables.neighbour(bridge.ifindex, inner.dst)
    if entry is None or entry.mac is None:
        return (route,)
    text = f"{inner.dst} is at {entry.mac} {entry.state}"
    return route, Entry(table="neighbour", text=text)


def _route_text(answer: RouteAnswer, tables: Tables) -> str:
    """In iproute2's words."""
    route = answer.route
    if route is None:
        return "no route" if answer.kind == "none" else f"{answer.kind} by ip rule"
    default = route.destination in ("0.0.0.0/0", "::/0")
    words = [] if route.kind == "unicast" else [route.kind]
    words.append("default" if default else route.destination)
    if route.gateway is not None:
        words += ["via", route.gateway]
    link = tables.link(route.ifindex)
    if link is not None:
        words += ["dev", link.ifname]
    if route.onlink:
        words.append("onlink")
    return " ".join(words)
