"""The route that flanneld writes for each peer."""

from ipaddress import ip_network

from tracer.core.case import WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.backend import backends_differ
from tracer.core.rules.entries import NO_PEER_REPAIRS
from tracer.core.rules.fingerprints import disowned, ended_unrouted, peer_fdb, permanent
from tracer.core.rules.no_device import lost_with_device
from tracer.core.rules.on_way import on_its_way, route_words
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.packet import Net
from tracer.model.state import Link

STEP = Step.ROUTES


def routes_lost(way: WayView) -> Finding | None:
    """A node has lost its route to a peer's pod subnet.

    The kernel removes a device's routes when the device goes down; flanneld does not write them
    again (flannel #869, #1759; from v0.27.4 it makes a deleted device again, but empty).
    """
    if not way.crosses or backends_differ(way):
        return None
    gone = lost_with_device(way)
    if gone is not None or on_its_way(way):
        return gone
    vtep, lease = way.sender_vtep, way.receiver_lease
    if vtep is None or not vtep.up:
        return None
    if lease.defect is not None or disowned(way):
        # Peers that ignore a lease have no route to lose; a peer removed whole is no lost route.
        return None
    return _finding(way, vtep, lease.pod_cidr or way.dst)


def _finding(way: WayView, vtep: Link, cidr: Net) -> Finding:
    direct = _direct(way)
    expected = direct or f"via {_network(cidr)} dev {vtep.ifname} onlink"
    return Finding(
        rule="routes-lost",
        severity=Severity.ERROR,
        node=way.sender,
        device=vtep.ifname,
        sentence=f"{way.sender} has no route to {cidr}"
        f" {'by ' + vtep.ifname if direct is None else direct}.",
        evidence=(
            *_routes(way, f"{cidr} {expected}"),
            *_history(way, vtep),
            *proof.kernel(way),
        ),
        hits=f"everything that {way.sender} sends to {cidr}",
        fix=(
            f"restart flanneld on {way.sender}; it writes routes, neighbours and FDB entries of"
            " all peers:",
            remedies.restart_flannel(way.case, way.sender),
        ),
        confirm=(remedies.on(way.sender, f"ip route get {way.dst}"),),
        useless=(
            f"setting {vtep.ifname} up: its routes and neighbours do not come back with it",
            NO_PEER_REPAIRS,
        ),
        way=way.way,
        explains=ended_unrouted(way),
    )


def _direct(way: WayView) -> str | None:
    """With DirectRouting the way to a node on the same link, as `ip route` prints it."""
    conf, public_ip = way.case.net_conf, way.receiver_lease.public_ip
    if conf is None or not conf.direct_routing or public_ip is None:
        return None
    route = way.sender_tables.route(public_ip).route
    link = way.sender_tables.link(route.ifindex) if route is not None else None
    if route is None or link is None or route.gateway is not None:
        return None
    return f"via {public_ip} dev {link.ifname}"


def _routes(way: WayView, expected: str) -> tuple[Evidence, Evidence]:
    actual = route_words(way)
    return (
        Evidence(label="expected", value=expected, source=f"lease of {way.receiver}"),
        Evidence(label="actual", value=actual, source=f"{way.sender} routes", differs=True),
    )


def _history(way: WayView, vtep: Link) -> tuple[Evidence, ...]:
    """What the other two tables tell about how the route went."""
    state = way.case.state(way.sender)
    if peer_fdb(state, vtep) and not permanent(state, vtep):
        return (
            Evidence(
                label="history",
                value=f"{vtep.ifname} was down and came up again",
                source=f"{way.sender}: no neighbours, FDB kept",
            ),
        )
    return ()


def _network(cidr: str) -> str:
    return str(ip_network(cidr, strict=False).network_address)
