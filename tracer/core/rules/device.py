"""VXLAN devices that do not fit together: VNI, UDP port, state."""

from tracer.core.case import WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.neighbourhood import cannot_come_up
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device, Direction
from tracer.model.state import Link, Vxlan

STEP = Step.NODES


def peer_flannel1_down(way: WayView) -> Finding | None:
    """The VTEP of the receiving node is down.

    Closing the last VXLAN device on a port closes its UDP socket: NO_SOCKET in __udp4_lib_rcv, just
    as with another port; the device's state tells them apart.
    """
    sender, receiver = _devices(way)
    if sender is None or receiver is None:
        return None
    link = _answering(way, sender) or way.receiver_vtep
    if link is None or link.up or cannot_come_up(way.case, way.receiver, link):
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
    if sender is None or receiver is None or port == receiver.port or sender.vni != receiver.vni:
        return None
    link = way.receiver_vtep
    if link is None or not link.up:
        return None
    conf = way.case.net_conf
    odd = _odd_one(way, port == receiver.port, conf.port if conf else None, receiver.port)
    return Finding(
        rule="port-mismatch",
        severity=Severity.ERROR,
        node=odd,
        device=_device_of(way, odd),
        sentence=f"{way.sender} sends VXLAN to udp {port}, and {link.ifname} on {way.receiver}"
        f" listens on udp {receiver.port}.",
        evidence=(
            *_both(way, f"udp {port}", f"udp {receiver.port}", odd),
            *_configured(way, f"udp {conf.port}" if conf else None),
            *proof.kernel(way),
        ),
        hits=f"everything between {way.sender} and {way.receiver}, both ways",
        fix=_one_port(way, odd),
        confirm=_show_devices(way),
        useless=(
            f"restarting flanneld while {link.ifname} exists and the configuration names no port:"
            " flannel keeps an existing device then (device.go, vxlanLinksIncompat)",
            f"deleting {link.ifname} under a running flanneld: from v0.27.4 on it makes the device"
            " again at once, as it was",
        ),
        way=way.way,
        # what another device left there takes in, it has no VNI for; what is sent to a port that
        # the receiver does not know of, its agent does not take for VXLAN
        explains=_refused(way, "NO_SOCKET", "VXLAN_VNI_NOT_FOUND") or _vanished(way),
    )


def vni_mismatch(way: WayView) -> Finding | None:
    """Two nodes use different VXLAN network identifiers.

    The receiver's socket takes the packet and vxlan_rcv finds no device for its VNI:
    VXLAN_VNI_NOT_FOUND (a name of Linux 6.13; before, the function alone tells).
    """
    if way.unread:
        return _by_leases(way)
    sender, receiver = _devices(way)
    if sender is None or receiver is None:
        return None
    link, conf = way.receiver_vtep, way.case.net_conf
    if link is None or sender.vni == receiver.vni:
        return None
    old = _answering(way, sender)
    odd = _odd_one(way, sender.vni == receiver.vni, conf.vni if conf else None, receiver.vni)
    return Finding(
        rule="vni-mismatch",
        severity=Severity.ERROR,
        node=odd,
        device=_device_of(way, odd),
        sentence=f"{way.sender} sends with VNI {sender.vni}, and {way.receiver} has"
        f" {'only a leftover, ' + old.ifname if old is not None else 'no device'} for it:"
        f" {link.ifname} has VNI {receiver.vni}.",
        evidence=(
            *_both(way, f"vni {sender.vni}", f"vni {receiver.vni}", odd),
            *_configured(way, f"vni {conf.vni}" if conf else None),
            *proof.kernel(way),
        ),
        hits=f"everything between {way.sender} and {way.receiver}, both ways",
        fix=_one_vni(way, odd),
        confirm=_show_devices(way),
        useless=("editing the ConfigMap alone: flanneld reads it once, at its start",),
        way=way.way,
        explains=_refused(way, "VXLAN_VNI_NOT_FOUND") or _ended_in(way, old),
    )


