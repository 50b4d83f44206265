"""The host's own networks against the pods'."""

from collections.abc import Iterator
from ipaddress import ip_network

from tracer.core.compare import route_text
from tracer.core.end import WayEnd
from tracer.core.routes import MAIN, RouteAnswer
from tracer.core.rules import remedies
from tracer.core.rules.edge import of_each_way
from tracer.core.rules.fingerprints import foreign, left_behind
from tracer.core.tables import Tables
from tracer.core.views import NodeView, WayView
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device, Direction
from tracer.model.state import Route

STEP = Step.ROUTES


def host_route_overlaps(node: NodeView) -> tuple[Finding, ...]:
    """A route of the host's own leads part of the pods' network elsewhere.

    A LAN, a VPN or a storage network has addresses of flannel's network. The longer prefix wins
    over flannel's route: pods with those addresses cannot be reached from there, all others can.
    So does a route by flannel.1 itself that somebody else than flanneld wrote.
    """
    tables = node.tables("routes", "links")
    found = next((route for route in tables.state.routes if _is_own(node, tables, route)), None)
    if found is None:
        return ()
    taken = found.destination
    losers = [cidr for cidr in node.facts.subnets if cidr == taken or _within(taken, cidr)]

    def stops(way: WayView, end: WayEnd) -> bool:
        return _leads(node, way, end, found)

    return of_each_way(node, stops, _overlap(node, tables, found, losers))


def _leads(node: NodeView, way: WayView, end: WayEnd, found: Route) -> bool:
    """The route took the packets that ended."""
    if way.receiver == node.node and way.crosses:
        return _turned_back(node, way, end, found)
    if way.sender != node.node or way.route.route != found:
        return False
    vtep = way.sender_vtep
    return not end.outer or (vtep is not None and vtep.ifindex == found.ifindex)


def _turned_back(node: NodeView, way: WayView, end: WayEnd, found: Route) -> bool:
    """What came out of the tunnel for the node's own pods is sent away again, until its TTL ends.

    Two nodes that send it to each other free it on whichever has it last.
    """
    vtep = way.receiver_vtep
    if vtep is None or not any(
        (hop.node, hop.device, hop.direction) == (node.node, Device.VTEP, Direction.IN)
        for hop in end.sample.hops
    ):
        return False
    route = node.tables("routes", "rules").route(way.dst, src=way.src, iif=vtep.ifname).route
    return route == found and not end.on(node.node, Device.BRIDGE, Device.POD)


def _is_own(node: NodeView, tables: Tables, route: Route) -> bool:
    """Neither flannel's nor the bridge's nor the kernel's, and inside of flannel's network.

    By the VTEP, too: what flanneld did not write, and did not leave behind.
    """
    if route.kind != "unicast" or route.table != MAIN:
        return False
    link = tables.link(route.ifindex)
    if link is None or link == tables.bridge():
        return False
    if link.vxlan is None and route.destination in node.facts.subnets:
        return False
    if link.vxlan is not None and (
        not foreign(route) or left_behind(route, link, node.node, node.facts)
    ):
        return False
    return any(_within(route.destination, network) for network in _networks(node))


def _networks(node: NodeView) -> Iterator[str | None]:
    """flannel's, of the families that it is told to use: k3s names ::/0 where it has no IPv6."""
    conf = node.facts.net_conf
    if conf is not None and conf.enable_ipv4:
        yield conf.network
    if conf is not None and conf.enable_ipv6:
        yield conf.network_v6


def _within(inner: str, outer: str | None) -> bool:
    """`inner` lies in `outer` and is smaller."""
    if outer is None or (":" in inner) is not (":" in outer):
        return False
    one, other = ip_network(inner, strict=False), ip_network(outer, strict=False)
    return one != other and one.subnet_of(other)  # type: ignore[arg-type]


def _overlap(node: NodeView, tables: Tables, route: Route, losers: list[str]) -> Finding:
    link = tables.link(route.ifindex)
    device = link.ifname if link is not None else None
    answer = RouteAnswer(kind=route.kind, route=route)
    owners = ", ".join(f"{node.facts.subnets[cidr][0]} ({cidr})" for cidr in losers)
    conf = node.facts.net_conf
    written = link is not None and link.vxlan is not None
    return Finding(
        rule="host-route-overlaps",
        severity=Severity.ERROR if losers else Severity.WARNING,
        node=node.node,
        device=device,
        sentence=f"{node.node} has a {'route' if written else 'network'} of its own inside of the"
        f" pods'{' network' if written else ''}: {route.destination} by {device}.",
        evidence=(
            Evidence(
                label="route", value=route_text(answer, tables), source=node.node, differs=True
            ),
            Evidence(
                label="network",
                value=f"{conf.network_v6 if ':' in route.destination else conf.network}"
                if conf is not None
                else "not known",
                source=conf.source if conf is not None else "",
            ),
            Evidence(label="owner", value=owners or "nobody yet", source="all nodes' spec.podCIDR"),
        ),
        hits=f"what {node.node} sends to pods with addresses of {route.destination}"
        if losers
        else f"nothing now; pods of a node that is given a subnet of {route.destination}",
        fix=_fix(node, route, device, written=written),
        confirm=(remedies.on(node.node, f"ip route show root {route.destination}"),),
        useless=(
            "restarting flannel: its route is there, and the longer prefix wins whenever it came",
        ),
    )


def _fix(node: NodeView, route: Route, device: str | None, *, written: bool) -> tuple[str, ...]:
    """`written`: by the VTEP; there is no network behind it to be moved."""
    if written:
        return (
            f"remove it on {node.node}, and find what wrote it, since flanneld does not:",
            remedies.on(node.node, f"ip route del {route.destination} dev {device}"),
        )
    return (
        "give one of the two another range: the host's network, which takes its route along,",
        remedies.on(node.node, f"ip route show {route.destination}"),
        "or flannel's, which needs new pod CIDRs for all nodes:",
        remedies.edit_net_conf(node.facts),
    )
