"""The checksum of the outer UDP header, which the kernel leaves to hardware."""

from tracer.core.case import WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.neighbourhood import uplink_below
from tracer.core.tables import Tables
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device
from tracer.model.state import Link

STEP = Step.DROPS

KNOWN_BAD = {
    "vmxnet3": "with virtual hardware 15 and later it sums up VXLAN packets wrongly, or ESXi drops"
    " them (k3s #5013, RHEL 8)",
}
"""Drivers whose checksums of encapsulated packets went wrong for many."""


def outer_udp_csum_bad(way: WayView) -> Finding | None:
    """VXLAN packets come in with a wrong checksum of the outer UDP header.

    The receiver's kernel frees them before its VTEP sees them: UDP_CSUM on the uplink, and
    Udp:InCsumErrors. A checksum of zero would be accepted.
    """
    crossing = way.crossing
    if crossing is None:
        return None
    uplink = uplink_below(way.case, way.sender)
    hardware = _hardware(way.sender_tables, uplink) if uplink is not None else ()
    known = [link for link in hardware if link.driver in KNOWN_BAD]
    refused = _refused(way)
    if not refused and not (known and crossing.vtep.tx_checksum):
        return None
    return Finding(
        rule="outer-udp-csum-bad",
        severity=Severity.ERROR if refused else Severity.WARNING,
        node=way.sender,
        device=crossing.vtep.ifname,
        sentence=_sentence(way, crossing.vtep, known, refused=refused),
        evidence=(*_offload(way, crossing.vtep, hardware), *proof.kernel(way)),
        hits=f"what {way.sender} sends to pods of other nodes; with some drivers only UDP and TCP,"
        " so that pings pass, or only what goes to a Service",
        fix=(
            f"let the kernel of {way.sender} compute them; a udev rule or a .link file keeps it so"
            f" for a {crossing.vtep.ifname} that is made anew:",
            remedies.on(
                way.sender, f"ethtool -K {crossing.vtep.ifname} tx-checksum-ip-generic off"
            ),
        ),
        confirm=(
            remedies.on(way.receiver, "nstat -az UdpInCsumErrors"),
            remedies.on(way.sender, f"ethtool -k {crossing.vtep.ifname}"),
        ),
        useless=(
            f"tcpdump on {way.sender}: it shows `bad udp cksum` for healthy packets too, whose sum"
            f" is computed behind it; only what comes in at {way.receiver} counts",
            "restarting flannel: it does not touch offloads, and makes the device with them",
        ),
        way=way.way,
        explains=refused,
    )


def _sentence(way: WayView, vtep: Link, known: list[Link], *, refused: bool) -> str:
    if refused:
        return (
            f"VXLAN packets of {way.sender} come in at {way.receiver} with a wrong UDP checksum,"
            f" and {way.receiver} frees them."
        )
    link = known[0]
    return (
        f"{vtep.ifname} on {way.sender} leaves its checksums to {link.ifname}, whose driver"
        f" {link.driver} is known to get them wrong."
    )


def _refused(way: WayView) -> bool:
    end, vtep = way.end, way.receiver_vtep
    if end is None or not end.on(way.receiver, Device.UPLINK) or not end.outer:
        return False
    # Below Linux 5.17 the function alone speaks, and it also frees what no socket takes.
    return end.freed("UDP_CSUM") and vtep is not None and vtep.up


def _hardware(tables: Tables, uplink: Link) -> tuple[Link, ...]:
    """The devices that send in the end: below a VLAN, below a bond."""
    if uplink.kind == "vlan" and uplink.peer_netnsid is None:
        lower = tables.link(uplink.peer_ifindex)
        return _hardware(tables, lower) if lower is not None else (uplink,)
    below = tuple(link for link in tables.state.links if link.master == uplink.ifindex)
    return below if uplink.kind in ("bond", "team") and below else (uplink,)


def _offload(way: WayView, vtep: Link, hardware: tuple[Link, ...]) -> tuple[Evidence, ...]:
    """Who computes, with what driver, on which kernel: what a report to its maker needs."""
    lines = []
    for link in (vtep, *hardware):
        if link.tx_checksum is None:
            continue
        driver = f", driver {link.driver}" if link.driver is not None else ""
        lines.append(
            Evidence(
                label="offload",
                value="on" if link.tx_checksum else "off",
                source=f"{way.sender} {link.ifname} tx-checksumming{driver}",
                differs=link.driver in KNOWN_BAD,
            )
        )
        if link.driver in KNOWN_BAD:
            lines.append(Evidence(label="known", value=link.driver, source=KNOWN_BAD[link.driver]))
    kernel = way.case.state(way.sender).kernel
    return (*lines, Evidence(label="version", value=kernel, source=f"{way.sender} kernel"))
