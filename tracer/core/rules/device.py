"""VXLAN devices that do not fit together: VNI, UDP port, state, local address."""

from tracer.core.case import WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.entries import left_for_nobody
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.observation import Device, Direction
from tracer.model.state import Link, Vxlan


def peer_flannel1_down(way: WayView) -> Finding | None:
    """The VTEP of the receiving node is down.

    Closing the last VXLAN device on a port closes its UDP socket: NO_SOCKET in __udp4_lib_rcv, just
    as with another port; the device's state tells them apart.
    """
    sender, receiver = _devices(way)
    if sender is None or receiver is None:
        return None
    link = _answering(way, sender) or way.receiver_vtep
    if link is None or link.up:
        return None
    return Finding(
        rule="peer-flannel1-down",
        severity=Severity.ERROR,
        node=way.receiver,
        device=link.ifname,
        sentence=f"{link.ifname} on {way.receiver} is down, so nothing there takes udp"
        f" {sender.port}.",
        evidence=(
            Evidence(
                label="device",
                value="down",
                source=f"{way.receiver} link {link.ifname}",
            ),
            *proof.kernel(way),
        ),
        hits=f"everything to and from pods of {way.receiver} that crosses nodes",
        fix=(
            f"restart flanneld on {way.receiver}; it sets the device up and writes its entries"
            " again:",
            remedies.restart_flannel(way.case, way.receiver),
        ),
        confirm=(
            remedies.on(way.receiver, f"ip -d link show {link.ifname}"),
            remedies.on(way.receiver, f"ip route show dev {link.ifname}"),
        ),
        useless=(
            f"setting {link.ifname} up and no more: the kernel removed its routes and neighbours"
            " when it went down, and they do not come back with it",
        ),
        way=way.way,
        explains=_refused(way, "NO_SOCKET"),
    )


def port_mismatch(way: WayView) -> Finding | None:
    """Two nodes use different UDP ports for VXLAN."""
    sender, receiver = _devices(way)
    port = _port(way, sender)
    if sender is None or receiver is None or port in _ports(way):
        return None
    link = way.receiver_vtep
    if link is None or not link.up:
        return None
    return Finding(
        rule="port-mismatch",
        severity=Severity.ERROR,
        node=way.receiver,
        device=link.ifname,
        sentence=f"{way.sender} sends VXLAN to udp {port}, and {link.ifname} on {way.receiver}"
        f" listens on udp {receiver.port}.",
        evidence=(
            *_both(way, f"udp {port}", f"udp {receiver.port}"),
            *_configured(way, "port"),
            *proof.kernel(way),
        ),
        hits=f"everything between {way.sender} and {way.receiver}, both ways",
        fix=_same_everywhere(way, link, "Port"),
        confirm=_show_devices(way),
        useless=(
            f"restarting flanneld while {link.ifname} exists: flannel keeps an existing device when"
            " its configuration names no port (device.go, vxlanLinksIncompat)",
        ),
        way=way.way,
        explains=_refused(way, "NO_SOCKET"),
    )


def vni_mismatch(way: WayView) -> Finding | None:
    """Two nodes use different VXLAN network identifiers.

    The receiver's socket takes the packet and vxlan_rcv finds no device for its VNI:
    VXLAN_VNI_NOT_FOUND (a name of Linux 6.13; before, the function alone tells).
    """
    sender, receiver = _devices(way)
    if sender is None or receiver is None:
        return None
    if any(sender.vni == vxlan.vni for _, vxlan in _receiving(way)):
        return None
    link = way.receiver_vtep
    if link is None:
        return None
    return Finding(
        rule="vni-mismatch",
        severity=Severity.ERROR,
        node=way.receiver,
        device=link.ifname,
        sentence=f"{way.sender} sends with VNI {sender.vni}, and {way.receiver} has no device for"
        f" it: {link.ifname} has VNI {receiver.vni}.",
        evidence=(
            *_both(way, f"vni {sender.vni}", f"vni {receiver.vni}"),
            *_configured(way, "vni"),
            *proof.kernel(way),
        ),
        hits=f"everything between {way.sender} and {way.receiver}, both ways",
        fix=_same_everywhere(way, link, "VNI"),
        confirm=_show_devices(way),
        useless=("editing the ConfigMap alone: flanneld reads it once, at its start",),
        way=way.way,
        explains=_refused(way, "VXLAN_VNI_NOT_FOUND"),
    )


def node_ip_changed_vxlan_local_stale(way: WayView) -> Finding | None:
    """A node's address changed and its VTEP still sends from the old one.

    The route lookup for a source address that is not local fails: IP_OUTNOROUTES in vxlan_xmit_one.
    The node is still reached where peers know its new address; its own packets die at home.
    """
    if way.crossing is None:
        return None
    if _moved(way, way.sender):
        return _moved_finding(way, way.sender, _cannot_send(way))
    dst = way.crossing.dst
    if _moved(way, way.receiver) and dst == _local(way, way.receiver):
        return _moved_finding(way, way.receiver, left_for_nobody(way))
    return None


