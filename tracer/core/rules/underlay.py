"""Lost between two uplinks: size, port, or everything."""

import shlex

from tracer.core.case import MissingFact, WayView
from tracer.core.ladder import came_in, lost_below
from tracer.core.rules import proof, remedies
from tracer.core.rules.datagrams import datagrams, from_third_node, vxlan_port
from tracer.core.rules.nat import NAT, may_be_nat, overwrite
from tracer.core.rules.neighbourhood import uplink_below
from tracer.core.rules.vanished import vanished
from tracer.core.words import trace_command
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.path import Outcome, Path
from tracer.model.state import Link

STEP = Step.DROPS

NSX, CLOUD = "nsx-intercepts-8472", "cloud-sg-8472"


def underlay_mtu_blackhole(way: WayView) -> Finding | None:
    """A link of the underlay carries less than the overlay's full MTU, and says nothing.

    The outer packet has no DF by default and is dropped by whatever cannot carry it; small packets
    pass, so that pings work and transfers hang.
    """
    crossing = way.crossing
    if crossing is None or crossing.vtep.vxlan is None:
        return None
    passed = [p.size for p in way.paths if came_in(p, way.receiver)]
    lost = [p.size for p in way.paths if lost_below(p, way.sender)]
    if not passed or not lost or min(lost) <= max(passed):
        return None
    overhead = 70 if way.case.family == 6 else 50
    outer = min(lost) + overhead
    below = crossing.vtep.vxlan.underlay_ifindex
    uplink = way.sender_tables.link(below) if below is not None else None
    if uplink is not None and uplink.mtu < outer:
        # The node's own uplink is the narrow one: it fragments, another rule's affair.
        return None
    if _refused(way, outer):
        return None
    return Finding(
        rule="underlay-mtu-blackhole",
        severity=Severity.ERROR,
        node=way.sender,
        device=uplink.ifname if uplink is not None else None,
        sentence=f"The underlay between {way.sender} and {way.receiver} carries"
        f" {max(passed) + overhead} B and swallows {outer} B.",
        evidence=_sizes(way, crossing.vtep, max(passed) + overhead, outer),
        hits=f"large packets from {way.sender} to {way.receiver}; most likely those of every pair"
        " of nodes on this underlay",
        fix=_smaller_mtu(way, crossing.vtep.ifname, max(passed) + overhead, min(lost) + overhead),
        confirm=_ping_underlay(way, outer),
        useless=(
            f"lowering Backend.MTU and restarting flannel alone: an existing"
            f" {crossing.vtep.ifname}, cni0 and pods keep the MTU that they were made with",
            f"deleting {crossing.vtep.ifname} under a running flanneld: from v0.27.4 on it makes"
            " the device again at once, with the old MTU",
        ),
        way=way.way,
        explains=not any(_failed(p) and not lost_below(p, way.sender) for p in way.paths),
    )


def _refused(way: WayView, outer: int) -> bool:
    """The receiver's own uplink takes no more; not known where its devices were not read."""
    try:
        theirs = uplink_below(way.case, way.receiver)
    except MissingFact:
        return False
    return theirs is not None and theirs.mtu < outer


def _sizes(way: WayView, vtep: Link, passed: int, lost: int) -> tuple[Evidence, ...]:
    overhead = 70 if way.case.family == 6 else 50
    return (
        Evidence(
            label="passed",
            value=f"{passed} B",
            source=f"largest outer packet that came in at {way.receiver}",
        ),
        Evidence(
            label="lost",
            value=f"{lost} B",
            source=f"smallest outer packet that left {way.sender} and did not come in",
        ),
        Evidence(
            label="mtu",
            value=f"{vtep.mtu}",
            source=f"{way.sender} link {vtep.ifname}; {vtep.mtu + overhead} with its VXLAN headers",
        ),
        *proof.kernel(way),
    )


def _failed(path: Path) -> bool:
    return path.outcome in (Outcome.LOST, Outcome.DROPPED)


def _smaller_mtu(way: WayView, vtep: str, passed: int, lost: int) -> tuple[str, ...]:
    node = way.case.api_node(way.receiver)
    peer = way.receiver_lease.public_ip or next(iter(node.internal_ips if node else ()), "PEER")
    exact = lost - passed == 1
    overhead = 70 if way.case.family == 6 else 50
    first = f"name {passed} as Backend.MTU" if exact else "find the size that passes, name it so"
    return (
        f"widen the link, or {first} (flannel v0.21.3 on; the value is the outer MTU), set it on"
        f" the devices that are there, restart flannel, and make the pods anew:",
        *(() if exact else (remedies.on(way.sender, f"tracepath -n {shlex.quote(peer)}"),)),
        remedies.edit_net_conf(way.case),
        *(remedies.narrower(vtep, passed - overhead) if exact else ()),
        remedies.restart_all(way.case),
    )


def _ping_underlay(way: WayView, outer: int) -> tuple[str, ...]:
    peer = way.receiver_lease.public_ip
    header = 48 if way.case.family == 6 else 28
    return (
        (remedies.on(way.sender, f"ping -M do -c 3 -s {outer - header} {shlex.quote(peer)}"),)
        if peer
        else ()
    )


