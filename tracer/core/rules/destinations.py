"""FDB entries that lead to a node, and to the wrong one."""

from tracer.core.case import WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.entries import NO_PEER_REPAIRS, destinations, redirect
from tracer.core.rules.fingerprints import left_for, misrouted, twin_reached, update_ignored
from tracer.core.rules.publicip import twins
from tracer.core.rules.twins import same_mac
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step

STEP = Step.ENTRIES


def fdb_wrong_dst_live(way: WayView) -> Finding | None:
    """A node's FDB entry sends a peer's frames to another node, which has no use for them.

    That node decapsulates them, sees that the inner destination MAC is not its own, and frees them
    in ip_rcv_core (OTHERHOST). The node that they are meant for sees nothing.
    """
    crossing = way.crossing
    other = _elsewhere(way)
    if crossing is None or other is None or update_ignored(way):
        return None
    if twin_reached(way) is not None or misrouted(way):
        # Meant for it: it has the same subnet, or the route is a deleted node's.
        return None
    lease, vtep = way.receiver_lease, way.receiver_vtep
    local = vtep.vxlan.local if vtep is not None and vtep.vxlan is not None else None
    published_wrong = crossing.dst == lease.public_ip
    return Finding(
        rule="fdb-wrong-dst-live",
        severity=Severity.ERROR,
        node=way.receiver if published_wrong else way.sender,
        device=crossing.vtep.ifname,
        sentence=f"{way.sender}'s FDB sends frames for {way.receiver} to {crossing.dst}, which is"
        f" {other}.",
        evidence=(
            *destinations(way, crossing, local, f", an address of {other}"),
            *_mac_there(way, other),
            *proof.kernel(way),
        ),
        hits=f"every node that sends to {lease.pod_cidr}"
        if published_wrong
        else f"everything that {way.sender} sends to {lease.pod_cidr}",
        fix=redirect(way, crossing, published_wrong),
        confirm=(
            *remedies.show_tables(way.sender, crossing.vtep)[1:],
            remedies.on(other, f"ip -s -s link show {crossing.vtep.ifname}"),
        ),
        useless=(
            NO_PEER_REPAIRS,
            f"looking for a drop on {way.receiver}: it gets nothing; {other} does, and its"
            " otherhost counter tells",
            remedies.CNI_FILES,
        ),
        way=way.way,
        explains=left_for(way, other),
    )


def _elsewhere(way: WayView) -> str | None:
    """The node that gets what is meant for the receiver; None: none does, or for another cause."""
    crossing = way.crossing
    if crossing is None or crossing.dst is None or crossing.mac is None:
        return None
    case, dst, lease = way.case, crossing.dst, way.receiver_lease
    other = case.owner_of(dst)
    if other in (None, way.sender, way.receiver) or dst == lease.public_ip_overwrite:
        return None
    if way.receiver_tables.has_address(dst) or way.sender_tables.has_address(dst):
        return None
    vtep = way.receiver_vtep
    if vtep is not None and vtep.vxlan is not None and vtep.vxlan.local == dst:
        # The node moved and its VTEP still stands at the old address: another rule.
        return None
    if (dst == lease.public_ip and twins(way)) or other in same_mac(way):
        return None
    return other


def _mac_there(way: WayView, other: str) -> tuple[Evidence, ...]:
    """Why that node has no use for them."""
    lease = next(
        (one for one in way.case.leases if (one.node, one.family) == (other, way.case.family)), None
    )
    if lease is None or lease.vtep_mac is None:
        return ()
    return (Evidence(label="MAC there", value=lease.vtep_mac, source=f"lease of {other}"),)
