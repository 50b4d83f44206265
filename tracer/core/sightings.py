"""Observations, decoded and told apart: whose packet each one is, and which way it goes."""

from collections.abc import Iterator
from dataclasses import dataclass

from tracer.core.decode import decode
from tracer.core.identity import ECHO_REPLY, ECHO_REQUEST, identity
from tracer.core.leases import DEFAULT_PORT, net_conf
from tracer.model.bundle import Bundle
from tracer.model.message import Sent
from tracer.model.observation import Direction, Observation
from tracer.model.packet import Inner, InnerId, Packet
from tracer.model.path import Way
from tracer.model.request import ProbeKind


@dataclass(frozen=True, slots=True)
class Sighting:
    """One observation with its decoded packet and, where it can be told, its identity."""

    observation: Observation
    packet: Packet
    inner_id: InnerId | None
    joined: Inner | None = None
    """Of a freed packet whose headers are cut off: what its skb was just before."""

    @property
    def freed(self) -> bool:
        """The kernel freed the packet."""
        return self.observation.direction is Direction.FREED


USUAL_PORTS = frozenset({DEFAULT_PORT, 4789})
"""Linux's own and IANA's: half a cluster on the other one is a fault to be seen, not missed."""


def is_answer(bundle: Bundle, sent: Sent) -> bool:
    """The destination itself answered. An ICMP error from somewhere on the way is no answer."""
    if sent.reply in ("echo reply", "SYN-ACK", "RST", "datagram"):
        return True
    plan = bundle.traced.plan
    return (
        plan is not None
        and plan.kind is ProbeKind.UDP
        and sent.reply is not None
        and "port unreachable" in sent.reply
        and sent.reply_from == bundle.traced.destination.ip
    )


def vxlan_ports(bundle: Bundle) -> frozenset[int]:
    """Every UDP port that carries VXLAN on one of the nodes, or is meant to."""
    own = {
        link.vxlan.port
        for state in bundle.nodes.values()
        for link in state.links
        if link.vxlan is not None
    }
    read = net_conf(bundle.cluster, bundle.nodes.values())
    return USUAL_PORTS | own | ({read.port} if read is not None else set())


def sightings(bundle: Bundle) -> list[Sighting]:
    """All observations, each node's in the order of its own clock.

    A freed packet whose headers are cut off gets the identity that its skb had just before on the
    same node: an address alone is no identity, so it must not have been freed in between.
    """
    ports = vxlan_ports(bundle)
    found: list[Sighting] = []
    carried: dict[tuple[str, int], Sighting] = {}
    for observation in sorted(bundle.observations, key=lambda one: (one.node, one.time_ns)):
        packet = decode(observation, ports)
        one = Sighting(observation, packet, identity(packet))
        key = (observation.node, observation.skb)
        before = carried.pop(key, None)
        if not observation.skb:
            pass  # a capture's: nothing tells which buffer it was
        elif not one.freed:
            known = one if one.inner_id is not None else before if _cut_off(packet) else None
            if known is not None:
                carried[key] = known
        elif before is not None and one.inner_id is None and _cut_off(packet):
            one = Sighting(observation, packet, before.inner_id, joined=before.packet.inner)
        found.append(one)
    return found


def _cut_off(packet: Packet) -> bool:
    """Nothing in it contradicts that it is the packet its skb was: ARP or a datagram would."""
    whole_outer = packet.outer is not None and not packet.truncated
    return packet.inner is None and packet.arp is None and not whole_outer


def way_of(bundle: Bundle, sighting: Sighting) -> Way | None:
    """Request or reply; None: not a packet of this trace (an ICMP error, ARP, another ping)."""
    inner, inner_id = sighting.packet.inner or sighting.joined, sighting.inner_id
    if inner_id is None:
        return None
    source, destination = bundle.traced.source.ip, bundle.traced.destination.ip
    if inner is not None and inner.quoted is not None and not _answers(bundle, inner):
        return None
    if (inner_id.src, inner_id.dst) == (source, destination):
        way = Way.REQUEST
    elif (inner_id.src, inner_id.dst) == (destination, source):
        way = Way.REPLY
    else:
        return None
    return way if inner is None or _is_ours(bundle, inner, way) else None


def _answers(bundle: Bundle, inner: Inner) -> bool:
    """The destination itself says that nobody listens: the answer to a UDP probe."""
    plan = bundle.traced.plan
    return (
        plan is not None
        and plan.kind is ProbeKind.UDP
        and inner.src == bundle.traced.destination.ip
    )


def _is_ours(bundle: Bundle, inner: Inner, way: Way) -> bool:
    """Of a trace with probes only the probes and their answers count."""
    request = bundle.traced
    if request.plan is None:
        return True
    echo = (inner.protocol, inner.icmp_type) in (ECHO_REQUEST if way is Way.REQUEST else ECHO_REPLY)
    if request.plan.kind is ProbeKind.ICMP:
        return echo and request.probe_id in (None, inner.icmp_id)
    if inner.quoted is not None:
        return True
    own = inner.src_port if way is Way.REQUEST else inner.dst_port
    if inner.protocol != request.plan.kind.value or own not in _ports_sent(bundle):
        return False
    return request.plan.kind is not ProbeKind.TCP or _opens(inner, way)


def _ports_sent(bundle: Bundle) -> Iterator[int | None]:
    return (sent.src_port for sent in bundle.sent)


def _opens(inner: Inner, way: Way) -> bool:
    """The probe is the SYN, its answer a SYN-ACK or RST; what closes the connection is neither."""
    flags = inner.tcp_flags or ""
    if way is Way.REQUEST:
        return "S" in flags and "A" not in flags
    return "S" in flags or "R" in flags


def seq_of(bundle: Bundle, inner: Inner | None, way: Way) -> int | None:
    """The probe's number; None for the pods' own traffic."""
    if inner is None or bundle.traced.plan is None:
        return None
    if inner.icmp_seq is not None:
        return inner.icmp_seq
    if inner.quoted is not None:
        port = inner.quoted.token.partition(">")[0]
        own = int(port) if port.isdigit() else None
    else:
        own = inner.src_port if way is Way.REQUEST else inner.dst_port
    return next((sent.seq for sent in bundle.sent if sent.src_port == own), None)


def icmp_errors(bundle: Bundle) -> Iterator[Sighting]:
    """ICMP errors about packets of the trace: who says that it could not go on, and why."""
    source, destination = bundle.traced.source.ip, bundle.traced.destination.ip
    seen: set[tuple[str, InnerId]] = set()
    for sighting in sightings(bundle):
        inner, inner_id = sighting.packet.inner, sighting.inner_id
        if inner is None or inner_id is None or inner.quoted is None:
            continue
        key = (sighting.observation.node, inner_id)
        if {inner.quoted.src, inner.quoted.dst} == {source, destination} and key not in seen:
            seen.add(key)
            yield sighting
