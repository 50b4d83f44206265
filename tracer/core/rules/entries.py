"""Two of the three entries that flanneld writes for each peer: neighbour and FDB."""

from tracer.core.case import Crossing, WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.fingerprints import (
    left_for_nobody,
    mac_changed,
    misrouted,
    stuck_at_sender,
    update_ignored,
)
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.packet import Ip

STEP = Step.ENTRIES

NO_PEER_REPAIRS = (
    "waiting: flanneld writes a peer's entries when the peer's lease changes and never looks again"
)


def neigh_missing(way: WayView) -> Finding | None:
    """A node has no neighbour entry for a peer's flannel address.

    The kernel then asks by ARP on the VXLAN device, which sends no broadcasts: NO_TX_TARGET in
    vxlan_xmit for the ARP request, NEIGH_FAILED after 3 s for the packets that waited.
    """
    crossing = way.crossing
    if crossing is None or crossing.mac is not None or mac_changed(way.case, way.sender):
        return None
    if way.receiver_lease.defect is not None or misrouted(way):
        # No entry is due: the lease is ignored, or the route is a deleted node's.
        return None
    lease = way.receiver_lease
    state = crossing.neighbour.state if crossing.neighbour is not None else "no entry"
    write: tuple[str, ...] = ()
    if lease.vtep_mac is not None:
        write = (
            remedies.set_neighbour(way.sender, crossing.vtep, crossing.gateway, lease.vtep_mac),
        )
    return Finding(
        rule="neigh-missing",
        severity=Severity.ERROR,
        node=way.sender,
        device=crossing.vtep.ifname,
        sentence=f"{way.sender} has no neighbour entry for {crossing.gateway}, the flannel address"
        f" of {way.receiver}.",
        evidence=(
            _expected_mac(way),
            Evidence(
                label="programmed",
                value=state,
                source=f"{way.sender} neighbour {crossing.gateway}",
                differs=True,
            ),
            *proof.kernel(way),
        ),
        hits=f"everything that {way.sender} sends to {lease.pod_cidr}",
        fix=_write(way, "neighbour entry", write),
        confirm=remedies.show_tables(way.sender, crossing.vtep)[:1],
        useless=(NO_PEER_REPAIRS, remedies.CNI_FILES),
        way=way.way,
        explains=stuck_at_sender(way),
    )


def fdb_missing(way: WayView) -> Finding | None:
    """A node has no FDB entry for the MAC of a peer's VTEP.

    The device does not learn and has no default entry, so vxlan_xmit frees the frame:
    NO_TX_TARGET with ethertype 0x800.
    """
    crossing = way.crossing
    if crossing is None or crossing.mac is None or crossing.fdb is not None:
        return None
    lease = way.receiver_lease
    if lease.defect is not None or misrouted(way):
        return None
    if lease.vtep_mac is not None and crossing.mac != lease.vtep_mac:
        # The neighbour entry is wrong before the FDB is asked.
        return None
    write: tuple[str, ...] = ()
    if lease.public_ip is not None:
        write = (remedies.set_fdb(way.sender, crossing.vtep, crossing.mac, lease.public_ip),)
    return Finding(
        rule="fdb-missing",
        severity=Severity.ERROR,
        node=way.sender,
        device=crossing.vtep.ifname,
        sentence=f"{way.sender} has no FDB entry for {crossing.mac}, the VTEP of {way.receiver}.",
        evidence=(
            Evidence(
                label="expected",
                value=f"{crossing.mac} dst {lease.public_ip or proof.NONE}",
                source=f"lease of {way.receiver}",
            ),
            Evidence(
                label="programmed", value="no entry", source=f"{way.sender} fdb", differs=True
            ),
            *proof.kernel(way),
            *proof.grown(way.case, way.sender, crossing.vtep, "tx_dropped"),
        ),
        hits=f"everything that {way.sender} sends to {lease.pod_cidr}",
        fix=_write(way, "FDB entry", write),
        confirm=remedies.show_tables(way.sender, crossing.vtep)[1:],
        useless=(NO_PEER_REPAIRS, remedies.CNI_FILES),
        way=way.way,
        explains=stuck_at_sender(way),
    )


