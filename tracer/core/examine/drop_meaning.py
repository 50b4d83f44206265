"""What packets that the kernel frees, or that are missing, mean; and which of them are no fault."""

from ipaddress import ip_address, ip_network

from tracer.core.drops import REFUSED, TAKEN, TAKEN_BY, USED_UP
from tracer.core.end import freed_for
from tracer.core.examine.explaining import (
    BY_REASON,
    IN_BETWEEN,
    INSIDE,
    OF_THIS_NODE,
    STALE,
    TWINS,
)
from tracer.core.examine.meaning import Meaning
from tracer.core.examine.quote import AT, S
from tracer.core.examine.seen import vtep_name
from tracer.core.facts import Facts
from tracer.model.diagnosis import Severity
from tracer.model.observation import Device, Drop
from tracer.model.packet import Packet
from tracer.model.watch import Dropping, Gap

DROP, LOSS = "unexplained-drop", "unexplained-loss"

LASTING_NS, KEEPS_ON = 2 * S, 3
"""What is shorter, or rarer, are the packets of a pod that just went, or of a restart."""

_PEERS_OWN = {
    "OTHERHOST": (STALE, "{peer} sends frames to {here} that {here} frees: they are for another"
                  " MAC."),
    "VXLAN_VNI_NOT_FOUND": ("vni-mismatch", "{peer} sends VXLAN to {here} with a VNI that {here}"
                            " has no device for."),
    "VXLAN_INVALID_HDR": ("gbp-mismatch", "{peer} sends VXLAN to {here} with a header that {vtep}"
                          " there does not take."),
    "UDP_CSUM": ("outer-udp-csum-bad", "VXLAN packets of {peer} come in at {here} with a wrong UDP"
                 " checksum, and {here} frees them."),
    "LOCAL_MAC": (TWINS, "Frames of {peer} come in at {here} with the MAC of {here}'s own VTEP."),
}  # fmt: skip
"""Reasons that name a fault of the sender's by themselves: rule, sentence."""

_WRAPPED = frozenset({"VXLAN_VNI_NOT_FOUND", "VXLAN_INVALID_HDR", "UDP_CSUM", "LOCAL_MAC"})
"""Those of a packet that is wrapped up still."""

_A_MOMENT_NS = S
_LEFT_BEHIND = "VXLAN_VNI_NOT_FOUND"
"""A device that goes down or away leaves its socket, which goes a grace period later
(drivers/net/vxlan/vxlan_core.c, vxlan_sock_release): what comes in meanwhile finds no VNI."""

_A_POLICY_MAY = ("NETFILTER_DROP", "TC_INGRESS", "TC_EGRESS", "XDP")


def of_dropping(facts: Facts, one: Dropping) -> Meaning | None:
    """None: no fault. They had come to where they were to go, or the sender was told."""
    drop = Drop(reason=one.reason, caller=one.caller)
    packet = facts.packet(one.seen)
    reason = next((name for name in BY_REASON if freed_for(drop, name)), one.reason) or ""
    if _used_up(drop, packet) or _in_a_pod(facts, one):
        return None
    told = _of_the_peer(facts, one, reason, packet) or Meaning(
        rule=DROP,
        node=one.node,
        sentence=f"The kernel of {one.node} frees packets {_whose(one)}"
        f" ({one.reason or 'it names no reason'}, in {one.caller or 'an unnamed function'});"
        " no rule of flantrace explains why.",
        severity=Severity.WARNING if reason in _A_POLICY_MAY else Severity.ERROR,
        device=one.seen.ifname or None if one.seen is not None else None,
        opens=_lasts(one) and one.peer is not None and not _usual(facts, one, reason, packet),
    )
    there = {one.node}
    if one.peer is not None and reason not in OF_THIS_NODE:
        there.add(one.peer)
    return told._replace(named_by=BY_REASON.get(reason, INSIDE), there=frozenset(there))


def _of_the_peer(facts: Facts, one: Dropping, reason: str, packet: Packet | None) -> Meaning | None:
    """What the sender's fault must be, or that of the one who does not answer."""
    if one.peer is None:
        return None
    if reason == "NEIGH_FAILED" and _unanswered(facts, one, packet):
        return Meaning(
            rule="uplink-down",
            node=one.peer,
            sentence=f"Nobody answers for the address that {one.peer} publishes, and {one.node}"
            " frees what it has for its pods.",
            also=("wrong-interface",),
        )
    wrapped = packet is not None and packet.outer is not None
    if reason not in _PEERS_OWN or (packet is not None and wrapped is not (reason in _WRAPPED)):
        return None
    if reason == "OTHERHOST" and one.seen is not None and one.seen.device is not Device.VTEP:
        # By another device it came for another reason: a pod's, or that of another network.
        return None
    vtep = vtep_name(facts, one.node, 6 if ":" in (one.subnet or "") else 4)
    rule, sentence = _PEERS_OWN[reason]
    sentence = sentence.format(peer=one.peer, here=one.node, vtep=vtep)
    opens = reason != _LEFT_BEHIND or one.last_ns - one.first_ns >= _A_MOMENT_NS
    return Meaning(rule=rule, node=one.peer, sentence=sentence, device=vtep, opens=opens)


