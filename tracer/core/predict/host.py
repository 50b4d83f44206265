"""What a node's IP layer does: take in, route, forward, put out (net/ipv4/ip_input.c, route.c)."""

from tracer.core.predict import firewall
from tracer.core.predict.walk import At, Ending, Walk
from tracer.core.reverse_path import filtered_out
from tracer.core.routes import RouteAnswer
from tracer.core.tables import Tables
from tracer.model.observation import Device
from tracer.model.state import Link

REFUSED = ("blackhole", "unreachable", "prohibit")


def ip_takes_in(walk: Walk) -> At | Ending:
    """A packet that came in by a device: filter it, route it, see whether it may go on."""
    link = walk.came_by
    if link is None:
        return At.IP_PUTS_OUT
    device = role(walk.tables, link)
    if dropped := firewall.drops(walk, "prerouting", (link, device)):
        return dropped
    if walk.dst == walk.translated and walk.tables.has_address(walk.dst):
        walk.dst = walk.destination.ip
    answer = walk.tables.route(walk.dst, src=walk.src, iif=link.ifname)
    unsure(walk, answer)
    walk.answer = answer
    if answer.kind == "local":
        return At.HOST_TAKES_IN
    return refused(walk, answer, link, device) or _forwarded(walk, answer, link, device)


def _forwarded(walk: Walk, answer: RouteAnswer, link: Link, device: Device) -> At | Ending:
    """As ip_forward does: TTL, size, then the FORWARD hook."""
    out = walk.tables.link(answer.route.ifindex) if answer.route is not None else None
    if out is None:
        return walk.lost(f"the route to {walk.dst} names no device that was recorded")
    if walk.ttl <= 1:
        return walk.freed(link, device, "IP_INHDR", "ip_forward")
    if walk.probe.size > out.mtu and (walk.probe.dont_fragment or walk.family == 6):
        return _too_big(walk, link, out)
    walk.ttl -= 1
    if dropped := firewall.drops(walk, "forward", (link, device), out):
        return dropped
    return At.IP_PUTS_OUT


def _too_big(walk: Walk, link: Link, out: Link) -> Ending:
    """IPv4 counts it to the device by which it came, IPv6 to that by which it would go."""
    if walk.family == 6:
        return walk.freed(out, role(walk.tables, out), "PKT_TOO_BIG", "ip6_forward")
    return walk.freed(link, role(walk.tables, link), "PKT_TOO_BIG", "ip_forward")


def refused(walk: Walk, answer: RouteAnswer, link: Link, device: Device) -> Ending | None:
    """No route, a route that refuses, forwarding switched off, or a source that cannot be right.

    ip_route_input_slow asks for the route first and for forwarding after it; both end in ip_error,
    which has a reason of its own for either and none for a route that refuses (measured).
    """
    if not forwards(walk, link):
        return walk.freed(link, device, "IP_INADDRERRORS", "ip_error")
    if answer.kind == "none" or (answer.kind == "unreachable" and answer.route is None):
        # A rule that says unreachable means the network (ENETUNREACH), a route means the host.
        return walk.freed(link, device, "IP_INNOROUTES", "ip_error")
    if answer.kind in REFUSED:
        return walk.freed(link, device, "NOT_SPECIFIED", "ip_error")
    if spoofed(walk, link):
        return walk.freed(link, device, "IP_RPFILTER", "ip_rcv_finish_core")
    return None


def forwards(walk: Walk, link: Link) -> bool:
    """The device's own switch decides in IPv4; in IPv6 the switch for all devices does.

    Where neither was read, a node that runs pods forwards.
    """
    tables, version = walk.tables, f"net.ipv{walk.family}.conf"
    own = tables.sysctl(f"{version}.{link.ifname.replace('.', '/')}.forwarding")
    overall = tables.sysctl(f"{version}.all.forwarding")
    if walk.family == 6:
        return overall != "0"
    return (own or overall or tables.sysctl("net.ipv4.ip_forward")) != "0"


def spoofed(walk: Walk, link: Link, src: str | None = None, dst: str | None = None) -> bool:
    """The reverse path filter refuses it (fib_validate_source)."""
    return filtered_out(walk.tables, link, src or walk.src, dst or walk.dst)


def ip_puts_out(walk: Walk) -> At | Ending:
    """By the device that the route names: the VTEP, the pods' bridge, or the uplink."""
    route = walk.answer.route if walk.answer is not None else None
    out = walk.tables.link(route.ifindex) if route is not None else None
    if out is None:
        return walk.lost(f"the route to {walk.dst} names no device that was recorded")
    device = role(walk.tables, out)
    following = {Device.VTEP: At.VTEP_PUTS_OUT, Device.BRIDGE: At.BRIDGE_PUTS_OUT}
    return firewall.drops(walk, "postrouting", (out, device), out) or following.get(
        device, At.UPLINK_PUTS_OUT
    )


def host_sends(walk: Walk) -> At | Ending:
    """The node's own packet: it has no device yet, and a refusal is an error of the system call."""
    answer = walk.tables.route(walk.dst, src=walk.source.ip if walk.source.host_network else None)
    unsure(walk, answer)
    walk.answer, walk.came_by = answer, None
    out = walk.tables.link(answer.route.ifindex) if answer.route is not None else None
    if answer.kind == "local":
        return walk.delivered()
    if answer.kind != "unicast" or answer.route is None or out is None:
        return walk.lost("Network is unreachable")
    chosen = answer.route.source or next(
        (a.ip for a in walk.tables.addresses_of(out.ifindex) if (":" in a.ip) == (":" in walk.dst)),
        None,
    )
    if walk.source.host_network and chosen is not None:
        walk.src = walk.sent_as = chosen
    if walk.probe.size > out.mtu and walk.probe.dont_fragment:
        return walk.lost("Message too long")
    return firewall.drops(walk, "output", firewall.NO_DEVICE, out) or At.IP_PUTS_OUT


def host_takes_in(walk: Walk) -> At | Ending:
    """The node itself is meant, rightly or not."""
    link = walk.came_by
    if link is None:
        return walk.delivered()
    if dropped := firewall.drops(walk, "input", (link, role(walk.tables, link))):
        return dropped
    meant = walk.destination
    if walk.node == meant.node and walk.tables.has_address(meant.ip):
        return walk.delivered()
    return walk.lost(f"{walk.node} takes it for its own: {walk.dst} is an address of it")


def role(tables: Tables, link: Link) -> Device:
    """What a device is to the overlay."""
    if link.vxlan is not None:
        return Device.VTEP
    bridge = tables.bridge()
    if bridge is not None and link.ifindex == bridge.ifindex:
        return Device.BRIDGE
    if link.kind == "bridge" and any(
        veth.master == link.ifindex
        for pod in tables.state.pods
        if (veth := tables.link(pod.host_ifindex)) is not None
    ):
        # Another CNI configuration's, with a traced pod on it.
        return Device.BRIDGE
    return Device.UPLINK


def unsure(walk: Walk, answer: RouteAnswer) -> None:
    """Policy rules with selectors that a recording cannot answer."""
    if answer.not_evaluated:
        selectors = ", ".join(answer.not_evaluated)
        walk.doubts.append(f"ip rules of {walk.node} by {selectors} could not be evaluated")
