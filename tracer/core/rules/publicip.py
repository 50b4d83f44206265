"""The nodes' own addresses on the underlay: published twice, or moved."""

from collections.abc import Sequence

from tracer.core.case import Crossing, WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.fingerprints import left_for_nobody
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.lease import Lease
from tracer.model.observation import Device, Direction
from tracer.model.path import Hop
from tracer.model.state import Address, Link

STEP = Step.CLUSTER

SHOW = "kubectl get nodes -o yaml | grep public-ip"
USELESS = (
    "correcting the annotation by hand: flanneld publishes the address of the interface that it"
    " chose again at its next start",
    remedies.CNI_FILES,
)


def public_ip_duplicate(way: WayView) -> Finding | None:
    """Several nodes publish the same public address.

    Where a node's FDB entry leads to its own address, the kernel hands the frame back to the same
    VTEP (vxlan_encap_bypass): it is routed out again, and again, until its TTL is used up. The
    sender's cni0 then answers "time exceeded", and the uplink stays idle.
    """
    if way.unread:
        return _by_leases(way, twins(way))
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
    nodes = sorted([way.receiver, *(twin.node for twin in same)])
    names = f"{', '.join(nodes[:-1])} and {nodes[-1]}" if same else way.receiver
    if same:
        sentence = f"{names} publish the same address, {lease.public_ip}."
    else:
        sentence = f"{way.sender}'s FDB sends frames for {way.receiver} to {way.sender} itself."
    return Finding(
        rule="public-ip-duplicate",
        severity=Severity.WARNING if arrives else Severity.ERROR,
        node=_wrong(way, nodes) if same else way.sender,
        device=crossing.vtep.ifname,
        sentence=sentence,
        evidence=_published(way, crossing, same, own),
        hits=f"what other nodes send to pods of {names}: each FDB entry leads to one node only",
        fix=_choose_address(way, nodes) if same else _own_address(way),
        confirm=(SHOW, *remedies.show_tables(way.sender, crossing.vtep)[1:]),
        useless=USELESS,
        way=way.way,
        explains=not arrives and (_looped(way) if own else left_for_nobody(way)),
    )


def _by_leases(way: WayView, same: list[Lease]) -> Finding | None:
    """What the API alone shows of it."""
    if not same:
        return None
    lease = way.receiver_lease
    nodes = sorted([way.receiver, *(twin.node for twin in same)])
    names = f"{', '.join(nodes[:-1])} and {nodes[-1]}"
    return Finding(
        rule="public-ip-duplicate",
        severity=Severity.ERROR,
        node=_wrong(way, nodes),
        device=None,
        sentence=f"{names} publish the same address, {lease.public_ip}.",
        evidence=_advertised((lease, *same)),
        hits=f"what other nodes send to pods of {names}: each FDB entry leads to one node only",
        fix=_choose_address(way, nodes),
        confirm=(SHOW,),
        useless=USELESS,
        way=way.way,
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
    rows = [*_advertised((way.receiver_lease, *same))]
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


def _advertised(leases: Sequence[Lease]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            label="advertised",
            value=each.public_ip or proof.NONE,
            source=remedies.public_ip_of(each),
        )
        for each in sorted(leases, key=lambda one: one.node)
    )


def _wrong(way: WayView, nodes: list[str]) -> str:
    """Of nodes with one address the first that does not belong to it, by its InternalIPs."""
    return next((name for name in nodes if not _published_own(way, name)), nodes[0])


def _published_own(way: WayView, name: str) -> bool:
    node = way.case.api_node(name)
    return node is not None and way.receiver_lease.public_ip in node.internal_ips


def _choose_address(way: WayView, nodes: list[str]) -> tuple[str, ...]:
    v6 = way.receiver_lease.family == 6
    prefix = remedies.annotation_prefix(way.receiver_lease)
    key = "node-public-ipv6" if v6 else "node-public-ip"
    commands = []
    for name in nodes:
        node = way.case.api_node(name)
        known = [ip for ip in node.internal_ips if (":" in ip) is v6] if node is not None else []
        inside = known[0] if known else "ADDRESS"
        if not _published_own(way, name):
            commands.append(f"kubectl annotate node {name} --overwrite {prefix}{key}={inside}")
    return (
        "tell flannel which interface joins the nodes (--iface, --iface-can-reach in the"
        " DaemonSet), or name each node's address (flannel v0.25.3 on), then restart it"
        " everywhere:",
        *commands,
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
            value=", ".join(_own_family(way, now)) or proof.NONE,
            source=f"{node} addresses",
        ),
        Evidence(
            label="advertised",
            value=lease.public_ip or proof.NONE,
            source=remedies.public_ip_of(lease),
            differs=lease.public_ip == local,
        ),
    )


def _own_family(way: WayView, addresses: tuple[Address, ...]) -> list[str]:
    """Those that flannel would take: of the traced family, and of the world."""
    return [
        each.ip
        for each in addresses
        if (":" in each.ip) is (way.case.family == 6) and each.scope in ("global", "universe")
    ]


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
