"""DirectRouting: nodes of one subnet route pods' packets to each other as they are."""

from tracer.core.case import WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.neighbourhood import uplink_below
from tracer.core.tables import RouteAnswer, Tables
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device, Direction
from tracer.model.state import Link

STEP = Step.ROUTES

DIRECT, TUNNEL = "direct", "tunnel"
STRICT = 1


def directrouting_asymmetric(way: WayView) -> Finding | None:
    """Two nodes disagree on DirectRouting, or the network between them drops bare pods' packets.

    A node that checks sources strictly (rp_filter 1) frees what comes in by another device than
    that by which it would answer: IP_RPFILTER. Clouds drop packets of addresses that they have not
    given out, unless told otherwise.
    """
    if not way.crosses:
        return None
    there, back = _kind(way, way.sender), _kind(way, way.receiver)
    if (there, back) == (DIRECT, DIRECT):
        return _blocked(way)
    direct = routed_directly_by(way)
    if direct is None and (there, back) == (DIRECT, TUNNEL):
        # Bare packets that the receiver refuses at its uplink, whoever wrote the route.
        strict = _checks_strictly(way, way.receiver, way.sender)
        direct = way.sender if strict else None
    if direct is None:
        return None
    tunnelled = way.receiver if direct == way.sender else way.sender
    return _asymmetric(way, direct=direct, tunnelled=tunnelled)


def routed_directly_by(way: WayView) -> str | None:
    """The one of the two nodes whose flannel routes directly while the other's does by VXLAN.

    A route that somebody wrote by hand leads there as well, but flannel's neighbour is still
    beside it: DirectRouting writes none (vxlan_network.go:299-309).
    """
    kinds = {node: _kind(way, node) for node in (way.sender, way.receiver)}
    if set(kinds.values()) != {DIRECT, TUNNEL}:
        return None
    node = next(node for node, kind in kinds.items() if kind == DIRECT)
    conf = way.case.net_conf
    if conf is not None and conf.direct_routing:
        return node
    peer = way.receiver_lease if node == way.sender else way.sender_lease
    vtep, gateway = way.case.vtep(node), (peer.pod_cidr or "").partition("/")[0]
    tables = way.case.tables(node, "neighbours")
    by_hand = vtep is not None and tables.neighbour(vtep.ifindex, gateway) is not None
    return None if by_hand else node


def _kind(way: WayView, node: str) -> str | None:
    """How a node's route to the other's pods leads there; None: neither directly nor by VXLAN."""
    peer = way.receiver_lease if node == way.sender else way.sender_lease
    route = _answer(way, node).route
    if route is None or route.gateway is None or route.kind != "unicast":
        return None
    vtep = way.case.vtep(node)
    if vtep is not None and route.ifindex == vtep.ifindex:
        return TUNNEL
    return DIRECT if route.gateway == peer.public_ip else None


def _answer(way: WayView, node: str) -> RouteAnswer:
    if node == way.sender:
        return way.route
    tables = way.case.tables(node, "routes", "rules", "links")
    bridge = tables.bridge() if way.to_pod else None
    return tables.route(way.src, src=way.dst, iif=bridge.ifname if bridge else None)


def _asymmetric(way: WayView, *, direct: str, tunnelled: str) -> Finding:
    conf = way.case.net_conf
    odd = direct if conf is not None and not conf.direct_routing else tunnelled
    strict = [node for node in (direct, tunnelled) if _checks_strictly(way, node, direct)]
    checks = f"; {' and '.join(strict)} checks where packets come from (rp_filter 1)"
    return Finding(
        rule="directrouting-asymmetric",
        severity=Severity.ERROR if strict else Severity.WARNING,
        node=odd,
        device=None,
        sentence=f"{direct} sends to pods of {tunnelled} directly, and {tunnelled} answers by VXLAN"
        f"{checks if strict else ''}.",
        evidence=(
            *(_route_evidence(way, node, odd) for node in (way.sender, way.receiver)),
            *_configured(way),
            *(_filter_evidence(way, node, direct) for node in strict),
            *proof.kernel(way),
        ),
        hits=f"everything between pods of {direct} and of {tunnelled}"
        if strict
        else f"nothing now; with rp_filter 1 everything between pods of {direct} and {tunnelled}",
        fix=(
            "see that the configuration names the DirectRouting that is meant, then restart"
            f" flanneld on every node that does otherwise (here {odd}); it replaces its routes:",
            remedies.edit_net_conf(way.case),
            remedies.restart_flannel(way.case, odd),
            *_loosen(way, strict, direct),
        ),
        confirm=tuple(
            remedies.on(node, f"ip route get {address}")
            for node, address in ((way.sender, way.dst), (way.receiver, way.src))
        ),
        useless=(
            "editing the ConfigMap alone: flanneld reads it once, at its start",
            "restarting flannel on the node that does as configured: the other one keeps its"
            " routes, for an unchanged lease makes no peer write anything",
        ),
        way=way.way,
        explains=_refused_source(way),
    )


