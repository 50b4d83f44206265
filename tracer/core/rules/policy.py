"""Routing decisions that somebody made besides flanneld: policy rules, routes that refuse."""

from typing import NamedTuple

from tracer.core.case import WayView
from tracer.core.compare import route_text
from tracer.core.end import WayEnd
from tracer.core.routes import DEFAULT, LOCAL, MAIN, UNROUTABLE
from tracer.core.rules import proof, remedies
from tracer.core.tables import RouteAnswer, Tables
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device, Direction
from tracer.model.state import Link, Route, Rule

STEP = Step.ROUTES

BUILT_IN = {LOCAL: "local", MAIN: "main", DEFAULT: "default"}

REFUSING = ("ip_error", "ip6_pkt_drop", "ip6_pkt_discard", "ip6_pkt_prohibit", "dst_discard")
"""What a route that refuses has as its input (net/ipv4/route.c, net/ipv6/route.c)."""


class Decided(NamedTuple):
    """What one node's tables say to the packets of a way, where they should not."""

    node: str
    tables: Tables
    answer: RouteAnswer
    came_by: Link | None
    """None: they are the node's own."""
    right: bool
    """They lead where they should."""
    rightful: str
    """What they should say."""

    @property
    def by_policy(self) -> bool:
        """A refusal that somebody wrote, or another table's route to another place.

        A wrong route in the main table is an entry gone wrong, which other rules name.
        """
        if self.answer.kind in UNROUTABLE:
            return True
        return not self.right and _is_own_table(self.answer.route)

    @property
    def refuses(self) -> bool:
        """The packets end here; else they leave by another way."""
        return self.answer.kind != "unicast"


def policy_route(way: WayView) -> Finding | None:
    """A policy rule, or a route that refuses, takes the pods' packets away from flannel's routes.

    Rules are asked before the main table, in which flanneld writes; in it the longest prefix wins.
    A route that refuses ends in ip_error, for which the kernel names no drop reason.
    """
    if not way.crosses:
        return None
    told = (_at_sender(way), _at_receiver(way))
    decided = next((one for one in told if one is not None and one.by_policy), None)
    if decided is None:
        return None
    node, came_by = decided.node, decided.came_by
    return Finding(
        rule="policy-route",
        severity=Severity.ERROR,
        node=node,
        device=came_by.ifname if came_by is not None else None,
        sentence=_sentence(way, decided),
        evidence=(
            *_rule_and_route(decided),
            Evidence(label="expected", value=decided.rightful, source=_promised_by(way, node)),
            *proof.kernel(way),
        ),
        hits=_hits(way, decided),
        fix=_fix(way, decided),
        confirm=(remedies.on(node, _get(way, decided)),),
        useless=_useless(decided),
        way=way.way,
        explains=way.end is not None and _ended_so(way, way.end, decided),
    )


def _at_sender(way: WayView) -> Decided | None:
    vtep = way.sender_vtep
    if vtep is None:
        return None
    tables, lease = way.sender_tables, way.receiver_lease
    route = way.route.route
    right = route is not None and (
        route.ifindex == vtep.ifindex or (route.gateway or "") == lease.public_ip
    )
    return Decided(
        node=way.sender,
        tables=tables,
        answer=way.route,
        came_by=tables.bridge() if way.from_pod else None,
        right=right,
        rightful=f"{lease.pod_cidr} dev {vtep.ifname}",
    )


def _at_receiver(way: WayView) -> Decided | None:
    """From the VTEP to the pod; what came in bare (DirectRouting) meets the same tables."""
    if not way.to_pod:
        return None
    tables = way.case.tables(way.receiver, "routes", "rules", "links")
    vtep, bridge = way.receiver_vtep, tables.bridge()
    if vtep is None or bridge is None:
        return None
    answer = tables.route(way.dst, src=way.src, iif=vtep.ifname)
    right = answer.route is not None and answer.route.ifindex == bridge.ifindex
    return Decided(
        node=way.receiver,
        tables=tables,
        answer=answer,
        came_by=vtep,
        right=right,
        rightful=f"{way.receiver_lease.pod_cidr} dev {bridge.ifname}",
    )


def _sentence(way: WayView, decided: Decided) -> str:
    node, answer = decided.node, decided.answer
    rule, route = _deciding_rule(decided), answer.route
    if route is None:
        by = f": {rule_text(rule)}" if rule is not None else ""
        return f"{node} refuses packets to {way.dst} by a policy rule{by}."
    does = f"refuses packets to {way.dst}" if decided.refuses else f"leads {way.dst} astray"
    asked = "its routes say"
    if _is_own_table(route):
        asked = f"a policy rule asks table {route.table}, which says"
    return f"{node} {does}: {asked} {route_text(answer, decided.tables)}."


