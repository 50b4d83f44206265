"""VTEPs with one MAC."""

from tracer.core.case import Crossing, WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.fingerprints import left_for, left_for_nobody
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device
from tracer.model.packet import Mac

STEP = Step.CLUSTER

SHOW_IDENTITIES = (
    "kubectl get nodes -o yaml | grep backend-data",
    "kubectl get nodes -o custom-columns=NAME:.metadata.name,MACHINE:.status.nodeInfo.machineID",
)
KEEPS_IT = (
    "restarting flanneld and no more: it keeps the device that it finds, and a new one gets the MAC"
    " of the annotation again (v0.24.1 on)",
    "correcting the annotation and no more: the device keeps its MAC, and flanneld writes it back"
    " at its next start",
)


def vtepmac_duplicate(way: WayView) -> Finding | None:
    """Two nodes have the same VtepMAC.

    Between the two, the receiver takes each frame for its own come back and frees it in
    vxlan_set_mac (LOCAL_MAC). Other nodes have one FDB entry for the MAC, which leads to one of
    the two: whoever's lease came last.
    """
    twins = same_mac(way)
    if way.unread:
        return _by_leases(way, twins)
    crossing = way.crossing
    if not twins or crossing is None:
        return None
    names = sorted((way.receiver, *twins))
    clone = _clone(way, names)
    taken = _whose(way, crossing, twins)
    astray = taken in twins and taken != way.sender
    gone = taken is not None and (left_for(way, taken) or left_for_nobody(way))
    stops = _own_mac_came(way) or (astray and gone)
    shared = ", ".join(names[:-1]) + f" and {names[-1]}"
    return Finding(
        rule="vtepmac-duplicate",
        severity=Severity.ERROR if stops or astray or way.sender in twins else Severity.WARNING,
        node=clone,
        device=crossing.vtep.ifname,
        sentence=f"{shared} have the same VtepMAC, {_mac(way)}.",
        evidence=(
            *_holders(way, names, clone),
            _programmed(way, crossing, taken if astray else None),
            *proof.kernel(way),
        ),
        hits=f"everything between pods of {shared}, and what other nodes send to them: each has"
        " one FDB entry for this MAC, which leads to one of them",
        fix=_own_mac(way, clone, crossing.vtep.ifname),
        confirm=SHOW_IDENTITIES,
        useless=KEEPS_IT,
        way=way.way,
        explains=stops,
    )


def _by_leases(way: WayView, twins: tuple[str, ...]) -> Finding | None:
    """What the API alone shows of it."""
    if not twins:
        return None
    names = sorted((way.receiver, *twins))
    clone = _clone(way, names)
    shared = ", ".join(names[:-1]) + f" and {names[-1]}"
    return Finding(
        rule="vtepmac-duplicate",
        severity=Severity.ERROR,
        node=clone,
        device=None,
        sentence=f"{shared} have the same VtepMAC, {way.receiver_lease.vtep_mac}.",
        evidence=_advertised(way, names, clone),
        hits=f"everything between pods of {shared}, and what other nodes send to them: each has"
        " one FDB entry for this MAC, which leads to one of them",
        fix=_own_mac(way, clone, "flannel.1" if way.case.family == 4 else "flannel-v6.1"),
        confirm=SHOW_IDENTITIES,
        useless=KEEPS_IT,
        way=way.way,
    )


def same_mac(way: WayView) -> tuple[str, ...]:
    """Nodes whose lease, or device, has the MAC of the receiver's."""
    lease, vtep = way.receiver_lease, None if way.unread else way.receiver_vtep
    macs = {lease.vtep_mac, vtep.mac if vtep is not None else None} - {None}
    found = {
        other.node
        for other in way.case.leases
        if other.node != lease.node and other.family == lease.family and other.vtep_mac in macs
    }
    own = None if way.unread else way.sender_vtep
    if way.crosses and own is not None and vtep is not None and own.mac == vtep.mac:
        found.add(way.sender)
    return tuple(sorted(found))


def _mac(way: WayView) -> Mac:
    vtep = way.receiver_vtep
    return way.receiver_lease.vtep_mac or (vtep.mac if vtep is not None else None) or proof.NONE


def _clone(way: WayView, names: list[str]) -> str:
    """The one that came last: the others had the MAC before it.

    Whose device has the MAC and whose lease has another one came by it just now.
    """

    def age(name: str) -> tuple[bool, str, str]:
        node = way.case.api_node(name)
        here = name in (way.sender, way.receiver) and not way.unread
        vtep = way.case.vtep(name) if here else None
        lately = vtep is not None and way.case.lease(name).vtep_mac not in (None, vtep.mac)
        return lately, (node.created if node is not None else None) or "", name

    return max(names, key=age)


def _advertised(way: WayView, names: list[str], clone: str) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            label="advertised",
            value=way.case.lease(name).vtep_mac or proof.NONE,
            source=remedies.advertised_by(way.case.lease(name)),
            differs=name == clone,
        )
        for name in names
    )


def _holders(way: WayView, names: list[str], clone: str) -> tuple[Evidence, ...]:
    rows = [*_advertised(way, names, clone)]
    for name in names:
        if name in (way.sender, way.receiver):
            vtep = way.case.vtep(name)
            if vtep is not None:
                value, source = vtep.mac or proof.NONE, f"{name} link {vtep.ifname}"
                rows.append(Evidence(label="actual", value=value, source=source))
    return tuple(rows)


def _programmed(way: WayView, crossing: Crossing, astray: str | None) -> Evidence:
    """Where the sender's one entry for the MAC leads."""
    whose = f", an address of {astray}" if astray is not None else ""
    return Evidence(
        label="programmed",
        value=crossing.dst or proof.NONE,
        source=f"{way.sender} fdb {crossing.mac}{whose}",
        differs=astray is not None,
    )


def _whose(way: WayView, crossing: Crossing, twins: tuple[str, ...]) -> str | None:
    """Whose address the sender's entry leads to; that of a twin which is down is still its own."""
    if crossing.dst is None:
        return None
    published = (one for one in twins if way.case.lease(one).public_ip == crossing.dst)
    return way.case.owner_of(crossing.dst) or next(published, None)


def _own_mac_came(way: WayView) -> bool:
    """The receiver took the frame in and saw its own MAC as the sender's."""
    end = way.end
    return (
        end is not None
        and end.on(way.receiver, Device.UPLINK, Device.VTEP)
        and end.freed("LOCAL_MAC")
    )


def _own_mac(way: WayView, clone: str, vtep: str) -> tuple[str, ...]:
    lease, node = way.case.lease(clone), way.case.api_node(clone)
    gone: tuple[str, ...] = ()
    if node is not None and not node.ready:
        gone = (
            f"or, where {clone} is gone for good, delete its Node; then restart flannel"
            " everywhere:",
            f"kubectl delete node {clone}",
            remedies.restart_all(way.case),
        )
    return (
        f"give {clone} a MAC of its own: remove the annotation that flanneld would read back, and"
        " the device; then restart flannel everywhere, so that the peers' entries for this MAC are"
        " written anew:",
        f"kubectl annotate node {clone} {remedies.annotation_key(lease)}-",
        remedies.on(clone, f"ip link del {vtep}"),
        remedies.restart_all(way.case),
        f"where {clone} was cloned from another machine, give it an identity of its own before:",
        remedies.on(clone, "rm /etc/machine-id && systemd-machine-id-setup"),
        *gone,
    )
