"""An uplink that is too small for the tunnel above it."""

import shlex

from tracer.core.case import WayView
from tracer.core.rules import proof, remedies
from tracer.core.rules.neighbourhood import largest_sent, overhead, room, uplink_below
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.observation import Device, Direction
from tracer.model.path import Outcome
from tracer.model.state import Link

STEP = Step.DROPS


def uplink_mtu_lowered_late(way: WayView) -> Finding | None:
    """An uplink's MTU was lowered after the VTEP was made, which kept its own.

    The kernel then fragments what the node sends in full size, and the node's NIC refuses what
    others send it in full size. Nothing tells the pods. A node whose uplink was smaller than those
    of others from the start refuses in the same way.
    """
    if way.crossing is None:
        return None
    case = way.case
    for node in (way.sender, way.receiver):
        vtep, uplink = case.vtep(node), uplink_below(case, node)
        if vtep is not None and uplink is not None and vtep.mtu > room(case, uplink):
            return _too_small(way, node, node, uplink)
    uplink, sent = uplink_below(case, way.receiver), largest_sent(case, way.sender)
    if uplink is not None and sent is not None and sent > uplink.mtu:
        return _too_small(way, way.receiver, way.sender, uplink)
    return None


def _too_small(way: WayView, node: str, maker: str, uplink: Link) -> Finding | None:
    """`uplink` of `node` is too small for what the VTEP of `maker` makes, its own or the peer's."""
    case, vtep = way.case, way.case.vtep(maker)
    peer = way.receiver if node == way.sender else way.sender
    if vtep is None:
        return None
    own, full = maker == node, vtep.mtu + overhead(case)
    refuses = (largest_sent(case, peer) or 0) > uplink.mtu
    whose = "its uplink" if own else f"the uplink of {node},"
    return Finding(
        rule="uplink-mtu-lowered-late",
        severity=Severity.ERROR if refuses else Severity.WARNING,
        node=node,
        device=vtep.ifname if own else uplink.ifname,
        sentence=f"{vtep.ifname} on {maker} makes packets of {full} B, and {whose}"
        f" {uplink.ifname}{'' if own else ','} takes {uplink.mtu} B.",
        evidence=(
            *_sizes(node, maker, vtep, uplink, full),
            *_peers_uplink(peer, uplink_below(case, peer)),
            *proof.kernel(way),
            *proof.grown(case, node, uplink, "rx_dropped"),
        ),
        hits=f"packets of more than {room(case, uplink)} B:"
        + (f" what {node} sends is cut into fragments" if own else "")
        + (", and" if own and refuses else "")
        + (f" what others send to {node} is not taken in" if refuses else ""),
        fix=_all_of_one_size(way, node, vtep, uplink, uplink_below(case, peer)),
        confirm=(
            remedies.on(node, f"ip link show {uplink.ifname}"),
            *_ping(way, node, case.lease(peer).public_ip, uplink.mtu),
        ),
        useless=(
            f"restarting flannel while {vtep.ifname} exists: it keeps an existing device whatever"
            " its MTU (device.go, vxlanLinksIncompat)",
        ),
        way=way.way,
        explains=_cut_or_refused(way, node, uplink),
    )


def _all_of_one_size(
    way: WayView, node: str, vtep: Link, uplink: Link, theirs: Link | None
) -> tuple[str, ...]:
    back = _set_back(node, uplink, theirs)
    return (
        *back,
        f"{'or, if it does not, ' if back else ''}name {uplink.mtu} as Backend.MTU (flannel v0.21.3"
        " on; the value is the outer MTU); set it on the devices that are there, restart flannel,"
        " and make the pods anew:",
        remedies.edit_net_conf(way.case),
        *remedies.narrower(vtep.ifname, uplink.mtu - (70 if way.case.family == 6 else 50)),
        remedies.restart_all(way.case),
    )


def _sizes(node: str, maker: str, vtep: Link, uplink: Link, full: int) -> tuple[Evidence, ...]:
    return (
        Evidence(
            label="uplink",
            value=f"{uplink.mtu}",
            source=f"mtu of {node} link {uplink.ifname}",
            differs=True,
        ),
        Evidence(
            label="tunnel",
            value=f"{vtep.mtu}",
            source=f"mtu of {maker} link {vtep.ifname}; {full} with its VXLAN headers",
        ),
    )


def _peers_uplink(peer: str, uplink: Link | None) -> tuple[Evidence, ...]:
    if uplink is None:
        return ()
    source = f"mtu of {peer} link {uplink.ifname}"
    return (Evidence(label="elsewhere", value=f"{uplink.mtu}", source=source),)


def _set_back(node: str, uplink: Link, theirs: Link | None) -> tuple[str, ...]:
    """Only where the other node's is larger: then one of the two is wrong."""
    if theirs is None or theirs.mtu <= uplink.mtu:
        return ()
    return (
        f"give {uplink.ifname} the other nodes' MTU, if what lies behind it carries that:",
        remedies.on(node, f"ip link set {uplink.ifname} mtu {theirs.mtu}"),
    )


def _ping(way: WayView, node: str, peer: str | None, mtu: int) -> tuple[str, ...]:
    if peer is None:
        return ()
    size = mtu - (48 if way.case.family == 6 else 28)
    return (remedies.on(node, f"ping -M do -c 3 -s {size} {shlex.quote(peer)}"),)


def _cut_or_refused(way: WayView, node: str, uplink: Link) -> bool:
    """A large packet was lost on the way to the narrow uplink; or its fragments were, behind it."""
    end = way.end
    size = end.sample.size if end is not None else None
    if end is None or size is None or size <= room(way.case, uplink):
        return False
    if end.outcome is not Outcome.LOST:
        return False
    fragments_lost = node == way.sender and end.lost_at(way.receiver, Device.UPLINK, Direction.IN)
    return fragments_lost or end.lost_at(way.sender, Device.UPLINK, Direction.OUT)