def of_gap(facts: Facts, one: Gap) -> Meaning:
    """Between two nodes it may be the network's doing: only an active test tells which."""
    nodes = frozenset((one.sender, one.receiver, one.peer))
    if one.sender != one.receiver:
        return Meaning(
            rule=LOSS,
            node=one.sender,
            sentence=f"Packets of {one.sender} for {one.receiver} leave, and do not come in there:"
            " only a test of the network between them tells why.",
            named_by=IN_BETWEEN,
            there=nodes,
            also=("cloud-sg-8472", "nsx-intercepts-8472", "underlay-mtu-blackhole"),
            device=_uplink(facts, one.sender),
        )
    where = f"after {AT.get(one.after, one.after)}, before {AT.get(one.before, one.before)}"
    return Meaning(
        rule=DROP,
        node=one.sender,
        sentence=f"Packets from and to pods of {one.peer} are lost on {one.sender} {where};"
        " no rule of flantrace explains why.",
        named_by=INSIDE,
        there=nodes,
        device=_device_at(facts, one.sender, one.before),
        opens=one.last_ns - one.first_ns >= LASTING_NS and one.missing >= KEEPS_ON,
    )


def _unanswered(facts: Facts, one: Dropping, packet: Packet | None) -> bool:
    """It was wrapped up and waited for the MAC of the peer's published address."""
    outer = packet.outer if packet is not None else None
    return outer is not None and any(
        lease.node == one.peer and lease.public_ip == outer.dst for lease in facts.leases
    )


def _used_up(drop: Drop, packet: Packet | None) -> bool:
    """As core/drops.py has it: what is wrapped up still has not come to any socket of a pod."""
    reason, caller = drop.reason, drop.caller or ""
    if reason in USED_UP:
        return True
    if packet is not None and packet.outer is not None:
        return False
    if reason in (None, "NOT_SPECIFIED"):
        return caller.startswith(TAKEN_BY)
    if reason == "NO_SOCKET" and packet is None:
        # Nobody saw what it was: that of VXLAN's own port is a fault.
        return False
    return reason in TAKEN or (reason.startswith("TCP_") and reason not in REFUSED)


def _in_a_pod(facts: Facts, one: Dropping) -> bool:
    """It has reached a namespace of its own; what a pod's side refuses is still refused."""
    state, seen = facts.bundle.nodes.get(one.node), one.seen
    if state is None or seen is None or not state.netns or seen.netns in (0, state.netns):
        return False
    return one.reason not in REFUSED


def _lasts(one: Dropping) -> bool:
    return one.last_ns - one.first_ns >= LASTING_NS and one.packets >= KEEPS_ON


def _usual(facts: Facts, one: Dropping, reason: str, packet: Packet | None) -> bool:
    """Its sender was told that it is too big, a switch flooded it, or the pod it is for is gone."""
    if reason == "PKT_TOO_BIG":
        return True
    if reason == "OTHERHOST":
        return packet is not None and packet.outer is not None
    if reason not in ("NEIGH_FAILED", "NEIGH_QUEUEFULL") or packet is None or packet.inner is None:
        return False
    dst = packet.inner.dst
    return _in_subnet_of(facts, one.node, dst) and not any(
        dst in pod.ips for pod in facts.pods_on(one.node)
    )


def _in_subnet_of(facts: Facts, node: str, ip: str) -> bool:
    return any(
        one.pod_cidr is not None and ip_address(ip) in ip_network(one.pod_cidr)
        for one in facts.leases
        if one.node == node
    )


def _whose(one: Dropping) -> str:
    return f"from and to pods of {one.peer}" if one.peer is not None else "of nobody's addresses"


def _uplink(facts: Facts, node: str) -> str | None:
    tables = facts.tables_if_read(node)
    link = tables.uplink(None) if tables is not None else None
    return link.ifname if link is not None else None


def _device_at(facts: Facts, node: str, hook: str) -> str | None:
    if hook.startswith("vtep"):
        return vtep_name(facts, node, 4)
    if hook.startswith("uplink"):
        return _uplink(facts, node)
    tables = facts.tables_if_read(node)
    link = tables.bridge() if tables is not None else None
    return link.ifname if link is not None else None
