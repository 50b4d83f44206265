"""What flanneld wrote for nodes that are gone. It removes nothing at its start."""

from ipaddress import ip_network

from tracer.core.case import WayView
from tracer.core.end import WayEnd
from tracer.core.rules import proof, remedies
from tracer.core.rules.fingerprints import diverted, left_behind, overlapping
from tracer.core.views import NodeView
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device, Direction
from tracer.model.packet import Net
from tracer.model.state import FdbEntry, Link, Route

STEP = Step.ROUTES

SHOWN = 4


def stale_route_deleted_node(view: NodeView) -> Finding | None:
    """A node still routes a pod subnet to a node that was deleted.

    flanneld misses a deletion while it is down, and removes nothing at its start (flannel #2554).
    Nothing is wrong until the subnet is given to somebody else: on the new owner itself the old
    route comes before that of its own bridge.
    """
    found = [
        (route, vtep)
        for family, vtep in view.vteps()
        for route in view.tables("routes", "links").state.routes
        if (":" in route.destination) is (family == 6)
        and left_behind(route, vtep, view.node, view.facts)
    ]
    if not found:
        return None
    found.sort(key=lambda one: not _taken_from(view, one[0]))
    (route, vtep), node = found[0], view.node
    victim = _taken_from(view, route)
    stopped = view.stopped_way(lambda way, end: _led_astray(view, way, end))
    return Finding(
        rule="stale-route-deleted-node",
        severity=Severity.ERROR if victim else Severity.WARNING,
        node=node,
        device=vtep.ifname,
        sentence=f"{node} still routes {route.destination} by {vtep.ifname} to a node that was"
        f" deleted{_clash(route, victim)}.",
        evidence=(
            *(_shown(node, one, device) for one, device in found[:SHOWN]),
            Evidence(label="owner", value=_owner(victim), source="spec.podCIDR of all nodes"),
            *_next_hop(view, route, vtep),
            *(proof.kernel(stopped) if stopped is not None else ()),
        ),
        hits=_hits(node, route, victim),
        fix=(
            f"remove what was left behind on {node}:",
            *(line for one, device in found[:SHOWN] for line in _removal(view, one, device)),
        ),
        confirm=(remedies.on(node, f"ip route show dev {vtep.ifname}"),),
        useless=("restarting flanneld: it writes the entries of its peers and removes no others",),
        way=stopped.way if stopped is not None else None,
        explains=stopped is not None,
    )


def _taken_from(view: NodeView, route: Route) -> tuple[str, Net] | None:
    """(node, pod CIDR) of whose packets the route takes some; None: nobody's."""
    for lease in view.facts.leases:
        cidr = lease.pod_cidr
        if not overlapping(route.destination, cidr) or cidr is None:
            continue
        # A wider route loses against that of the subnet itself.
        if ip_network(route.destination).prefixlen >= ip_network(cidr).prefixlen:
            return lease.node, cidr
    return None


def _clash(route: Route, victim: tuple[str, Net] | None) -> str:
    if victim is None:
        return ""
    node, cidr = victim
    if route.destination == cidr:
        return f"; it is {node}'s pod subnet now"
    return f"; it is a part of {node}'s pod subnet {cidr} now"


def _owner(victim: tuple[str, Net] | None) -> str:
    return f"{victim[0]} has {victim[1]}" if victim is not None else "no node"


def _shown(node: str, route: Route, vtep: Link) -> Evidence:
    return Evidence(label="route", value=_words(route, vtep), source=f"{node} routes", differs=True)


def _words(route: Route, vtep: Link) -> str:
    onlink = " onlink" if route.onlink else ""
    return f"{route.destination} via {route.gateway} dev {vtep.ifname}{onlink}"


def _next_hop(view: NodeView, route: Route, vtep: Link) -> tuple[Evidence, ...]:
    """Where packets on that route go."""
    tables = view.tables("neighbours", "fdb")
    entry = tables.neighbour(vtep.ifindex, route.gateway or "")
    fdb = _fdb(view, route, vtep)
    if entry is None:
        value = "no neighbour"
    elif fdb is None:
        value = f"{entry.mac or entry.state}, no fdb entry"
    else:
        value = f"{entry.mac} dst {fdb.dst}"
    source = f"{view.node} neighbour {route.gateway}"
    if fdb is not None and fdb.dst is not None:
        owner = view.facts.owner_of(fdb.dst)
        source += f", fdb; {owner or 'no node'} has {fdb.dst}"
    return (Evidence(label="leads to", value=value, source=source),)


def _fdb(view: NodeView, route: Route, vtep: Link) -> FdbEntry | None:
    tables = view.tables("neighbours", "fdb")
    entry = tables.neighbour(vtep.ifindex, route.gateway or "")
    return tables.fdb(vtep.ifindex, entry.mac) if entry is not None and entry.mac else None


def _removal(view: NodeView, route: Route, vtep: Link) -> tuple[str, ...]:
    node, gateway = view.node, route.gateway
    lines = [f"ip route del {route.destination} via {gateway} dev {vtep.ifname}"]
    entry = view.tables("neighbours").neighbour(vtep.ifindex, gateway or "")
    if entry is not None:
        lines.append(f"ip neigh del {gateway} dev {vtep.ifname}")
    fdb = _fdb(view, route, vtep)
    if fdb is not None and all(lease.vtep_mac != fdb.mac for lease in view.facts.leases):
        lines.append(f"bridge fdb del {fdb.mac} dev {vtep.ifname} dst {fdb.dst} self")
    return tuple(remedies.on(node, line) for line in lines)


def _hits(node: str, route: Route, victim: tuple[str, Net] | None) -> str:
    if victim is None:
        return (
            f"nothing now; the node that gets {route.destination} next, if {node} is that one or"
            " misses its lease"
        )
    if victim[0] == node:
        return f"everything that {node} forwards to its own pods in {route.destination}"
    return f"everything that {node} sends to {route.destination}, a part of {victim[0]}'s pods"


def _led_astray(view: NodeView, way: WayView, end: WayEnd) -> bool:
    """The route chosen for the packets is one of these, and they ended after the choice."""
    if way.sender == way.receiver:
        return False
    if way.sender == view.node:
        return diverted(way) is not None and (end.place is None or end.on(way.sender))
    vtep = way.receiver_vtep
    if way.receiver != view.node or vtep is None or not end.on(view.node):
        return False
    route = view.tables("routes", "rules").route(way.dst, src=way.src, iif=vtep.ifname).route
    came_in = any(
        (hop.node, hop.device, hop.direction) == (view.node, Device.VTEP, Direction.IN)
        for hop in end.sample.hops
    )
    return came_in and route is not None and left_behind(route, vtep, view.node, view.facts)
