"""A pod subnet that went from one node to another."""

from tracer.core.case import WayView
from tracer.core.expect import expectation
from tracer.core.rules import proof, remedies
from tracer.core.rules.entries import NO_PEER_REPAIRS
from tracer.core.rules.fingerprints import disowned, ended_unrouted
from tracer.core.rules.on_way import on_its_way, route_words
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.state import FdbEntry, Link

STEP = Step.ROUTES


def podcidr_moved_race(way: WayView) -> Finding | None:
    """A node removed a peer's entries together with those of the subnet's previous owner.

    flannel finds a lease by its subnet alone (pkg/lease/lease.go, remove): where the new owner's
    event comes before the removal of the old one, the removal takes the new owner's route,
    neighbour and FDB entry. A node that never got the peer's lease looks the same.
    """
    if not way.crosses or on_its_way(way) or not disowned(way):
        return None
    vtep, lease = way.sender_vtep, way.receiver_lease
    wanted = expectation(lease)
    if vtep is None or not vtep.up or wanted is None:
        return None
    node, peer = way.sender, way.receiver
    return Finding(
        rule="podcidr-moved-race",
        severity=Severity.ERROR,
        node=node,
        device=vtep.ifname,
        sentence=f"{node} has no entry for {peer}, whose lease is right, and all of other peers: it"
        " removed them as those of the subnet's previous owner, or missed the lease.",
        evidence=(
            *_absent(way),
            *_predecessor(way, vtep),
            *_elsewhere(way),
            *proof.kernel(way),
        ),
        hits=f"everything that {node} sends to {wanted.pod_cidr}; nodes that have the entries are"
        " not hit",
        fix=(
            f"restart flanneld on {node}; it writes the entries of all peers:",
            remedies.restart_flannel(way.case, node),
        ),
        confirm=(
            remedies.on(node, f"ip route get {way.dst}"),
            *remedies.show_tables(node, vtep),
        ),
        useless=(
            f"restarting flanneld on {peer}: its lease is right, and an unchanged lease makes no"
            " peer write anything",
            NO_PEER_REPAIRS,
        ),
        way=way.way,
        explains=ended_unrouted(way),
    )


def _absent(way: WayView) -> tuple[Evidence, ...]:
    wanted = expectation(way.receiver_lease)
    if wanted is None:
        return ()
    mac = wanted.vtep_mac or proof.NONE
    rows = (
        ("route", route_words(way), f"{way.sender} routes, to {wanted.pod_cidr}"),
        ("neighbour", proof.NONE, f"{way.sender} neighbour {wanted.gateway}"),
        ("fdb", proof.NONE, f"{way.sender} fdb {mac}"),
    )
    return tuple(
        Evidence(label=label, value=value, source=source, differs=True)
        for label, value, source in rows
    )


def _predecessor(way: WayView, vtep: Link) -> tuple[Evidence, ...]:
    """The previous owner's FDB entry: the new owner's neighbour and route had replaced its others,

    and the removal named the new owner's MAC.
    """
    known = {lease.vtep_mac for lease in way.case.leases}
    return tuple(
        Evidence(
            label="left over",
            value=f"{entry.mac} dst {entry.dst}",
            source=f"{way.sender} fdb, of no node's lease",
        )
        for entry in way.case.state(way.sender).fdb
        if entry.ifindex == vtep.ifindex and _of_a_peer(entry) and entry.mac not in known
    )[:3]


def _of_a_peer(entry: FdbEntry) -> bool:
    return entry.dst is not None and entry.mac != "00:00:00:00:00:00"


def _elsewhere(way: WayView) -> tuple[Evidence, ...]:
    """A third node that was read and has the entries."""
    wanted, case = expectation(way.receiver_lease), way.case
    for name, state in case.bundle.nodes.items():
        if wanted is None or name in (way.sender, way.receiver):
            continue
        for route in state.routes:
            if (route.destination, route.gateway) == (wanted.pod_cidr, wanted.gateway):
                words = f"{wanted.pod_cidr} via {wanted.gateway}"
                return (Evidence(label="elsewhere", value=words, source=f"{name} routes"),)
    return ()
