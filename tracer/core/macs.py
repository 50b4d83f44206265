"""The MACs that explain most incidents, side by side."""

from tracer.core.case import Case, MissingFact, WayView
from tracer.model.diagnosis import ThreeMacs
from tracer.model.packet import Mac


def three_macs(case: Case) -> tuple[ThreeMacs, ...]:
    """One row for each node that receives over the overlay; unknown facts are None."""
    rows = []
    for way in case.ways:
        try:
            if way.crosses and not routed_directly(way):
                rows.append(_row(way))
        except MissingFact:
            continue
    return tuple(rows)


def routed_directly(way: WayView) -> bool:
    """To the peer's own address (DirectRouting): no VTEP has a part in it."""
    try:
        route, lease = way.route.route, way.receiver_lease
    except MissingFact:
        return False
    gateway = route.gateway if route is not None else None
    return gateway is not None and gateway == lease.public_ip


def _row(way: WayView) -> ThreeMacs:
    programmed, programmed_fdb = _programmed(way)
    return ThreeMacs(
        node=way.receiver,
        peer=way.sender,
        advertised=way.receiver_lease.vtep_mac,
        programmed=programmed,
        programmed_fdb=programmed_fdb,
        actual=_actual(way),
        wire=way.wire_mac,
    )


def _programmed(way: WayView) -> tuple[Mac | None, Mac | None]:
    try:
        crossing, vtep = way.crossing, way.sender_vtep
        if crossing is None or vtep is None:
            return None, None
        if crossing.fdb is not None:
            return crossing.mac, crossing.fdb.mac
        public_ip = way.receiver_lease.public_ip
        entries = way.case.state(way.sender).fdb
        leading = [e.mac for e in entries if e.ifindex == vtep.ifindex and e.dst == public_ip]
        return crossing.mac, leading[-1] if leading and public_ip is not None else None
    except MissingFact:
        return None, None


def _actual(way: WayView) -> Mac | None:
    try:
        return way.receiver_vtep.mac if way.receiver_vtep is not None else None
    except MissingFact:
        return None
