"""The reverse path filter: would the answer leave by the device that a packet came in by?"""

from tracer.core.tables import RouteAnswer, Tables
from tracer.model.packet import Ip
from tracer.model.state import Link

STRICT = 1
"""The answer has to leave by the same device; 2, loose: by any."""


def filter_mode(tables: Tables, link: Link) -> tuple[int, str]:
    """(0, 1 or 2; the sysctl that says so): the larger of the device's and of all devices'.

    IN_DEV_RPFILTER is IN_DEV_MAXCONF; a device's own 0 switches nothing off.
    """
    names = (
        f"net.ipv4.conf.{link.ifname.replace('.', '/')}.rp_filter",
        "net.ipv4.conf.all.rp_filter",
    )
    said = ((tables.sysctl(name) or "0", name) for name in names)
    return max(((int(value) if value.isdigit() else 0, name) for value, name in said))


def way_back(tables: Tables, src: Ip, dst: Ip) -> RouteAnswer:
    """What __fib_validate_source looks up: the answer, as if this host itself sent it."""
    return tables.route(src, src=dst)


def filtered_out(tables: Tables, link: Link, src: Ip, dst: Ip) -> bool:
    """The filter refuses a packet that came in by `link`. It exists in IPv4 only."""
    mode, _ = filter_mode(tables, link)
    if mode == 0 or ":" in dst:
        return False
    back = way_back(tables, src, dst)
    if back.kind != "unicast" or back.route is None:
        return True
    return mode == STRICT and link.ifindex not in _ways_out(tables, back)


def _ways_out(tables: Tables, back: RouteAnswer) -> set[int | None]:
    """The devices of a route; of one with several next hops any will do (fib_info_nh_uses_dev)."""
    route = back.route
    if route is None or not route.multipath:
        return {route.ifindex if route is not None else None}
    return {
        one.ifindex
        for one in tables.state.routes
        if (one.table, one.destination, one.metric)
        == (route.table, route.destination, route.metric)
    }
