"""VXLAN's group policy extension, which both ends must have, or none."""

from tracer.core.case import Crossing, WayView
from tracer.core.decode import IPV4, IPV6, behind_ip
from tracer.core.network import Unreadable, ip_header
from tracer.core.rules import proof, remedies
from tracer.core.rules.datagrams import vxlan_port
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device, Direction, Observation
from tracer.model.state import Link

STEP = Step.NODES

G_FLAG = 0x80
"""In the first byte of the VXLAN header: a group policy id is there (VXLAN_HF_GBP)."""


def gbp_mismatch(way: WayView) -> Finding | None:
    """The sender's VTEP has the group policy extension (GBP), and the receiver's has not.

    A packet that carries a firewall mark then goes with a VXLAN header that the receiver does not
    understand: VXLAN_INVALID_HDR in vxlan_rcv. Packets without a mark pass.
    """
    crossing, into = way.crossing, way.receiver_vtep
    if crossing is None or into is None or into.vxlan is None or crossing.vtep.vxlan is None:
        return None
    if not crossing.vtep.vxlan.gbp or into.vxlan.gbp:
        return None
    conf = way.case.net_conf
    odd = way.sender if conf is not None and not conf.gbp else way.receiver
    device = crossing.vtep.ifname if odd == way.sender else into.ifname
    return Finding(
        rule="gbp-mismatch",
        severity=Severity.ERROR,
        node=odd,
        device=device,
        sentence=f"{crossing.vtep.ifname} on {way.sender} has GBP and {into.ifname} on"
        f" {way.receiver} has not: what carries a firewall mark does not arrive.",
        evidence=(*_both(way, crossing, into, odd), *_on_the_wire(way), *proof.kernel(way)),
        hits=f"marked packets from {way.sender} to {way.receiver}, and no others: what goes to"
        " Services and NodePorts (kube-proxy marks it 0x4000), what policy agents mark",
        fix=(
            f"see that the configuration names the Backend.GBP that is meant, then restart flanneld"
            f" on every node that has another one (here {odd}); it makes {device} again:",
            remedies.edit_net_conf(way.case),
            remedies.restart_flannel(way.case, odd),
        ),
        confirm=(
            remedies.on(way.sender, f"ip -d link show {crossing.vtep.ifname}"),
            remedies.on(way.receiver, f"ip -d link show {into.ifname}"),
        ),
        useless=(
            "a ping from pod to pod where nothing marks it: it arrives, and proves nothing",
            "ip link set: GBP is given to a VXLAN device when it is made, and never later",
        ),
        way=way.way,
        explains=_refused(way),
    )


def _both(way: WayView, crossing: Crossing, into: Link, odd: str) -> tuple[Evidence, ...]:
    conf, raw = way.case.net_conf, way.case.bundle.cluster.net_conf
    lines = [
        Evidence(
            label="sends",
            value="gbp",
            source=f"{way.sender} link {crossing.vtep.ifname}",
            differs=odd == way.sender,
        ),
        Evidence(
            label="takes",
            value="no gbp",
            source=f"{way.receiver} link {into.ifname}",
            differs=odd == way.receiver,
        ),
    ]
    if conf is not None and raw is not None:
        value = "gbp" if conf.gbp else "no gbp"
        lines.append(Evidence(label="configured", value=value, source=raw.source))
    return tuple(lines)


def _refused(way: WayView) -> bool:
    end = way.end
    if end is None or not end.on(way.receiver, Device.UPLINK) or not end.outer:
        return False
    return end.freed("VXLAN_INVALID_HDR")


def _on_the_wire(way: WayView) -> tuple[Evidence, ...]:
    """The mark that the packets which came in carried."""
    port = vxlan_port(way)
    for seen in way.case.bundle.observations:
        if (seen.node, seen.device, seen.direction) != (way.receiver, Device.UPLINK, Direction.IN):
            continue
        mark = _mark(seen, port)
        if mark is not None:
            source = f"VXLAN header of packets that came in at {way.receiver}"
            return (Evidence(label="mark", value=f"{mark:#x}", source=source, differs=True),)
    return ()


def _mark(seen: Observation, port: int) -> int | None:
    """The low 16 bits of the sender's skb->mark, as the group policy id. None: it is not there."""
    data = seen.headers
    if int.from_bytes(data[12:14], "big") not in (IPV4, IPV6):
        return None
    header = ip_header(data, 14, seen.length - 14)
    if isinstance(header, Unreadable):
        return None
    behind = behind_ip(data, header)
    at = behind.payload_at
    if behind.dst_port != port or at is None or len(data) < at + 8 or not data[at] & G_FLAG:
        return None
    return int.from_bytes(data[at + 2 : at + 4], "big")