def _moved_finding(way: WayView, node: str, explains: bool) -> Finding | None:
    case, vtep = way.case, way.case.vtep(node)
    if vtep is None or vtep.vxlan is None:
        return None
    return Finding(
        rule="node-ip-changed-vxlan-local-stale",
        severity=Severity.ERROR,
        node=node,
        device=vtep.ifname,
        sentence=f"{vtep.ifname} on {node} sends from {vtep.vxlan.local}, which is no longer an"
        f" address of {node}.",
        evidence=(*_addresses(way, node, vtep), *proof.kernel(way)),
        hits=f"everything that {node} sends to pods of other nodes, replies included",
        fix=(
            f"restart flanneld on {node}; it makes {vtep.ifname} again with the present address"
            " and publishes that:",
            remedies.restart_flannel(case, node),
        ),
        confirm=(
            remedies.on(node, f"ip -d link show {vtep.ifname}"),
            remedies.show_annotations(node),
        ),
        useless=(
            f"correcting the FDB entries of peers: {node} is reached then, and still cannot answer",
            remedies.CNI_FILES,
        ),
        way=way.way,
        explains=explains,
    )


def _addresses(way: WayView, node: str, vtep: Link) -> tuple[Evidence, ...]:
    local = vtep.vxlan.local if vtep.vxlan is not None else None
    below = vtep.vxlan.underlay_ifindex if vtep.vxlan is not None else None
    now = way.case.tables(node).addresses_of(below) if below is not None else ()
    lease = way.case.lease(node)
    return (
        Evidence(
            label="local",
            value=local or proof.NONE,
            source=f"{node} link {vtep.ifname}",
            differs=True,
        ),
        Evidence(
            label="actual",
            value=", ".join(address.ip for address in now) or proof.NONE,
            source=f"{node} addresses",
        ),
        Evidence(
            label="advertised",
            value=lease.public_ip or proof.NONE,
            source=f"lease of {node} ({remedies.annotation_prefix(lease)}public-ip)",
            differs=lease.public_ip == local,
        ),
    )


def _cannot_send(way: WayView) -> bool:
    end = way.end
    return (
        end is not None and end.on(way.sender, Device.VTEP) and end.freed("IP_OUTNOROUTES")
    ) or (end is not None and end.lost_at(way.sender, Device.VTEP, Direction.OUT))


def _local(way: WayView, node: str) -> str | None:
    vtep = way.case.vtep(node)
    return vtep.vxlan.local if vtep is not None and vtep.vxlan is not None else None


def _moved(way: WayView, node: str) -> bool:
    local = _local(way, node)
    return local is not None and not way.case.tables(node, "addresses").has_address(local)


def _devices(way: WayView) -> tuple[Vxlan | None, Vxlan | None]:
    """Both ends' VXLAN attributes; nothing where this way does not cross."""
    crossing = way.crossing
    if crossing is None or way.receiver_vtep is None:
        return None, None
    return crossing.vtep.vxlan, way.receiver_vtep.vxlan


def _receiving(way: WayView) -> list[tuple[Link, Vxlan]]:
    way.case.tables(way.receiver, "links")
    state = way.case.state(way.receiver)
    return [(link, link.vxlan) for link in state.links if link.vxlan is not None]


def _answering(way: WayView, sender: Vxlan) -> Link | None:
    """The receiver's device for the sender's VNI and port, up or not."""
    for link, vxlan in _receiving(way):
        if (vxlan.vni, vxlan.port) == (sender.vni, _port(way, sender)):
            return link
    return None


def _port(way: WayView, sender: Vxlan | None) -> int | None:
    crossing = way.crossing
    if crossing is not None and crossing.fdb is not None and crossing.fdb.port is not None:
        return crossing.fdb.port
    return sender.port if sender is not None else None


def _ports(way: WayView) -> set[int]:
    return {vxlan.port for link, vxlan in _receiving(way)}


def _refused(way: WayView, reason: str) -> bool:
    """The receiver's kernel took the outer packet from the uplink and had no use for it."""
    end = way.end
    if end is None or not end.on(way.receiver, Device.UPLINK):
        return False
    return end.freed(reason) or end.lost_at(way.receiver, Device.UPLINK, Direction.IN)


def _both(way: WayView, sends: str, takes: str) -> tuple[Evidence, ...]:
    crossing, link = way.crossing, way.receiver_vtep
    if crossing is None or link is None:
        return ()
    return (
        Evidence(label="sends", value=sends, source=f"{way.sender} link {crossing.vtep.ifname}"),
        Evidence(
            label="takes",
            value=takes,
            source=f"{way.receiver} link {link.ifname}",
            differs=True,
        ),
    )


def _configured(way: WayView, key: str) -> tuple[Evidence, ...]:
    """What flannel's configuration asks for, where it says it."""
    conf, raw = way.case.net_conf, way.case.bundle.cluster.net_conf
    if conf is None or raw is None:
        return ()
    value = conf.port if key == "port" else conf.vni
    if not value:
        return ()
    return (Evidence(label="configured", value=f"{key} {value}", source=raw.source),)


def _same_everywhere(way: WayView, link: Link, key: str) -> tuple[str, ...]:
    return (
        f"name one Backend.{key} for all nodes, then delete the device that does not have it and"
        f" restart flanneld on {way.receiver}, which makes it again:",
        remedies.edit_net_conf(way.case),
        remedies.on(way.receiver, f"ip link del {link.ifname}"),
        remedies.restart_flannel(way.case, way.receiver),
    )


def _show_devices(way: WayView) -> tuple[str, ...]:
    command = "ip -d link show type vxlan"
    return remedies.on(way.sender, command), remedies.on(way.receiver, command)
