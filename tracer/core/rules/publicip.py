"""The addresses that nodes publish for the underlay."""

from tracer.core.case import Crossing, WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.entries import left_for_nobody
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.lease import Lease
from tracer.model.observation import Device, Direction
from tracer.model.path import Hop


def public_ip_duplicate(way: WayView) -> Finding | None:
    """Several nodes publish the same public address.

    Where a node's FDB entry leads to its own address, the kernel hands the frame back to the same
    VTEP (vxlan_encap_bypass): it is routed out again, and again, until its TTL is used up. The
    sender's cni0 then answers "time exceeded", and the uplink stays idle.
    """
    crossing = way.crossing
    if crossing is None or crossing.dst is None:
        return None
    own = way.sender_tables.has_address(crossing.dst)
    same = twins(way)
    if not same and not own:
        return None
    # Vagrant gives every node the same NAT address: the sender's own wins, nothing leaves.
    arrives = not own and way.receiver_tables.has_address(crossing.dst)
    lease = way.receiver_lease
    names = " and ".join([way.receiver, *(twin.node for twin in same)])
    if same:
        sentence = f"{names} publish the same address, {lease.public_ip}."
    else:
        sentence = f"{way.sender}'s FDB sends frames for {way.receiver} to {way.sender} itself."
    return Finding(
        rule="public-ip-duplicate",
        severity=Severity.WARNING if arrives else Severity.ERROR,
        node=way.receiver if same else way.sender,
        device=crossing.vtep.ifname,
        sentence=sentence,
        evidence=_published(way, crossing, same, own),
        hits=f"what other nodes send to pods of {names}: each FDB entry leads to one node only",
        fix=_choose_address(way) if same else _own_address(way),
        confirm=(
            "kubectl get nodes -o yaml | grep public-ip",
            *remedies.show_tables(way.sender, crossing.vtep)[1:],
        ),
        useless=(
            "correcting the annotation by hand: flanneld publishes the address of the interface"
            " that it chose again at its next start",
            remedies.CNI_FILES,
        ),
        way=way.way,
        explains=not arrives and (_looped(way) if own else left_for_nobody(way)),
    )


def twins(way: WayView) -> list[Lease]:
    """Leases of other nodes with the receiver's public address."""
    lease = way.receiver_lease
    return [
        other
        for other in way.case.leases
        if other.node != lease.node
        and other.family == lease.family
        and lease.public_ip is not None
        and other.public_ip == lease.public_ip
    ]


def _published(
    way: WayView, crossing: Crossing, same: list[Lease], own: bool
) -> tuple[Evidence, ...]:
    lease = way.receiver_lease
    rows = [
        Evidence(
            label="advertised",
            value=each.public_ip or proof.NONE,
            source=f"lease of {each.node} ({remedies.annotation_prefix(each)}public-ip)",
            differs=bool(same),
        )
        for each in (lease, *same)
    ]
    whose = f", an address of {way.sender} itself" if own else ""
    rows.append(
        Evidence(
            label="programmed",
            value=crossing.dst or proof.NONE,
            source=f"{way.sender} fdb {crossing.mac}{whose}",
            differs=own,
        )
    )
    if own and (passes := _passes(way)) > 1:
        rows.append(
            Evidence(
                label="loop",
                value=f"{passes} passes",
                source=f"one packet through {crossing.vtep.ifname} of {way.sender}",
            )
        )
    return (*rows, *proof.kernel(way))


def _choose_address(way: WayView) -> tuple[str, ...]:
    prefix = remedies.annotation_prefix(way.receiver_lease)
    node = way.case.api_node(way.receiver)
    inside = next(iter(node.internal_ips), "ADDRESS") if node is not None else "ADDRESS"
    return (
        "tell flannel which interface joins the nodes (--iface, --iface-can-reach in the"
        " DaemonSet), or name each node's address (flannel v0.25.3 on), then restart it"
        " everywhere:",
        f"kubectl annotate node {way.receiver} --overwrite {prefix}node-public-ip={inside}",
        remedies.restart_all(way.case),
    )


def _own_address(way: WayView) -> tuple[str, ...]:
    lease, crossing = way.receiver_lease, way.crossing
    restart = remedies.restart_flannel(way.case, way.sender)
    if crossing is None or crossing.mac is None or lease.public_ip is None:
        return (f"restart flanneld on {way.sender}:", restart)
    return (
        f"write the FDB entry on {way.sender}:",
        remedies.set_fdb(way.sender, crossing.vtep, crossing.mac, lease.public_ip),
        "or restart flanneld there:",
        restart,
    )


def _passes(way: WayView) -> int:
    """How often one packet was seen at the sender's VTEP."""
    return max(
        (sum(hop.times for hop in path.hops if _at_own_vtep(way, hop)) for path in way.paths),
        default=0,
    )


def _at_own_vtep(way: WayView, hop: Hop) -> bool:
    return (hop.node, hop.device, hop.direction) == (way.sender, Device.VTEP, Direction.OUT)


def _looped(way: WayView) -> bool:
    """It ended on the sender, before its uplink."""
    end = way.end
    if end is None or not end.on(way.sender) or end.on(way.sender, Device.UPLINK):
        return False
    return end.freed("IP_INHDR") or _passes(way) > 1 or end.drop is None
