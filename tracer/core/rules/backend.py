"""Nodes that run different backends of flannel."""

from collections import Counter

from tracer.core.case import WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.fingerprints import ended_unrouted
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.lease import Lease
from tracer.model.observation import Device, Direction

STEP = Step.CLUSTER

FEW = 3
"""Up to so many nodes are restarted one by one."""


def backend_type_mixed(way: WayView) -> Finding | None:
    """Two nodes run different backends of flannel and ignore each other's leases.

    flanneld passes over a peer of another backend ("ignoring non-vxlan v4Subnet",
    vxlan_network.go) and writes no route, neighbour or FDB entry for it. What an earlier flanneld
    wrote stays, and may carry packets until the device or the node is made anew.
    """
    if not backends_differ(way):
        return None
    odd, other = _odd_one(way)
    conf = way.case.net_conf
    stops = ended_unrouted(way) or _refused(way)
    return Finding(
        rule="backend-type-mixed",
        severity=Severity.WARNING if way.end is None else Severity.ERROR,
        node=odd.node,
        device=None,
        sentence=f"{odd.node} runs flannel's {odd.backend_type} backend and {other.node} runs"
        f" {other.backend_type}, so that neither writes entries for the other.",
        evidence=(
            *(
                Evidence(
                    label="backend",
                    value=each.backend_type or proof.NONE,
                    source=f"lease of {each.node} ({remedies.annotation_prefix(each)}backend-type)",
                    differs=each is odd,
                )
                for each in sorted((odd, other), key=lambda lease: lease.node)
            ),
            *_configured(way),
            *proof.kernel(way),
        ),
        hits=f"everything between pods of {odd.node} and pods of nodes with another backend, both"
        " ways; what still arrives uses entries that an earlier flanneld left",
        fix=_one_backend(way, conf.backend_type if conf is not None else None),
        confirm=("kubectl get nodes -o yaml | grep backend-type",),
        useless=(
            "writing the missing entries by hand: the next flanneld of either node does not know"
            " them, and the other end lacks them too",
        ),
        way=way.way,
        explains=stops,
    )


def backends_differ(way: WayView) -> bool:
    """This way leads from a node with one backend to a node with another."""
    if not way.crosses:
        return False
    types = {way.sender_lease.backend_type, way.receiver_lease.backend_type}
    return None not in types and len(types) > 1


def _odd_one(way: WayView) -> tuple[Lease, Lease]:
    """The one whose backend fewer nodes run; of equals the one that is not as configured."""
    sender, receiver = way.sender_lease, way.receiver_lease
    conf = way.case.net_conf
    count = Counter(lease.backend_type for lease in way.case.leases)
    pair = sorted((sender, receiver), key=lambda lease: lease.node)
    odd = min(
        pair,
        key=lambda lease: (
            count[lease.backend_type],
            conf is not None and lease.backend_type == conf.backend_type,
        ),
    )
    return odd, receiver if odd is sender else sender


def _refused(way: WayView) -> bool:
    """The sender's old entries still lead to a node whose VXLAN device is gone."""
    end = way.end
    if end is None or not end.on(way.receiver, Device.UPLINK) or way.receiver_vtep is not None:
        return False
    return end.freed("NO_SOCKET") or end.lost_at(way.receiver, Device.UPLINK, Direction.IN)


def _configured(way: WayView) -> tuple[Evidence, ...]:
    conf = way.case.net_conf
    if conf is None or conf.defect is not None:
        return ()
    return (Evidence(label="configured", value=conf.backend_type, source=conf.source),)


def _one_backend(way: WayView, configured: str | None) -> tuple[str, ...]:
    case = way.case
    late = sorted({lease.node for lease in case.leases if lease.backend_type != configured})
    if configured is None or len(late) > FEW:
        restart: tuple[str, ...] = (remedies.restart_all(case),)
    else:
        restart = tuple(remedies.restart_flannel(case, node) for node in late)
    says = f" (it says {configured})" if configured else ""
    return (
        f"see that flannel's configuration names the backend that is meant{says}; then restart"
        " flanneld on every node that runs another one:",
        remedies.edit_net_conf(case),
        *restart,
    )
