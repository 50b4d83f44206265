"""Leases of two address families, of which one changed."""

from tracer.core.case import Crossing, WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.entries import destinations
from tracer.core.rules.fingerprints import (
    left_for,
    left_for_nobody,
    misaddressed,
    stuck_at_sender,
    update_ignored,
)
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step

STEP = Step.ENTRIES

RESYNC = "waiting: the informer's resync delivers equal objects, which flannel drops as well"


def dualstack_update_ignored(way: WayView) -> Finding | None:
    """One family's data of a dual-stack node changed, and its peers kept the old one.

    flannel drops an update in which the other family is unchanged: either comparison by itself
    sets `changed` to false (kube.go, handleUpdateLeaseEvent; still so in v0.28.10).
    """
    crossing = way.crossing
    if crossing is None or not update_ignored(way):
        return None
    lease, case = way.receiver_lease, way.case
    family, other = ("IPv6", "IPv4") if case.family == 6 else ("IPv4", "IPv6")
    what = "VtepMAC" if crossing.mac != lease.vtep_mac else "address"
    return Finding(
        rule="dualstack-update-ignored",
        severity=Severity.ERROR,
        node=way.receiver,
        device=crossing.vtep.ifname,
        sentence=f"{way.receiver}'s {what} for {family} changed, and {way.sender} kept the old one:"
        f" flannel drops an update that leaves {other} as it was.",
        evidence=(
            *_old(way, crossing),
            _whole(way, other),
            *proof.kernel(way),
        ),
        hits=f"what every node sends to {lease.pod_cidr} whose flanneld ran before the change;"
        f" {other} is not hit",
        fix=(
            "restart flannel on every node that ran before the change; it reads all leases anew:",
            remedies.restart_all(case),
            f"or write the entries by hand, here on {way.sender}:",
            *_entries(way, crossing),
        ),
        confirm=remedies.show_tables(way.sender, crossing.vtep),
        useless=(
            f"restarting flanneld on {way.receiver}: its lease is right, and what it publishes"
            " again is no change",
            RESYNC,
            remedies.CNI_FILES,
        ),
        way=way.way,
        explains=_stops(way, crossing),
    )


def _stops(way: WayView, crossing: Crossing) -> bool:
    """To the old MAC, which leads to no FDB entry or to another host's; or to the old address."""
    if crossing.mac == way.receiver_lease.vtep_mac:
        other = way.case.owner_of(crossing.dst or "")
        return left_for_nobody(way) or (other is not None and left_for(way, other))
    return misaddressed(way) or (crossing.fdb is None and stuck_at_sender(way))


def _whole(way: WayView, other: str) -> Evidence:
    """The family that is as it was."""
    source = f"{way.sender}'s neighbour and fdb entry for {way.receiver}"
    return Evidence(label=other, value="as promised", source=source)


def _old(way: WayView, crossing: Crossing) -> tuple[Evidence, ...]:
    """What differs: the MAC, or the address."""
    vtep = way.receiver_vtep
    if vtep is not None and crossing.mac != way.receiver_lease.vtep_mac:
        return proof.macs(way, crossing, vtep, "programmed")
    local = vtep.vxlan.local if vtep is not None and vtep.vxlan is not None else None
    return destinations(way, crossing, local)


def _entries(way: WayView, crossing: Crossing) -> tuple[str, ...]:
    lease = way.receiver_lease
    write = []
    if lease.vtep_mac is not None:
        gateway, mac = crossing.gateway, lease.vtep_mac
        write.append(remedies.set_neighbour(way.sender, crossing.vtep, gateway, mac))
        if lease.public_ip is not None:
            write.append(remedies.set_fdb(way.sender, crossing.vtep, mac, lease.public_ip))
    return tuple(write)
