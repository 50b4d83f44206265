"""The MACs of VTEPs: advertised in leases, programmed in neighbours and FDB, actual on devices."""

from tracer.core.case import Case, Crossing, WayView
from tracer.core.leases import lacking
from tracer.core.rules import proof, remedies
from tracer.core.rules.backend import backends_differ
from tracer.core.rules.fingerprints import (
    mac_changed,
    misaddressed,
    misrouted,
    peer_fdb,
    peer_routes,
    stuck_at_sender,
    twin_reached,
    update_ignored,
)
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.packet import Mac
from tracer.model.state import Link

STEP = Step.ENTRIES

OTHERHOST = "rx_otherhost"


def mac_changed_under_running_flannel(way: WayView) -> Finding | None:
    """The MAC of a node's VTEP was changed while flanneld ran: it can neither receive nor send.

    The kernel flushes the device's own PERMANENT neighbours on NETDEV_CHANGEADDR (neigh_changeaddr,
    net/core/neighbour.c) and keeps FDB and routes: that fingerprint tells it from a MAC that was
    wrong from the start.
    """
    crossing, mac = way.addressing()
    vtep = way.receiver_vtep
    if vtep is not None and mac not in (None, vtep.mac):
        if mac_changed(way.case, way.receiver):
            odd = proof.macs(way, crossing, vtep, "actual")
            return _mac_changed(way, way.receiver, vtep, odd, misaddressed(way))
    elif crossing is not None and mac is None and mac_changed(way.case, way.sender):
        return _mac_changed(way, way.sender, crossing.vtep, (), stuck_at_sender(way))
    return None


def _mac_changed(
    way: WayView, node: str, vtep: Link, macs: tuple[Evidence, ...], explains: bool
) -> Finding:
    case = way.case
    lease = case.lease(node)
    state = case.state(node)
    full = f"{len(peer_fdb(state, vtep))} fdb entries, {len(peer_routes(state, vtep))} routes"
    macs = macs or _own_macs(case, node, vtep)
    flushed = Evidence(
        label="neighbours",
        value="none PERMANENT",
        source=f"{node} {vtep.ifname}, beside {full}",
        differs=True,
    )
    return Finding(
        rule="mac-changed-under-running-flannel",
        severity=Severity.ERROR,
        node=node,
        device=vtep.ifname,
        sentence=f"The MAC of {vtep.ifname} on {node} was changed while flanneld ran; the kernel"
        f" flushed {node}'s own neighbours, and flanneld does not notice.",
        evidence=(*macs, flushed, *proof.kernel(way), *proof.grown(case, node, vtep, OTHERHOST)),
        hits=f"every node that sends to {lease.pod_cidr}, and everything that {node} sends to"
        " pods of other nodes",
        fix=(
            f"restart flanneld on {node}; it publishes the present MAC and writes its neighbours"
            " again:",
            remedies.restart_flannel(case, node),
        ),
        confirm=(
            *remedies.show_tables(node, vtep)[:1],
            remedies.show_annotations(node),
        ),
        useless=(
            f"correcting the annotation: peers then send to the right MAC, but {node} still has no"
            " neighbour to answer them with",
            remedies.CNI_FILES,
            remedies.delete_devices(vtep.ifname),
        ),
        way=way.way,
        explains=explains,
    )


def _own_macs(case: Case, node: str, vtep: Link) -> tuple[Evidence, ...]:
    lease = case.lease(node)
    return (
        Evidence(
            label="advertised",
            value=lease.vtep_mac or proof.NONE,
            source=remedies.advertised_by(lease),
        ),
        Evidence(
            label="actual",
            value=vtep.mac or proof.NONE,
            source=f"{node} link {vtep.ifname}",
            differs=lease.vtep_mac != vtep.mac,
        ),
    )


def vtepmac_annotation_stale(way: WayView) -> Finding | None:
    """A node's lease advertises a MAC that the VTEP of that node does not have.

    Peers address inner frames to the advertised MAC. The node decapsulates them, sees another
    host's MAC and frees them in ip_rcv_core with drop reason OTHERHOST.
    """
    crossing, mac = way.addressing()
    vtep = way.receiver_vtep
    if vtep is None or vtep.mac is None or (crossing is None and mac is None):
        return None
    lease = way.receiver_lease
    if lease.vtep_mac == vtep.mac or mac_changed(way.case, way.receiver) or backends_differ(way):
        return None
    if crossing is not None and _anothers(way, vtep.mac):
        return None
    node = way.case.api_node(way.receiver)
    if node is not None and lacking(node, lease.family):
        # It advertises nothing at all.
        return None
    hit = mac not in (None, vtep.mac)
    return Finding(
        rule="vtepmac-annotation-stale",
        severity=Severity.ERROR if hit else Severity.WARNING,
        node=way.receiver,
        device=vtep.ifname,
        sentence=_stale_sentence(way, vtep),
        evidence=(
            *proof.macs(way, crossing, vtep, "actual"),
            *proof.kernel(way),
            *proof.grown(way.case, way.receiver, vtep, OTHERHOST),
        ),
        hits=f"every node that sends to {lease.pod_cidr}, not only {way.sender}",
        fix=_publish_again(way, vtep),
        confirm=(
            remedies.show_annotations(way.receiver),
            *remedies.show_tables(way.sender, crossing.vtep if crossing is not None else vtep),
        ),
        useless=(remedies.CNI_FILES, remedies.delete_devices(vtep.ifname)),
        way=way.way,
        explains=hit and misaddressed(way),
    )


