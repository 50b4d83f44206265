"""A trace's packets, held against the leases as bpf/hold.h does: what a watch would have seen."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from msgspec.structs import replace

from tracer.core.decode import decode
from tracer.core.facts import Facts
from tracer.core.held import Held, HeldOwn, HeldPeer, held
from tracer.model.bundle import Bundle
from tracer.model.observation import Device, Direction, Observation
from tracer.model.packet import Packet
from tracer.model.request import CheckRequest
from tracer.model.watch import Deviating, Dropping, Gap, Kind, Watched

S = 1_000_000_000
LASTS_NS = 4 * S
"""A fault goes on; a trace sends its packets in a moment."""


def watch_of(trace: Bundle, *nodes: str) -> Bundle:
    """The bundle of a watch of these nodes, at the end of the trace."""
    facts = Facts(trace)
    deviating = [one for node in nodes for one in _deviating(facts, node)]
    dropping = [one for node in nodes for one in _dropping(facts, node)]
    return replace(
        trace,
        request=None,
        check=CheckRequest(nodes=nodes),
        nodes={node: trace.nodes[node] for node in nodes},
        agents={},
        observations=(),
        sent=(),
        datagrams=(),
        watched=Watched(
            time_ns=0,
            deviating=tuple(deviating),
            dropping=tuple(dropping),
            gaps=tuple(_gaps(facts, nodes)),
        ),
    )


def _held(facts: Facts, node: str) -> Held | None:
    if facts.net_conf is None:
        return None
    vteps = {family: facts.vtep(node, family) for family in (4, 6)}
    return held(node, facts.leases, facts.net_conf, vteps)


def _seen(facts: Facts, node: str, expected: Held) -> Iterator[tuple[Observation, Packet]]:
    for one in facts.bundle.observations:
        if one.node == node:
            packet = decode(one, frozenset(expected.ports))
            if packet.inner is not None:
                yield one, packet


def _peer_of(expected: Held, ip: str) -> tuple[bool, HeldPeer | None]:
    """(is it of the pods' network, but not of this node, whose it is)."""
    address = ip_address(ip)
    if not any(address in ip_network(net) for net in expected.networks):
        return False, None
    if any(address in ip_network(own.subnet) for own in expected.own):
        return False, None
    for peer in expected.peers:
        if address in ip_network(peer.subnet):
            return True, peer
    return True, None


def _deviating(facts: Facts, node: str) -> Iterator[Deviating]:
    expected = _held(facts, node)
    if expected is None:
        return
    found: dict[tuple[str | None, Kind], Deviating] = {}
    for one, packet in _seen(facts, node, expected):
        if one.direction is Direction.FREED or one.device not in (Device.VTEP, Device.UPLINK):
            continue
        assert packet.inner is not None
        leaves = one.direction is Direction.OUT
        ours, peer = _peer_of(expected, packet.inner.dst if leaves else packet.inner.src)
        if not ours:
            continue
        for kind in _kinds(expected, peer, one, packet, leaves=leaves):
            key = (peer.node if peer else None, kind)
            before = found.get(key)
            found[key] = Deviating(
                node=node,
                peer=key[0],
                subnet=peer.subnet if peer else None,
                kind=kind,
                direction=one.direction,
                ifname=one.ifname,
                packets=before.packets + 1 if before else 1,
                first_ns=before.first_ns if before else one.time_ns,
                last_ns=one.time_ns + LASTS_NS,
                seen=one,
            )
    yield from found.values()


def _kinds(
    expected: Held, peer: HeldPeer | None, one: Observation, packet: Packet, *, leaves: bool
) -> Iterator[Kind]:
    inner, outer = packet.inner, packet.outer
    assert inner is not None
    family = 6 if ":" in inner.dst else 4
    own = next((mine for mine in expected.own if mine.family == family), None)
    if peer is None:
        yield Kind.NO_LEASE
        return
    if one.device is Device.UPLINK and outer is None:
        if not peer.plain:
            yield Kind.PLAIN
        return
    if own is None:
        return
    if leaves and peer.vtep_mac not in (None, inner.dst_mac):
        yield Kind.PEER_MAC
    if not leaves and own.mac not in (None, inner.dst_mac):
        yield Kind.OWN_MAC
    if not leaves and peer.vtep_mac not in (None, inner.src_mac):
        yield Kind.SENDER_MAC
    if outer is not None:
        yield from _outer_kinds(own, peer, packet, leaves=leaves)


def _outer_kinds(own: HeldOwn, peer: HeldPeer, packet: Packet, *, leaves: bool) -> Iterator[Kind]:
    outer = packet.outer
    assert outer is not None
    source, destination = (own.local, peer.public_ip)[:: 1 if leaves else -1]
    if destination not in (None, outer.dst):
        yield Kind.OUTER_DST
    if source not in (None, outer.src):
        yield Kind.OUTER_SRC
    if outer.vni != own.vni:
        yield Kind.VNI
    if outer.dst_port != own.port:
        yield Kind.PORT


def _dropping(facts: Facts, node: str) -> Iterator[Dropping]:
    expected = _held(facts, node)
    if expected is None:
        return
    found: dict[tuple[str | None, str | None, str | None], Dropping] = {}
    for one, packet in _seen(facts, node, expected):
        if one.direction is not Direction.FREED or one.drop is None:
            continue
        assert packet.inner is not None
        ours, peer = _peer_of(expected, packet.inner.dst)
        if not ours:
            ours, peer = _peer_of(expected, packet.inner.src)
        if not ours:
            continue
        key = (peer.node if peer else None, one.drop.reason, one.drop.caller)
        before = found.get(key)
        found[key] = Dropping(
            node=node,
            peer=key[0],
            subnet=peer.subnet if peer else None,
            reason=key[1],
            caller=key[2],
            packets=(before.packets if before else 3) + 1,
            first_ns=before.first_ns if before else one.time_ns,
            last_ns=one.time_ns + LASTS_NS,
            seen=one,
        )
    yield from found.values()


def _gaps(facts: Facts, nodes: tuple[str, ...]) -> Iterator[Gap]:
    """Between uplinks, of every two of these nodes."""
    for sender in nodes:
        for receiver in nodes:
            if sender == receiver:
                continue
            sent = _crossing(facts, sender, Direction.OUT, sender, receiver)
            came = _crossing(facts, receiver, Direction.IN, sender, receiver)
            if sent > came:
                yield Gap(
                    sender=sender, receiver=receiver, peer=receiver, after="uplink_out",
                    before="uplink_in", sent=sent, missing=sent - came, first_ns=0,
                    last_ns=LASTS_NS,
                )  # fmt: skip


def _crossing(facts: Facts, at: str, direction: Direction, sender: str, receiver: str) -> int:
    """Packets of the sender's subnet for the receiver's, at one node's uplink."""
    expected = _held(facts, at)
    if expected is None:
        return 0
    nets = {one.node: ip_network(one.pod_cidr) for one in facts.leases if one.pod_cidr}
    return sum(
        one.device is Device.UPLINK
        and one.direction is direction
        and packet.inner is not None
        and sender in nets
        and receiver in nets
        and ip_address(packet.inner.src) in nets[sender]
        and ip_address(packet.inner.dst) in nets[receiver]
        for one, packet in _seen(facts, at, expected)
    )