def _way_in(way: WayView, node: str, direct: str) -> Link | None:
    """The device by which the other's packets come in there."""
    return uplink_below(way.case, node) if node != direct else way.case.vtep(node)


def _checks_strictly(way: WayView, node: str, direct: str) -> bool:
    """The kernel takes the larger of the device's value and of all devices' (IN_DEV_RPFILTER)."""
    link = _way_in(way, node, direct)
    if link is None or way.case.family == 6:
        return False
    values = [value for _, value in _rp_filter(way.case.tables(node), link)]
    return max(values, default=0) == STRICT


def _rp_filter(tables: Tables, link: Link) -> list[tuple[str, int]]:
    names = [f"net.ipv4.conf.{name}.rp_filter" for name in ("all", link.ifname.replace(".", "/"))]
    found = [(name, tables.sysctl(name)) for name in names]
    return [(name, int(value)) for name, value in found if value is not None and value.isdigit()]


def _filter_evidence(way: WayView, node: str, direct: str) -> Evidence:
    link = _way_in(way, node, direct)
    pairs = _rp_filter(way.case.tables(node), link) if link is not None else []
    name, value = max(pairs, key=lambda pair: pair[1])
    return Evidence(label="sysctl", value=f"{value}", source=f"{node} {name}")


def _loosen(way: WayView, strict: list[str], direct: str) -> tuple[str, ...]:
    names = [_filter_evidence(way, node, direct).source for node in strict]
    commands = [
        remedies.on(node, f"sysctl -w {name.partition(' ')[2]}=2")
        for node, name in zip(strict, names, strict=True)
    ]
    return ("until then, let any way back do:", *commands) if commands else ()


def _route_evidence(way: WayView, node: str, odd: str) -> Evidence:
    peer = way.receiver_lease if node == way.sender else way.sender_lease
    route = _answer(way, node).route
    link = way.case.tables(node).link(route.ifindex) if route is not None else None
    via = f"via {route.gateway}" if route is not None else proof.NONE
    return Evidence(
        label="sends" if node == way.sender else "answers",
        value=f"{via} dev {link.ifname}" if link is not None else via,
        source=f"{node} route to {peer.pod_cidr}",
        differs=node == odd,
    )


def _configured(way: WayView) -> tuple[Evidence, ...]:
    conf, raw = way.case.net_conf, way.case.bundle.cluster.net_conf
    if conf is None or raw is None:
        return ()
    value = f"DirectRouting {'true' if conf.direct_routing else 'false'}"
    return (Evidence(label="configured", value=value, source=raw.source),)


def _refused_source(way: WayView) -> bool:
    end = way.end
    return (
        end is not None
        and not end.outer
        and end.on(way.receiver, Device.UPLINK, Device.VTEP)
        and end.freed("IP_RPFILTER")
    )


def _blocked(way: WayView) -> Finding | None:
    """Both route directly, and what leaves one uplink does not come in at the other."""
    end = way.end
    if end is None or end.outer or not end.lost_at(way.sender, Device.UPLINK, Direction.OUT):
        return None
    if way.reached(way.receiver, Device.UPLINK, Direction.IN):
        return None
    lease = way.receiver_lease
    return Finding(
        rule="directrouting-asymmetric",
        severity=Severity.ERROR,
        node=way.sender,
        device=end.place.ifname if end.place is not None else None,
        sentence=f"The network between {way.sender} and {way.receiver} drops packets that bear"
        " pods' own addresses (DirectRouting).",
        evidence=(
            _route_evidence(way, way.sender, ""),
            *proof.kernel(way),
            Evidence(
                label="came in",
                value="none",
                source=f"{way.receiver}, whose agent watched to the end",
            ),
        ),
        hits=f"everything from pods of {way.sender} to pods of {way.receiver}",
        fix=(
            "let the network carry the pods' subnets: AWS without source/destination check, Neutron"
            f" with allowed_address_pairs (here {way.sender_lease.pod_cidr} on {way.sender},"
            f" {lease.pod_cidr} on {way.receiver}); or set DirectRouting to false, and restart"
            " flannel everywhere:",
            remedies.edit_net_conf(way.case),
            remedies.restart_all(way.case),
        ),
        confirm=(remedies.on(way.receiver, f"tcpdump -ni any host {way.dst}"),),
        useless=("opening VXLAN's port: these packets go without it",),
        way=way.way,
        explains=True,
    )
