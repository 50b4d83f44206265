"""One pod CIDR for several nodes."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import ip_network

from tracer.core.case import MissingFact, WayView
from tracer.core.end import WayEnd
from tracer.core.rules import proof, remedies
from tracer.core.rules.allocation import LIST, named, pod_cidr_of, rejoin
from tracer.core.views import ClusterView
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.lease import Lease
from tracer.model.observation import Device
from tracer.model.packet import Net

STEP = Step.CLUSTER


def duplicate_podcidr(view: ClusterView) -> tuple[Finding, ...]:
    """Several nodes have the same pod CIDR, or one that overlaps.

    flanneld takes a lease with its own subnet for its own, whatever the node's name (lease.go,
    sameSubnet), and other nodes keep the entries of the lease that came last.
    """
    return tuple(
        _twins(view, group)
        for family in (4, 6)
        for group in _groups(view, family)
        if any(lease.node in view.spoken_of for lease in group)
    )


def _groups(view: ClusterView, family: int) -> Iterator[list[Lease]]:
    """Leases that overlap, by one pass over them in order of their first addresses."""
    spans = []
    for lease in view.facts.leases:
        if lease.family == family and lease.pod_cidr is not None:
            spans.append((*_span(lease.pod_cidr), lease))
    group: list[Lease] = []
    end = -1
    for first, last, lease in sorted(spans, key=lambda span: span[:2]):
        if first > end:
            if len(group) > 1:
                yield group
            group = []
        group.append(lease)
        end = max(end, last)
    if len(group) > 1:
        yield group


@lru_cache(maxsize=8192)
def _span(cidr: Net) -> tuple[int, int]:
    """First and last address."""
    net = ip_network(cidr)
    return int(net[0]), int(net[-1])


def _twins(view: ClusterView, group: list[Lease]) -> Finding:
    group = sorted(group, key=lambda lease: (_born(view, lease.node), lease.node))
    nodes, cidrs = [lease.node for lease in group], {lease.pod_cidr for lease in group}
    young = nodes[-1]
    stopped = view.stopped_way(lambda way, end: _misled(way, end, group))
    same = f"have the same pod CIDR, {next(iter(cidrs))}" if len(cidrs) == 1 else "overlap"
    who = named(nodes) if len(cidrs) == 1 else f"The pod CIDRs of {named(nodes)}"
    return Finding(
        rule="duplicate-podcidr",
        severity=Severity.ERROR,
        node=young,
        device=None,
        sentence=f"{who} {same}: other nodes reach only the one whose lease came last.",
        evidence=(
            *(
                pod_cidr_of(lease, odd=lease.node == young)
                for lease in (*group[:3], *group[3:][-1:])
            ),
            *(_programmed(stopped) if stopped is not None else ()),
            *(proof.kernel(stopped) if stopped is not None else ()),
        ),
        hits=f"pods of {named(nodes)}: what other nodes send to them, and what these nodes send"
        " to each other",
        fix=(
            f"let all but one of them join again, here {young}, which is the youngest; its pods"
            " are lost:",
            *rejoin(view.facts, young)[:-1],
            # its REMOVE takes the other's entries with it on every node (flannel lease.go, remove)
            remedies.restart_all(view.facts),
        ),
        confirm=(LIST,),
        useless=(
            "editing spec.podCIDR of the Node: the API refuses to change it",
            "restarting flanneld: it takes its Node's pod CIDR as it is",
        ),
        way=stopped.way if stopped is not None else None,
        explains=stopped is not None,
    )


def _born(view: ClusterView, name: str) -> str:
    node = view.facts.api_node(name)
    return (node.created if node is not None else None) or ""


def _misled(way: WayView, end: WayEnd, group: Iterable[Lease]) -> bool:
    """The receiver is one of them, and the packets went to another, or never left."""
    twins = [lease for lease in group if lease.node != way.receiver]
    if way.receiver not in {lease.node for lease in group} or end.on(way.receiver):
        return False
    if way.sender in {lease.node for lease in twins}:
        # It takes the pod for one of its own, and so may the sending pod itself.
        return end.place is None or end.on(way.sender, Device.BRIDGE, Device.POD)
    if end.freed("IP_INHDR"):
        return True
    try:
        crossing = way.crossing
    except MissingFact:
        return False
    if crossing is None:
        return False
    to_twin = any(
        crossing.mac == lease.vtep_mac or crossing.dst == lease.public_ip for lease in twins
    )
    return to_twin and (end.outer or not end.on(way.sender))


def _programmed(way: WayView) -> Iterator[Evidence]:
    """To which of them the sender's entries lead."""
    crossing = way.crossing
    if crossing is None or crossing.mac is None:
        return
    owner = way.case.owner_of(crossing.dst) if crossing.dst is not None else None
    yield Evidence(
        label="programmed",
        value=f"{crossing.mac} dst {crossing.dst or proof.NONE}",
        source=f"{way.sender} neighbour {crossing.gateway}, fdb: {owner or 'no node'}",
        differs=owner != way.receiver,
    )
