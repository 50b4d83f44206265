"""The hosts on the way: firewall and forwarding."""

from tracer.core.case import MissingFact, WayView
from tracer.core.end import WayEnd
from tracer.core.rules import lines, proof, remedies
from tracer.core.rules.datagrams import vxlan_port
from tracer.core.rules.firewall import Stop, of_firewalld, quoted, stop_of
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device, Direction

STEP = Step.DROPS

FORWARDING = "net.ipv4.ip_forward"


def input_drop_8472(way: WayView) -> Finding | None:
    """The receiver's own firewall drops VXLAN packets before the VTEP sees them.

    NETFILTER_DROP on the uplink, of the outer packet: before vxlan_rcv. flannel adds no rule for
    its port to INPUT.
    """
    stop = stop_of(way)
    if stop is None or not way.crosses or stop.hook != "input" or stop.before_routing:
        return None
    port = vxlan_port(way)
    return Finding(
        rule="input-drop-8472",
        severity=Severity.ERROR,
        node=way.receiver,
        device=stop.place.ifname,
        sentence=f"The firewall of {way.receiver} drops VXLAN packets (udp {port}) as they come"
        " in.",
        evidence=(*proof.kernel(way), *quoted(stop.decision, way.receiver)),
        hits=f"every node that sends to pods of {way.receiver}",
        fix=_let_in(stop, port),
        confirm=(remedies.on(way.receiver, "iptables-save -c | grep -e INPUT; nft list ruleset"),),
        useless=(
            "restarting flannel: it writes rules for FORWARD and POSTROUTING, none for INPUT",
        ),
        way=way.way,
        explains=True,
    )


def _let_in(stop: Stop, port: int) -> tuple[str, ...]:
    """With the tool that keeps the line that drops them; with either where none is known."""
    node, line = stop.node, next(iter(stop.lines), None)
    with_firewalld = (
        remedies.on(node, f"firewall-cmd --permanent --add-port={port}/udp"),
        remedies.on(node, "firewall-cmd --reload"),
    )
    if line is None:
        return (
            f"let udp {port} in from the other nodes, where firewalld keeps the rules:",
            *with_firewalld,
            "or where nothing keeps them:",
            remedies.on(node, f"iptables -I INPUT -p udp --dport {port} -j ACCEPT"),
        )
    if of_firewalld(stop):
        return (f"let udp {port} in from the other nodes, by firewalld's zone:", *with_firewalld)
    alone = not line.policy and str(port) in line.quote
    return (
        f"let udp {port} in from the other nodes, before the line that drops it and with the tool"
        " that keeps it:",
        lines.port_accepted(line, node, port),
        # A rule that drops more than this protects the node.
        *(("or remove that line:", lines.removed(line, node)) if alone else ()),
    )


def ip_forward_off(way: WayView) -> Finding | None:
    """A node on the way does not forward IP packets.

    The route lookup then ends in ip_error: IP_INADDRERRORS, without any ICMP to the sender.
    """
    if not way.crosses:
        return None
    if way.from_pod and (found := _not_forwarding(way, way.sender, Device.BRIDGE)):
        return found
    return _not_forwarding(way, way.receiver, Device.VTEP) if way.to_pod else None


def _not_forwarding(way: WayView, node: str, device: Device) -> Finding | None:
    """Packets come in on `device` of `node` and have to be forwarded."""
    tables = way.case.tables(node, "links")
    link = tables.bridge() if device is Device.BRIDGE else way.case.vtep(node)
    if link is None:
        return None
    version = "ipv6" if way.case.family == 6 else "ipv4"
    name = f"net.{version}.conf.{link.ifname.replace('.', '/')}.forwarding"
    switch = FORWARDING if version == "ipv4" else "net.ipv6.conf.all.forwarding"
    own, overall = tables.sysctl(name), tables.sysctl(switch)
    if own is None and overall is None:
        raise MissingFact(f"sysctl {switch} of {node}: not read")
    if (own or overall) != "0":
        return None
    off = [(key, value) for key, value in ((switch, overall), (name, own)) if value == "0"]
    end = way.end
    return Finding(
        rule="ip-forward-off",
        severity=Severity.ERROR,
        node=node,
        device=link.ifname if overall != "0" else None,
        sentence=f"{node} does not forward IP packets: {off[0][0]} is 0.",
        evidence=(
            *(
                Evidence(label="sysctl", value=value, source=f"{node} {key}", differs=True)
                for key, value in off
            ),
            *proof.kernel(way),
        ),
        hits=f"everything between pods of {node} and other nodes",
        fix=(
            f"switch forwarding on on {node}, and keep it on in /etc/sysctl.d:",
            # The switch for all devices sets each of them as well (devinet_sysctl_forward).
            remedies.on(node, f"sysctl -w {off[0][0]}=1"),
            remedies.on(node, f"echo '{switch} = 1' > /etc/sysctl.d/99-forward.conf"),
        ),
        confirm=(remedies.on(node, f"sysctl {switch} {name}"),),
        useless=(
            "restarting flannel: flanneld never sets it; the bridge plugin does, whenever a pod"
            " starts, until the next run of sysctl --system undoes it",
        ),
        way=way.way,
        explains=end is not None and end.on(node, device) and _unforwarded(end, node, device),
    )


def _unforwarded(end: WayEnd, node: str, device: Device) -> bool:
    return end.freed("IP_INADDRERRORS") or end.lost_at(node, device, Direction.IN)
