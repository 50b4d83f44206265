"""A path with, at each hop, the table entries that decided it, and what the leases say of them."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from ipaddress import ip_address

from msgspec.structs import replace

from tracer.core import compare
from tracer.core.course import ends, is_pod, veth_of
from tracer.core.end import freed_for
from tracer.core.expect import Expectation, covers, expectation
from tracer.core.facts import Facts
from tracer.core.leases import VXLAN, NetConfRead
from tracer.core.routes import RouteAnswer
from tracer.core.tables import Tables
from tracer.model.observation import Device, Direction
from tracer.model.packet import Inner
from tracer.model.path import Entry, Hop, Mark, Path, Way
from tracer.model.request import Request
from tracer.model.state import Link, PodLink

POD_IN = (Device.POD, Direction.IN)
BRIDGE_IN = (Device.BRIDGE, Direction.IN)
VTEP_OUT = (Device.VTEP, Direction.OUT)
UPLINK_OUT = (Device.UPLINK, Direction.OUT)
UPLINK_IN = (Device.UPLINK, Direction.IN)
VTEP_IN = (Device.VTEP, Direction.IN)
BRIDGE_OUT = (Device.BRIDGE, Direction.OUT)


def annotate(path: Path, facts: Facts) -> Path:
    """The same path, its hops with their entries."""
    return annotated((path,), facts)[0]


def annotated(
    paths: Iterable[Path], facts: Facts, request: Request | None = None
) -> tuple[Path, ...]:
    """All paths of one request (None: the recording's), each way's facts looked up once."""
    asked = request or facts.bundle.traced
    held = {way: _Held(facts, asked, way) for way in Way}
    return tuple(_with_entries(path, held[path.way]) for path in paths)


class _Held:
    """What one way's entries are held against."""

    def __init__(self, facts: Facts, request: Request, way: Way) -> None:
        self.bundle = facts.bundle
        self.leases = facts.leases
        self.conf: NetConfRead | None = facts.net_conf
        self.source, self.destination = ends(request, way)
        self.sender, self.receiver = self.source.node, self.destination.node
        self.out = facts.tables_if_read(self.sender)
        self.into = facts.tables_if_read(self.receiver)
        self.family = ip_address(self.destination.ip).version

    @cached_property
    def promised(self) -> Expectation | None:
        """What the receiver's lease promises, for a destination inside its pod CIDR."""
        if self.sender == self.receiver:
            return None
        for lease in self.leases:
            if lease.node == self.sender and lease.backend_type not in (None, VXLAN):
                # Its flanneld writes nothing for this lease.
                return None
        for lease in self.leases:
            if (lease.node, lease.family) == (self.receiver, self.family):
                expected = expectation(lease)
                return expected if expected and covers(expected, self.destination.ip) else None
        return None

    def promised_to(self, inner: Inner) -> Expectation | None:
        """The same for one packet: a reply to an address that hid its pod is no word on the pod."""
        promised = self.promised
        return promised if promised is not None and covers(promised, inner.dst) else None

    @cached_property
    def vtep(self) -> Link | None:
        """The sender's VTEP: that of flannel's VNI, for one of an earlier VNI may be left over."""
        if self.out is None:
            return None
        vni = self.conf.vni if self.conf is not None else None
        return self.out.vtep(vni, self.family) or self.out.vtep(None, self.family)

    @cached_property
    def iif(self) -> str | None:
        """Where the sender's node takes the packet in: a pod's by the bridge; None: its own."""
        bridge = self.out.bridge() if self.out is not None and is_pod(self.source) else None
        return bridge.ifname if bridge is not None else None

    def answer(self, inner: Inner) -> RouteAnswer | None:
        """The sender's route for the packet."""
        if self.out is None:
            return None
        return self.out.route(inner.dst, src=inner.src, iif=self.iif)

    @cached_property
    def pod(self) -> PodLink | None:
        """The receiving pod as its node sees it."""
        pods = self.into.state.pods if self.into is not None else ()
        return next((pod for pod in pods if pod.ip == self.destination.ip), None)


def _with_entries(path: Path, facts: _Held) -> Path:
    passed = [hop for hop in path.hops if hop.drop is None and _inner(hop) is not None]
    at = {(hop.node, hop.device, hop.direction) for hop in passed}
    entries: dict[int, tuple[Entry, ...]] = {}
    host = _where_routed(passed, facts)
    for hop in passed:
        inner, point = _inner(hop), (hop.device, hop.direction)
        if inner is None:
            continue
        found: list[Entry] = []
        if hop is host:
            found += _route(hop, inner, facts)
            if (facts.sender, *VTEP_OUT) not in at:
                found += _unsent(path, inner, found, facts)
        if hop.node == facts.sender:
            found += _leaving(hop, inner, point, facts)
        if hop.node == facts.receiver:
            found += _arriving(path, hop, inner, point, at, facts)
        entries[id(hop)] = tuple(found)
    return replace(
        path,
        hops=tuple(
            replace(hop, entries=entries[id(hop)]) if entries.get(id(hop)) else hop
            for hop in path.hops
        ),
    )


def _inner(hop: Hop) -> Inner | None:
    return hop.packet.inner if hop.packet is not None else None


def _where_routed(passed: Sequence[Hop], facts: _Held) -> Hop | None:
    """The hop after which the sender routes: a pod's packets come in by the bridge.

    A frame between pods of one node is bridged: nothing is routed.
    """
    if facts.sender == facts.receiver and is_pod(facts.source) and is_pod(facts.destination):
        return None
    here = [hop for hop in passed if hop.node == facts.sender]
    for point in (BRIDGE_IN, VTEP_OUT, UPLINK_OUT, POD_IN):
        for hop in here:
            if (hop.device, hop.direction) == point:
                return hop
    return None


def _route(hop: Hop, inner: Inner, facts: _Held) -> list[Entry]:
    skip = compare.skipped("route", facts.out)
    if skip is not None or facts.out is None:
        return [skip] if skip is not None else []
    # Without its bridge hop a pod's packet still comes in by the bridge, if it comes in.
    iif = hop.ifname if hop.device is Device.BRIDGE else facts.iif
    answer = facts.out.route(inner.dst, src=inner.src, iif=iif)
    promised = facts.promised_to(inner)
    return [compare.route_entry(answer, facts.out, facts.vtep, promised, facts.conf)]


def _unsent(path: Path, inner: Inner, route: Sequence[Entry], facts: _Held) -> Iterator[Entry]:
    """A packet that was routed to the VTEP and never got there: it waits for the neighbour."""
    if facts.promised is None or facts.vtep is None or facts.out is None:
        return
    ended_here = path.end is not None and path.end.node == facts.sender
    if not ended_here or any(entry.mark is Mark.BAD for entry in route):
        return
    answer = facts.answer(inner)
    if answer is None or answer.route is None or answer.route.ifindex != facts.vtep.ifindex:
        return
    gateway = answer.route.gateway or inner.dst
    skip = compare.skipped("neighbour", facts.out)
    yield skip or compare.neighbour_entry(facts.out, facts.vtep, gateway, facts.promised)


def _leaving(
    hop: Hop, inner: Inner, point: tuple[Device, Direction], facts: _Held
) -> Iterator[Entry]:
    """The sender's other entries, each at the hop that shows what came of it."""
    if point == POD_IN and facts.out is not None and is_pod(facts.source):
        veth = facts.out.link(veth_of(facts.bundle, facts.source))
        port = compare.port_entry(facts.out, veth, facts.out.bridge())
        yield from (port,) if port is not None else ()
    elif point == VTEP_OUT:
        yield from _neighbour_and_fdb(hop, inner, facts)
    elif point == UPLINK_OUT and hop.packet is not None:
        promised = facts.promised_to(inner)
        if promised is not None:
            entry = compare.underlay_entry(hop.packet.outer, facts.answer(inner), promised)
            yield from (entry,) if entry is not None else ()


def _neighbour_and_fdb(hop: Hop, inner: Inner, facts: _Held) -> Iterator[Entry]:
    skip = compare.skipped("neighbour", facts.out)
    vtep = facts.out.link_named(hop.ifname) if facts.out is not None else None
    if skip is not None:
        yield skip
    elif facts.out is not None and vtep is not None:
        answer = facts.answer(inner)
        route = answer.route if answer is not None else None
        gateway = (route.gateway if route is not None else None) or inner.dst
        yield compare.neighbour_entry(facts.out, vtep, gateway, facts.promised)
    skip = compare.skipped("fdb", facts.out)
    if skip is not None:
        yield skip
    elif facts.out is not None and vtep is not None and inner.dst_mac is not None:
        yield compare.fdb_entry(facts.out, vtep, inner.dst_mac, facts.promised)


def _arriving(
    path: Path,
    hop: Hop,
    inner: Inner,
    point: tuple[Device, Direction],
    at: set[tuple[str, Device, Direction]],
    facts: _Held,
) -> Iterator[Entry]:
    """The receiver's entries; where the packet went no further, also the next one's."""
    node = facts.receiver
    if point == UPLINK_IN and facts.sender != node and (node, *VTEP_IN) not in at:
        outer = hop.packet.outer if hop.packet is not None else None
        if outer is not None and facts.into is not None and not _unread(facts.into, "vtep"):
            unfit = compare.unfit_vtep(facts.into, outer, facts.family)
            yield from (unfit,) if unfit is not None else ()
    elif point == VTEP_IN:
        skip = compare.skipped("vtep", facts.into)
        entry = skip
        if skip is None and facts.into is not None:
            entry = compare.vtep_entry(hop.ifname, facts.into, inner)
        yield from (entry,) if entry is not None else ()
        taken = entry is not None and entry.mark is Mark.OK
        if taken and (node, *BRIDGE_OUT) not in at:
            yield from _to_pod(path, hop, inner, facts)
    elif point == BRIDGE_OUT:
        yield from _to_pod(path, hop, inner, facts)


def _came_in(path: Path, node: str) -> str | None:
    """The device by which the receiver took the packet out of the overlay; None: not seen."""
    return next(
        (
            hop.ifname
            for hop in path.hops
            if hop.node == node and (hop.device, hop.direction) == VTEP_IN
        ),
        None,
    )


def _unread(tables: Tables, table: str) -> bool:
    return compare.skipped(table, tables) is not None


def _to_pod(path: Path, hop: Hop, inner: Inner, facts: _Held) -> Iterator[Entry]:
    """How the receiver forwards to the pod: by its bridge, whose port the pod's veth is."""
    if not is_pod(facts.destination):
        return
    skip = compare.skipped("route", facts.into)
    if skip is not None or facts.into is None:
        yield from (skip,) if skip is not None else ()
        return
    tables = facts.into
    out = hop.device is Device.BRIDGE
    bridge = tables.link_named(hop.ifname) if out else tables.bridge()
    if bridge is None:
        return
    yield compare.delivery_route(tables, inner, bridge, _came_in(path, facts.receiver))
    failed = freed_for(path.drop, "NEIGH_FAILED")
    if (out or failed) and not _unread(tables, "neighbour"):
        neighbour = compare.pod_neighbour(tables, inner, bridge, facts.pod, failed=failed)
        yield from (neighbour,) if neighbour is not None else ()
    veth = tables.link(veth_of(facts.bundle, facts.destination))
    port = compare.port_entry(tables, veth, bridge)
    yield from (port,) if port is not None else ()