def _by_leases(way: WayView) -> Finding | None:
    """What the API alone shows of it: flanneld names its VNI in backend-data."""
    leases = way.sender_lease, way.receiver_lease
    sent, taken = leases[0].vni, leases[1].vni
    if sent is None or taken is None or sent == taken:
        return None
    conf = way.case.net_conf
    odd = _odd_one(way, False, conf.vni if conf else None, taken)
    published = {lease.node: lease.vni for lease in leases}
    return Finding(
        rule="vni-mismatch",
        severity=Severity.ERROR,
        node=odd,
        device=None,
        sentence=f"{way.sender} publishes VNI {sent}, and {way.receiver} VNI {taken}.",
        evidence=(
            *(
                Evidence(
                    label="advertised",
                    value=f"vni {lease.vni}",
                    source=remedies.advertised_by(lease),
                    differs=lease.node == odd,
                )
                for lease in leases
            ),
            *_configured(way, f"vni {conf.vni}" if conf else None),
        ),
        hits=f"everything between {way.sender} and {way.receiver}, both ways",
        fix=_one_vni(
            way, odd, f"{'flannel-v6' if way.case.family == 6 else 'flannel'}.{published[odd]}"
        ),
        confirm=("kubectl get nodes -o yaml | grep backend-data",),
        useless=("editing the ConfigMap alone: flanneld reads it once, at its start",),
        way=way.way,
    )


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


def _refused(way: WayView, *reasons: str) -> bool:
    """The receiver's kernel took the outer packet from the uplink and had no use for it."""
    end = way.end
    if end is None or not end.on(way.receiver, Device.UPLINK):
        return False
    return end.freed(*reasons) or end.lost_at(way.receiver, Device.UPLINK, Direction.IN)


def _vanished(way: WayView) -> bool:
    """Nothing of the outer packets was seen at the receiver."""
    end = way.end
    if end is None or not end.outer:
        return False
    return end.lost_at(way.sender, Device.UPLINK, Direction.OUT)


def _ended_in(way: WayView, device: Link | None) -> bool:
    """The packets ended in a device that flannel does not use any more."""
    end = way.end
    if device is None or end is None or end.place is None or not end.on(way.receiver):
        return False
    return end.place.ifname == device.ifname


def _odd_one(way: WayView, same: bool, configured: int | None, received: int) -> str:
    """The node that does not have what flannel is told; without that word, the receiver."""
    return way.sender if not same and configured == received else way.receiver


def _device_of(way: WayView, node: str) -> str | None:
    link = way.sender_vtep if node == way.sender else way.receiver_vtep
    return link.ifname if link is not None else None


def _both(way: WayView, sends: str, takes: str, odd: str) -> tuple[Evidence, ...]:
    rows = (("sends", sends, way.sender), ("takes", takes, way.receiver))
    return tuple(
        Evidence(
            label=label,
            value=value,
            source=f"{node} link {_device_of(way, node)}",
            differs=node == odd,
        )
        for label, value, node in rows
    )


def _configured(way: WayView, value: str | None) -> tuple[Evidence, ...]:
    """What flannel's configuration asks for."""
    raw = way.case.bundle.cluster.net_conf
    if value is None or raw is None:
        return ()
    return (Evidence(label="configured", value=value, source=raw.source),)


def _one_port(way: WayView, odd: str) -> tuple[str, ...]:
    """A port that is written out is compared with the device's, which is then made anew."""
    return (
        "write the Backend.Port that is meant into the configuration (8472, too: without it an"
        f" existing device keeps its own), then restart flanneld on every node that has another one"
        f" (here {odd}); it makes the device again:",
        remedies.edit_net_conf(way.case),
        remedies.restart_flannel(way.case, odd),
    )


def _one_vni(way: WayView, odd: str, device: str | None = None) -> tuple[str, ...]:
    """Another VNI is another device; the old one stays, and keeps the UDP port."""
    return (
        "see that the configuration names the Backend.VNI that is meant; then, on every node that"
        f" has another one (here {odd}), restart flanneld, which makes the device of that VNI, and"
        " delete the one that it leaves behind:",
        remedies.edit_net_conf(way.case),
        remedies.restart_flannel(way.case, odd),
        remedies.on(odd, f"ip link del {device or _device_of(way, odd)}"),
    )


def _show_devices(way: WayView) -> tuple[str, ...]:
    command = "ip -d link show type vxlan"
    return remedies.on(way.sender, command), remedies.on(way.receiver, command)