def nsx_intercepts_8472(way: WayView) -> Finding | None:
    """The fabric between the nodes takes VXLAN's UDP port for its own and drops it.

    NSX on ESXi hosts, for one, uses udp 8472 itself (flannel #2388, #423): frames of guests with
    this port never arrive, while those with the next port do.
    """
    if not vanished(way):
        return None
    vxlan, other, port = datagrams(way)
    if other is not True or port is None:
        return None
    if vxlan:
        sentence = (
            f"The network between {way.sender} and {way.receiver} drops VXLAN frames on udp"
            f" {port}, and lets plain datagrams to it pass."
        )
    else:
        sentence = (
            f"The network between {way.sender} and {way.receiver} drops udp {port}, and lets udp"
            f" {port + 1} pass."
        )
    return _lost_finding(way, NSX, sentence, port, (vxlan, other))


def cloud_sg_8472(way: WayView) -> Finding | None:
    """A firewall or security group between the nodes does not let VXLAN's UDP port pass."""
    if not vanished(way):
        return None
    vxlan, other, port = datagrams(way)
    nat = (NAT,) if may_be_nat(way) else ()
    if other is None and vxlan is None:
        port = vxlan_port(way)
        sentence = (
            f"The network between {way.sender} and {way.receiver} drops udp {port}: a firewall"
            " that does not list it, or a fabric that takes the port for itself."
        )
        return _lost_finding(way, CLOUD, sentence, port, (None, None), (NSX, *nat))
    if vxlan is not False or other is not False or port is None:
        return None
    sentence = (
        f"The network between {way.sender} and {way.receiver} drops udp {port} and udp {port + 1}"
        " alike."
    )
    return _lost_finding(way, CLOUD, sentence, port, (False, False), nat)


def _lost_finding(
    way: WayView,
    rule: str,
    sentence: str,
    port: int,
    arrived: tuple[bool | None, bool | None],
    also: tuple[str, ...] = (),
) -> Finding:
    tests = _tests(port, arrived)
    end = way.end
    return Finding(
        rule=rule,
        severity=Severity.ERROR,
        node=way.sender,
        device=end.place.ifname if end is not None and end.place is not None else None,
        sentence=sentence,
        evidence=(
            *proof.kernel(way),
            Evidence(
                label="came in",
                value="none",
                source=f"{way.receiver}, whose agent watched to the end",
            ),
            *tests,
            *_third(way, port),
        ),
        hits=_reaches(way),
        fix=_another_port(way) if rule == NSX else _open_port(way, port, also),
        confirm=(remedies.on(way.receiver, f"tcpdump -ni any udp port {port}"),),
        useless=(
            "restarting flannel or the nodes: every entry is right, the packets leave as they"
            " should",
        ),
        way=way.way,
        explains=True,
        also=also,
    )


def _tests(port: int, arrived: tuple[bool | None, bool | None]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            label="test",
            value="arrived" if came else "vanished",
            source=f"one datagram of flantrace to udp {number}",
        )
        for number, came in zip((port, port + 1), arrived, strict=True)
        if came is not None
    )


def _third(way: WayView, port: int) -> tuple[Evidence, ...]:
    """What a third node's datagrams tell: is it this pair, or the receiver?"""
    third = from_third_node(way)
    if third is None:
        return ()
    node, *arrived = third
    return tuple(
        Evidence(
            label="test",
            value="arrived" if came else "vanished",
            source=f"one datagram of flantrace from {node} to udp {number}",
        )
        for number, came in zip((port, port + 1), arrived, strict=True)
    )


def _reaches(way: WayView) -> str:
    third = from_third_node(way)
    alone = f"everything from {way.sender} to pods of {way.receiver}"
    if third is None:
        return alone
    node, vxlan, _ = third
    if vxlan:
        return f"{alone}; {node} still reaches it"
    return f"everything to pods of {way.receiver}, from {node} as well"


def _another_port(way: WayView) -> tuple[str, ...]:
    device = way.crossing.vtep.ifname if way.crossing is not None else "flannel.1"
    return (
        "give flannel a port that the fabric does not use, for all nodes (Backend.Port 4790, not"
        f" 4789), and restart flannel, which makes {device} again for another port:",
        remedies.edit_net_conf(way.case),
        remedies.restart_all(way.case),
    )


def _open_port(way: WayView, port: int, also: tuple[str, ...]) -> tuple[str, ...]:
    nodes = _underlay_addresses(way)
    between = " and ".join(nodes) if len(nodes) == 2 else f"{way.sender} and {way.receiver}"
    first = f"let udp {port} pass between {between}, in the security group or firewall of both"
    outside = overwrite(way, "or, where it is behind a NAT, name") if NAT in also else ()
    if NSX not in also:
        return (first, *outside)
    which = "; to see which it is, let flantrace test the ports (without --no-active)"
    return (first + which, trace_command(way.case.request), *outside)


def _underlay_addresses(way: WayView) -> list[str]:
    return [
        lease.public_ip
        for lease in (way.sender_lease, way.receiver_lease)
        if lease.public_ip is not None
    ]
