"""What the sender's tables answer for a peer's subnet, where flanneld's route is not theirs."""

from ipaddress import ip_network

from tracer.core.case import WayView

MAIN = 254


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
