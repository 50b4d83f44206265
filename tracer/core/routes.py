"""The kernel's route lookup, replayed on recorded tables: policy rules, longest prefix, metric."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from tracer.model.packet import Ip, Net
from tracer.model.record import Record
from tracer.model.state import Route, Rule

Address = IPv4Address | IPv6Address

LOCAL, MAIN, DEFAULT = 255, 254, 253
UNROUTABLE = ("blackhole", "unreachable", "prohibit", "throw")


class RouteAnswer(Record, frozen=True, kw_only=True):
    """What the tables say about one packet."""

    kind: str
    """`unicast`, `local`, `blackhole` ...; `none`: no route at all."""
    route: Route | None = None
    rule: Rule | None = None
    """The policy rule that chose the table, or that decided by itself."""
    not_evaluated: tuple[str, ...] = ()
    """Selectors of rules before it that a recording cannot answer."""


class Table:
    """One routing table and family, indexed by prefix length for longest-prefix look-ups."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_length: dict[int, dict[int, list[Route]]] = {}
        for route in routes:
            net = _network(route.destination)
            if net is None:
                continue
            nets = self._by_length.setdefault(net.prefixlen, {})
            nets.setdefault(int(net.network_address), []).append(route)
        self._lengths = sorted(self._by_length, reverse=True)

    def longest(self, address: Address, oif: int | None = None) -> Route | None:
        """The most specific route; of several the lowest metric. `oif`: only by that device."""
        bits = address.max_prefixlen
        for length in self._lengths:
            network = int(address) >> (bits - length) << (bits - length)
            found = self._by_length[length].get(network, ())
            if oif is not None:
                found = [route for route in found if route.ifindex in (oif, None)]
            if found:
                return min(found, key=lambda route: route.metric)
        return None


class Routes:
    """All tables and rules of one node."""

    def __init__(self, routes: Sequence[Route], rules: Sequence[Rule]) -> None:
        sorted_in: dict[tuple[int, int], list[Route]] = {}
        for route in routes:
            family = 6 if ":" in route.destination else 4
            sorted_in.setdefault((family, route.table), []).append(route)
        self._tables = {key: Table(found) for key, found in sorted_in.items()}
        self._rules = {
            family: sorted(
                (rule for rule in rules if rule.family == family), key=lambda rule: rule.priority
            )
            or _built_in(family)
            for family in (4, 6)
        }

    def lookup(
        self, dst: Ip, src: Ip | None, iif: str | None, mark: int, oif: int | None = None
    ) -> RouteAnswer:
        """Walk the rules as fib_rules_lookup does (net/core/fib_rules.c).

        `oif`: the device that the asking socket is bound to; routes by others do not count.
        """
        address = ip_address(dst)
        source = ip_address(src) if src is not None else None
        unknown: list[str] = []
        for rule in self._rules[address.version]:
            if not _matches(rule, address, source, iif, mark):
                continue
            if rule.other or rule.action == "goto":
                unknown.extend(rule.other or ("goto",))
                continue
            answer = self._apply(rule, address, oif)
            if answer is not None:
                return RouteAnswer(
                    kind=answer.kind,
                    route=answer.route,
                    rule=rule,
                    not_evaluated=tuple(unknown),
                )
        return RouteAnswer(kind="none", not_evaluated=tuple(unknown))

    def _apply(self, rule: Rule, address: Address, oif: int | None) -> RouteAnswer | None:
        """None: the rule leaves the decision to the next one."""
        if rule.action in UNROUTABLE:
            return RouteAnswer(kind=rule.action)
        if rule.action != "table":
            return None
        table = self._tables.get((address.version, rule.table))
        route = table.longest(address, oif) if table is not None else None
        if route is None or route.kind == "throw":
            return None
        # A route that ends in an error is one, whatever is suppressed (fib_rules_lookup).
        if rule.suppress_prefix_length is not None and route.kind not in UNROUTABLE:
            net = _network(route.destination)
            if net is None or net.prefixlen <= rule.suppress_prefix_length:
                return None
        return RouteAnswer(kind=route.kind, route=route)


def _matches(rule: Rule, dst: Address, src: Address | None, iif: str | None, mark: int) -> bool:
    hit = (
        _inside(dst, rule.destination)
        and _inside(src, rule.source)
        and (rule.iif is None or rule.iif == (iif or "lo"))
        # A packet that is being routed has no output device yet, unless a socket is bound to one.
        and rule.oif is None
        and _marked(rule, mark)
    )
    return hit != rule.inverted


def _marked(rule: Rule, mark: int) -> bool:
    """As fib_rule_match does; without a mask all bits of a mark count, and none of no mark."""
    wanted = rule.mark or 0
    mask = rule.mask if rule.mask is not None else 0xFFFFFFFF if wanted else 0
    return (wanted ^ mark) & mask == 0


def _inside(address: Address | None, selector: Net | None) -> bool:
    if selector is None:
        return True
    net = _network(selector)
    return address is not None and net is not None and address in net


def within(ip: Ip, net: Net) -> bool:
    """The address lies in the network. A recording may hold anything: nonsense lies in none."""
    try:
        return _inside(ip_address(ip), net)
    except ValueError:
        return False


@lru_cache(maxsize=4096)
def _network(text: Net) -> IPv4Network | IPv6Network | None:
    """None: a recording may hold anything; what is no network routes nothing."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _built_in(family: int) -> list[Rule]:
    """The kernel's own three rules, for a recording without any."""
    return [
        Rule(priority=priority, table=table, action="table", family=family)
        for priority, table in ((0, LOCAL), (32766, MAIN), (32767, DEFAULT))
    ]