def fdb_wrong_dst_dead(way: WayView) -> Finding | None:
    """A node's FDB entry sends a peer's frames to an address that no node has.

    The outer packet leaves for nobody: the neighbour of that address fails after 3 s
    (NEIGH_FAILED on the uplink), or a gateway takes it away.
    """
    crossing = way.crossing
    if crossing is None or crossing.dst is None or crossing.fdb is None:
        return None
    case, dst, lease = way.case, crossing.dst, way.receiver_lease
    if misrouted(way):
        return None
    if case.owner_of(dst) is not None or dst == lease.public_ip_overwrite:
        return None
    if update_ignored(way) or _as_another_publishes(way, crossing):
        return None
    vtep, tables = way.receiver_vtep, way.receiver_tables
    local = vtep.vxlan.local if vtep is not None and vtep.vxlan is not None else None
    if local is not None and local == dst and not tables.has_address(local):
        # The node moved and its VTEP still stands at the old address: another rule.
        return None
    published_wrong = dst == lease.public_ip
    return Finding(
        rule="fdb-wrong-dst-dead",
        severity=Severity.ERROR,
        node=way.receiver if published_wrong else way.sender,
        device=crossing.vtep.ifname,
        sentence=f"{way.sender}'s FDB sends frames for {way.receiver} to {dst}, which is the"
        " address of no node.",
        evidence=(*destinations(way, crossing, local), *proof.kernel(way)),
        hits=f"every node that sends to {lease.pod_cidr}"
        if published_wrong
        else f"everything that {way.sender} sends to {lease.pod_cidr}",
        fix=redirect(way, crossing, published_wrong),
        confirm=remedies.show_tables(way.sender, crossing.vtep)[1:],
        useless=(NO_PEER_REPAIRS, remedies.CNI_FILES),
        way=way.way,
        explains=left_for_nobody(way),
    )


def _as_another_publishes(way: WayView, crossing: Crossing) -> bool:
    """Another node's lease has this MAC and this address: why there are two is the question."""
    return any(
        (lease.vtep_mac, lease.public_ip) == (crossing.mac, crossing.dst)
        for lease in way.case.leases
        if lease.node != way.receiver
    )


def destinations(
    way: WayView, crossing: Crossing, local: Ip | None, whose: str = ""
) -> tuple[Evidence, ...]:
    """Advertised, programmed and actual underlay address of the receiver."""
    lease, dst = way.receiver_lease, crossing.dst
    return (
        Evidence(
            label="advertised",
            value=lease.public_ip or proof.NONE,
            source=remedies.public_ip_of(lease),
            differs=dst == lease.public_ip,
        ),
        Evidence(
            label="programmed",
            value=dst or proof.NONE,
            source=f"{way.sender} fdb {crossing.mac}{whose}",
            differs=True,
        ),
        Evidence(
            label="actual",
            value=local or proof.NONE,
            source=f"{way.receiver} link {crossing.vtep.ifname}, local address",
        ),
    )


def redirect(way: WayView, crossing: Crossing, published_wrong: bool) -> tuple[str, ...]:
    """Where the address is put right: at the lease, or in the sender's own table."""
    if published_wrong:
        return (
            f"restart flanneld on {way.receiver}; it publishes its present address, and peers"
            " follow:",
            remedies.restart_flannel(way.case, way.receiver),
        )
    public_ip = way.receiver_lease.public_ip
    write: tuple[str, ...] = ()
    if public_ip is not None and crossing.mac is not None:
        write = (remedies.set_fdb(way.sender, crossing.vtep, crossing.mac, public_ip),)
    return _write(way, "FDB entry", write)


def _write(way: WayView, what: str, commands: tuple[str, ...]) -> tuple[str, ...]:
    restart = remedies.restart_flannel(way.case, way.sender)
    if not commands:
        return (f"restart flanneld on {way.sender}; it writes the entries of all peers:", restart)
    return (
        f"write the {what} on {way.sender}:",
        *commands,
        "or restart flanneld there, which writes those of all peers:",
        restart,
    )


def _expected_mac(way: WayView) -> Evidence:
    lease = way.receiver_lease
    return Evidence(
        label="advertised",
        value=lease.vtep_mac or proof.NONE,
        source=remedies.advertised_by(lease),
    )
