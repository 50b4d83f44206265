"""Traffic as lines of evidence: how many, where, since when, and the last packet as it was."""

from tracer.core.facts import Facts
from tracer.model.diagnosis import Evidence
from tracer.model.observation import Observation
from tracer.model.packet import Packet
from tracer.model.watch import Deviating, Dropping, Gap, Kind

S = 1_000_000_000

WORDS = {
    Kind.NO_LEASE: "an address that nobody leases",
    Kind.PEER_MAC: "inner destination MAC not the peer's VtepMAC",
    Kind.OWN_MAC: "inner destination MAC not this VTEP's",
    Kind.SENDER_MAC: "inner source MAC not the peer's VtepMAC",
    Kind.OUTER_DST: "outer destination not as it should be",
    Kind.OUTER_SRC: "outer source not as it should be",
    Kind.VNI: "another VNI",
    Kind.PORT: "another UDP port",
    Kind.PLAIN: "without encapsulation",
    Kind.FREED: "freed by the kernel",
}

AT = {
    "from_pod": "cni0 in",
    "to_pod": "cni0 out",
    "vtep_in": "the VTEP in",
    "vtep_out": "the VTEP out",
    "uplink_in": "the uplink in",
    "uplink_out": "the uplink out",
}
"""Hooks, as evidence says devices and directions."""


def deviating(facts: Facts, one: Deviating) -> tuple[Evidence, ...]:
    """How packets deviate, and the last that did."""
    way = one.seen.direction if one.seen is not None else one.direction
    at = " ".join(part for part in (one.node, one.ifname, way.value) if part)
    return (
        Evidence(
            label="traffic",
            value=_amount(one.packets, one.first_ns, one.last_ns),
            source=f"{at}: {WORDS[one.kind]}{_peer(one.peer)}",
            differs=True,
        ),
        *_last(facts, one.seen),
    )


def dropping(facts: Facts, one: Dropping) -> tuple[Evidence, ...]:
    """What the kernel frees, and the last that it freed."""
    return (
        Evidence(
            label="traffic",
            value=_amount(one.packets, one.first_ns, one.last_ns),
            source=f"{one.node} freed in {one.caller or 'an unnamed function'}:"
            f" {one.reason or 'no reason'}{_peer(one.peer)}",
            differs=True,
        ),
        *_last(facts, one.seen),
    )


def gap(one: Gap) -> tuple[Evidence, ...]:
    """What was counted at one hook and not at the next."""
    return (
        Evidence(
            label="traffic",
            value=f"{one.missing:,} of {one.sent:,} packets missing"
            f" in {(one.last_ns - one.first_ns) / S:.1f} s",
            source=f"counted at {one.sender} {AT.get(one.after, one.after)}, not at"
            f" {one.receiver} {AT.get(one.before, one.before)}{_peer(one.peer)}",
            differs=True,
        ),
    )


def wire(packet: Packet) -> str:
    """One packet, its outer headers first: MACs, addresses, protocol."""
    words = []
    outer, inner = packet.outer, packet.inner
    if outer is not None:
        vni = f" vni {outer.vni}" if outer.vni is not None else ""
        words.append(f"{outer.src} > {outer.dst} udp {outer.dst_port}{vni}")
    if inner is not None:
        if inner.src_mac is not None or inner.dst_mac is not None:
            words.append(f"{inner.src_mac or '?'} > {inner.dst_mac or '?'}")
        words.append(f"{inner.src} > {inner.dst} {inner.protocol}")
    return ", ".join(words) or packet.undecodable or "it could not be read"


def _last(facts: Facts, seen: Observation | None) -> tuple[Evidence, ...]:
    packet = facts.packet(seen)
    if packet is None or seen is None:
        return ()
    where = " ".join(part for part in (seen.node, seen.ifname, seen.direction.value) if part)
    return (
        Evidence(label="packet", value=wire(packet), source=f"{where}, the last that was recorded"),
    )


def _amount(packets: int, first_ns: int, last_ns: int) -> str:
    return f"{packets:,} packet{'' if packets == 1 else 's'} in {(last_ns - first_ns) / S:.1f} s"


def _peer(peer: str | None) -> str:
    return f", packets of {peer}" if peer is not None else ""
