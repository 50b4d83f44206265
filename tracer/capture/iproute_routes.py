"""iproute2's JSON -> routes and rules, as the snapshot has them.

`-N` prints numbers for what has names of a site's own (tables, protocols); without it the usual
names are understood, and a route of a table of another name is left out, for its number is unknown.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from tracer.capture.iproute import Object, ip_or_none
from tracer.model.packet import Net
from tracer.model.state import Route, Rule

_TABLES = {"unspec": 0, "default": 253, "main": 254, "local": 255}
_PROTOCOLS = {
    "unspec": 0, "redirect": 1, "kernel": 2, "boot": 3, "static": 4, "ra": 9, "mrt": 10,
    "zebra": 11, "bird": 12, "dnrouted": 13, "xorp": 14, "ntk": 15, "dhcp": 16, "keepalived": 18,
    "babel": 42, "bgp": 186, "isis": 187, "ospf": 188, "rip": 189, "eigrp": 192,
}  # fmt: skip
_KINDS = {
    1: "unicast", 2: "local", 3: "broadcast", 4: "anycast", 5: "multicast", 6: "blackhole",
    7: "unreachable", 8: "prohibit", 9: "throw", 10: "nat",
}  # fmt: skip
_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
_OTHER = {
    "tos": "tos", "tun_id": "tun_id", "l3mdev": "l3mdev", "uid_start": "uidrange",
    "ipproto": "ipproto", "sport": "sport", "dport": "dport", "dscp": "dscp",
    "flowlabel": "flowlabel", "suppress_ifgroup": "suppress_ifgroup",
}  # fmt: skip
_RANGES = {"sport_start": "sport", "dport_start": "dport"}
_REFUSALS = ("blackhole", "unreachable", "prohibit", "goto", "nop")


def routes(found: Sequence[Object], index: Mapping[str, int], family: int) -> tuple[Route, ...]:
    """`ip -4|-6 -N -d -j route show table all`. `index`: ifname -> ifindex."""
    return tuple(route for one in found if "dst" in one for route in _routes(one, index, family))


def _routes(one: Object, index: Mapping[str, int], family: int) -> Iterator[Route]:
    table = _number(one.get("table", 254), _TABLES)
    if table is None:
        return
    hops = one.get("nexthops")
    for hop in hops or [one]:
        flags = [*(hop.get("flags") or []), *(one.get("flags") or [])]
        yield Route(
            destination=_net(str(one["dst"]), family),
            gateway=ip_or_none(hop.get("gateway") or (hop.get("via") or {}).get("host")),
            ifindex=index.get(hop.get("dev") or ""),
            onlink="onlink" in flags,
            table=table,
            metric=int(one.get("metric", 0)),
            kind=_word(one.get("type", "unicast"), _KINDS),
            scope=_word(one.get("scope", "global"), _SCOPES),
            protocol=_number(one.get("protocol", 3), _PROTOCOLS) or 0,
            source=ip_or_none(one.get("prefsrc")),
            multipath=bool(hops),
        )


def rules(found: Sequence[Object], family: int) -> tuple[Rule, ...]:
    """`ip -4|-6 -N -j rule`."""
    return tuple(_rule(one, family) for one in found if "priority" in one)


def _rule(one: Object, family: int) -> Rule:
    said = _word(one.get("action", "table"), _KINDS)
    action = next((word for word in _REFUSALS if word == said or word in one), "table")
    mark = _hex(one.get("fwmark"))
    other = [name for key, name in (_OTHER | _RANGES).items() if key in one]
    return Rule(
        priority=int(one["priority"]),
        table=_number(one.get("table", 0), _TABLES) or 0,
        action=action,
        family=family,
        source=_selector(one, "src", family),
        destination=_selector(one, "dst", family),
        iif=one.get("iif"),
        oif=one.get("oif"),
        mark=mark,
        mask=_hex(one.get("fwmask")) or (0xFFFFFFFF if mark is not None else None),
        inverted="not" in one,
        suppress_prefix_length=one.get("suppress_prefixlen"),
        other=tuple(dict.fromkeys(other)),
    )


def _selector(one: Object, key: str, family: int) -> Net | None:
    """None: all."""
    value = one.get(key)
    if value in (None, "all"):
        return None
    bits = one.get(f"{key}len")
    return _net(f"{value}/{bits}" if bits is not None else str(value), family)


def _net(text: str, family: int) -> Net:
    """`default`, an address alone, or a network."""
    if text == "default":
        return "0.0.0.0/0" if family == 4 else "::/0"
    net = ip_network(text)
    if net.version != family:
        raise ValueError(f"{text} is not of IPv{family}")
    return str(net)


def _hex(text: Any) -> int | None:
    return int(text, 0) if isinstance(text, str) else text


def _number(value: Any, names: Mapping[str, int]) -> int | None:
    """None: a name that is not one of the usual ones."""
    if isinstance(value, str) and not value.isdigit():
        return names.get(value)
    return int(value)


def _word(value: Any, words: Mapping[int, str]) -> str:
    """The kernel's number or iproute2's word -> our word."""
    if isinstance(value, int) or str(value).isdigit():
        return words.get(int(value), str(value))
    return str(value)
