"""The route that flanneld writes for each peer."""

from ipaddress import ip_network

from tracer.core.case import WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.backend import backends_differ
from tracer.core.rules.entries import NO_PEER_REPAIRS
from tracer.core.rules.fingerprints import disowned, ended_unrouted, peer_fdb, permanent
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.state import Link

STEP = Step.ROUTES

MAIN = 254


def routes_lost(way: WayView) -> Finding | None:
    """A node has lost its route to a peer's pod subnet.

    The kernel removes a device's routes when the device goes down; flanneld does not write them
    again (flannel #869, #1759; from v0.27.4 it makes a deleted device again, but empty).
    """
    if not way.crosses or on_its_way(way) or backends_differ(way):
        return None
    vtep, lease = way.sender_vtep, way.receiver_lease
    if vtep is None or not vtep.up:
        return None
    if lease.defect is not None or disowned(way):
        # Peers that ignore a lease have no route to lose; a peer removed whole is no lost route.
        return None
    cidr = lease.pod_cidr or way.dst
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


def on_its_way(way: WayView) -> bool:
    """The sender's tables answer with something other than "no route" or the default route."""
    route, lease = way.route.route, way.receiver_lease
    if way.crossing is not None:
        return True
    if route is None:
        # A policy rule that refuses is somebody's decision, not a loss.
        return way.route.kind != "none"
    if route.gateway is not None and route.gateway == lease.public_ip:
        return True
    if route.kind != "unicast" or route.table != MAIN:
        return True
    cidr = lease.pod_cidr
    shorter = ip_network(route.destination).prefixlen
    return cidr is not None and shorter >= ip_network(cidr, strict=False).prefixlen


def route_words(way: WayView) -> str:
    """The sender's route for these packets, as `ip route` prints it; `none`: there is none."""
    route = way.route.route
    if route is None:
        return "none"
    link = way.sender_tables.link(route.ifindex) if route.ifindex is not None else None
    words = ["default" if route.destination in ("0.0.0.0/0", "::/0") else route.destination]
    words += ["via", route.gateway] if route.gateway is not None else []
    words += ["dev", link.ifname] if link is not None else []
    return " ".join(words)


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