def _anothers(way: WayView, mac: Mac) -> bool:
    """The device has the MAC of another node's lease: two with one MAC is the fault."""
    return any(
        lease.vtep_mac == mac
        for lease in way.case.leases
        if lease.node != way.receiver and lease.family == way.case.family
    )


def _stale_sentence(way: WayView, vtep: Link) -> str:
    if way.receiver_lease.vtep_mac is None:
        return (
            f"{way.receiver}'s lease carries no MAC that peers can read; they keep the last one"
            " they knew."
        )
    return (
        f"{way.receiver}'s lease advertises a MAC that {vtep.ifname} on {way.receiver} does not"
        " have."
    )


def _publish_again(way: WayView, vtep: Link) -> tuple[str, ...]:
    """Restart, or correct the annotation: both are right while the node's neighbours are whole."""
    lease, node = way.receiver_lease, way.receiver
    vni = vtep.vxlan.vni if vtep.vxlan is not None else 1
    data = f'{{"VNI":{vni},"VtepMAC":"{vtep.mac}"}}'
    return (
        f"restart flanneld on {node}; it writes the device's MAC to the lease, and peers follow:",
        remedies.restart_flannel(way.case, node),
        f"or correct the annotation, which is enough here ({node}'s own neighbours are whole):",
        f"kubectl annotate node {node} --overwrite {remedies.annotation_key(lease)}='{data}'",
    )


def neigh_stale_one_node(way: WayView) -> Finding | None:
    """One node's neighbour entry has an old MAC of a peer, though lease and device agree.

    flanneld on that node missed the lease's change; nothing repairs it: the informer's resync
    delivers equal objects, which flannel drops (kube.go, handleUpdateLeaseEvent).
    """
    crossing, vtep = way.crossing, way.receiver_vtep
    if crossing is None or vtep is None or vtep.mac is None or crossing.mac is None:
        return None
    lease = way.receiver_lease
    if (
        lease.vtep_mac != vtep.mac
        or crossing.mac == vtep.mac
        or mac_changed(way.case, way.receiver)
        or twin_reached(way) is not None
        or misrouted(way)
        or update_ignored(way)
    ):
        return None
    others = _other_senders(way)
    hit = " and ".join([way.sender, *(name for name, mac in others if mac != vtep.mac)])
    return Finding(
        rule="neigh-stale-one-node",
        severity=Severity.ERROR,
        node=way.sender,
        device=crossing.vtep.ifname,
        sentence=f"{way.sender}'s neighbour entry for {way.receiver} has a MAC that"
        f" {_whose_it_is_not(way, vtep)}.",
        evidence=(
            *proof.macs(way, crossing, vtep, "programmed"),
            *_elsewhere(others, crossing, vtep),
            *proof.kernel(way),
        ),
        hits=f"what {hit} sends to {lease.pod_cidr}; nodes whose entries match the lease are"
        " not hit",
        fix=_write_entries(way, crossing, vtep.mac),
        confirm=remedies.show_tables(way.sender, crossing.vtep),
        useless=(
            f"restarting flanneld on {way.receiver}: its lease is right, and an unchanged lease"
            " makes no peer write anything",
            remedies.CNI_FILES,
        ),
        way=way.way,
        explains=misaddressed(way) or (crossing.fdb is None and stuck_at_sender(way)),
    )


def _whose_it_is_not(way: WayView, vtep: Link) -> str:
    if way.receiver in way.case.facts.assumed:
        return f"{way.receiver}'s lease has not"
    return f"neither {way.receiver}'s lease nor its {vtep.ifname} has"


def _write_entries(way: WayView, crossing: Crossing, mac: Mac) -> tuple[str, ...]:
    dst = way.receiver_lease.public_ip or crossing.dst
    write = [remedies.set_neighbour(way.sender, crossing.vtep, crossing.gateway, mac)]
    if dst is not None:
        write.append(remedies.set_fdb(way.sender, crossing.vtep, mac, dst))
    return (
        f"write the entries of {way.receiver} on {way.sender}:",
        *write,
        "or restart flanneld there, which writes those of all peers:",
        remedies.restart_flannel(way.case, way.sender),
    )


def _elsewhere(
    others: list[tuple[str, Mac | None]], crossing: Crossing, vtep: Link
) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            label="elsewhere",
            value=mac or proof.NONE,
            source=f"{name} neighbour {crossing.gateway}",
            differs=mac != vtep.mac,
        )
        for name, mac in others
    )


def _other_senders(way: WayView) -> list[tuple[str, Mac | None]]:
    """What nodes other than the two ends have programmed for the receiver."""
    rows = []
    for name in way.case.bundle.nodes:
        if name in (way.sender, way.receiver):
            continue
        vtep = way.case.vtep(name)
        tables = way.case.tables(name)
        if vtep is not None and way.crossing is not None:
            entry = tables.neighbour(vtep.ifindex, way.crossing.gateway)
            rows.append((name, entry.mac if entry is not None else None))
    return rows