def _rule_and_route(decided: Decided) -> tuple[Evidence, ...]:
    found: list[Evidence] = []
    rule, route = _deciding_rule(decided), decided.answer.route
    if rule is not None:
        found.append(
            Evidence(
                label="rule", value=rule_text(rule), source=f"{decided.node} ip rule", differs=True
            )
        )
    if route is not None:
        table = f" show table {_table(route.table)}" if _is_own_table(route) else ""
        found.append(
            Evidence(
                label="route",
                value=route_text(decided.answer, decided.tables),
                source=f"{decided.node} ip route{table}",
                differs=True,
            )
        )
    return tuple(found)


def _deciding_rule(decided: Decided) -> Rule | None:
    """The rule that refuses by itself or that asks a table of its own; None: the built-in ones."""
    rule, route = decided.answer.rule, decided.answer.route
    if rule is not None and rule.action == "table" and rule.table in BUILT_IN:
        rule = None
    if rule is None and route is not None and route.table not in BUILT_IN:
        # The kernel's own answer names the table and no rule.
        asking = (one for one in decided.tables.state.rules if one.table == route.table)
        rule = next(asking, None)
    return rule


def _is_own_table(route: Route | None) -> bool:
    return route is not None and route.table not in BUILT_IN


def _table(number: int) -> str:
    return BUILT_IN.get(number, str(number))


def rule_text(rule: Rule) -> str:
    """As `ip rule` prints it."""
    said = [f"{rule.priority}:"]
    said += ["not"] if rule.inverted else []
    said += ["from", rule.source or "all"]
    said += ["to", rule.destination] if rule.destination is not None else []
    if rule.mark is not None:
        mask = f"/{rule.mask:#x}" if rule.mask not in (None, 0xFFFFFFFF) else ""
        said += ["fwmark", f"{rule.mark:#x}{mask}"]
    said += ["iif", rule.iif] if rule.iif is not None else []
    said += ["oif", rule.oif] if rule.oif is not None else []
    said += list(rule.other)
    if rule.action != "table":
        return " ".join((*said, rule.action))
    said += ["lookup", _table(rule.table)]
    if rule.suppress_prefix_length is not None:
        said += ["suppress_prefixlength", str(rule.suppress_prefix_length)]
    return " ".join(said)


def _promised_by(way: WayView, node: str) -> str:
    return f"lease of {way.receiver}" if node == way.sender else f"bridge plugin of {node}"


def _hits(way: WayView, decided: Decided) -> str:
    route = decided.answer.route
    to = route.destination if route is not None and not _is_own_table(route) else None
    to = to or way.receiver_lease.pod_cidr or way.dst
    if decided.node == way.receiver:
        return f"everything from other nodes to {to}"
    return f"everything that {decided.node} sends to {to}, at least"


def _fix(way: WayView, decided: Decided) -> tuple[str, ...]:
    """Flannel's routes first: by a rule before that one, or without the route that refuses."""
    node, rule, route = decided.node, _deciding_rule(decided), decided.answer.route
    if rule is None and route is not None:
        table = f" table {_table(route.table)}" if route.table != MAIN else ""
        return (
            "remove the route, and have whoever wrote it leave the pods' networks out (flanneld"
            " itself writes one for the node's own pods with --ip-blackhole-route):",
            remedies.on(node, f"ip route del {route.kind} {route.destination}{table}"),
        )
    network = _network(way)
    before = max(rule.priority - 1, 1) if rule is not None else 1
    return (
        "have the main table asked first for the pods' network, and have whoever keeps the rule"
        " (a VPN client, a cloud's agent, a multi-homing script) leave that network out:",
        remedies.on(node, f"ip rule add to {network} lookup main priority {before}"),
    )


def _network(way: WayView) -> str:
    conf = way.case.net_conf
    whole = None
    if conf is not None:
        whole = conf.network_v6 if way.case.family == 6 else conf.network
    return whole or way.receiver_lease.pod_cidr or way.dst


def _get(way: WayView, decided: Decided) -> str:
    iif = f" iif {decided.came_by.ifname}" if decided.came_by is not None else ""
    return f"ip route get {way.dst} from {way.src}{iif}" if iif else f"ip route get {way.dst}"


def _useless(decided: Decided) -> tuple[str, ...]:
    if _deciding_rule(decided) is None:
        return ("restarting flannel: its route stays, and the longer prefix wins",)
    return ("restarting flannel: it writes into the main table, which is asked too late",)


def _ended_so(way: WayView, end: WayEnd, decided: Decided) -> bool:
    """At the device by which they came in, or, led elsewhere, anywhere behind it on this node."""
    node = decided.node
    if end.place is None:
        # The node's own packet: the system call fails.
        return decided.came_by is None
    if end.outer or not end.on(node):
        return False
    entry = (Device.BRIDGE, Device.POD) if node == way.sender else (Device.VTEP, Device.UPLINK)
    lost = any(end.lost_at(node, device, Direction.IN) for device in entry)
    if decided.refuses:
        caller = (end.drop.caller or "") if end.drop is not None else ""
        return lost or (end.on(node, *entry) and caller.startswith(REFUSING))
    return lost or end.freed("NEIGH_FAILED") or end.lost_at(node, Device.UPLINK, Direction.OUT)
