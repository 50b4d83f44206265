"""One packet in words, as far as a hop has something new to say of it."""

from tracer.model.observation import Device, Direction
from tracer.model.packet import Arp, Inner, Packet
from tracer.model.path import Hop


def describe(hop: Hop, before: Hop | None) -> str:
    """What to say at this hop: all of it where a node begins, then what has changed."""
    packet = hop.packet
    if hop.drop is not None:
        return _drop(hop)
    if packet is None:
        return ""
    if packet.outer is not None:
        return _outer(packet, hop)
    if packet.inner is None:
        return packet.undecodable or ""
    words = _inner(packet.inner, hop, before)
    if hop.times > 1:
        words.append(f"{hop.times} times")
    if hop.part is not None:
        words.append(f"{hop.part[0]} of {hop.part[1]} B")
    return "  ".join(words)


def _drop(hop: Hop) -> str:
    drop = hop.drop
    reason = drop.reason if drop is not None and drop.reason else "freed"
    caller = drop.caller if drop is not None and drop.caller else "an unnamed function"
    arp = hop.packet.arp if hop.packet is not None else None
    # What was freed is the question about the next hop, while the packet itself waits.
    whose = f"  ({question(arp)})" if arp is not None else ""
    return f"{reason} in {caller}{whose}"


def question(arp: Arp) -> str:
    """`arp who-has 10.244.2.0`; IPv6 asks by its neighbour discovery protocol."""
    return f"{'ndp' if ':' in arp.target_ip else 'arp'} {arp.operation} {arp.target_ip}"


def _outer(packet: Packet, hop: Hop) -> str:
    outer = packet.outer
    if outer is None:
        return ""
    words = [f"{outer.src} > {outer.dst}", f"udp {outer.dst_port}"]
    words.append(f"vni {outer.vni}" if outer.vni is not None else "no vxlan header")
    if outer.fragment:
        words.append("fragment")
    words += _length(hop)
    return "  ".join(words)


def _inner(inner: Inner, hop: Hop, before: Hop | None) -> list[str]:
    pair = f"{inner.src} > {inner.dst}"
    if (hop.device, hop.direction) == (Device.VTEP, Direction.IN):
        return [pair, f"to {inner.dst_mac or 'an unknown MAC'}"]
    if before is None or before.node != hop.node:
        return [pair, _protocol(inner), f"ttl {inner.ttl}", *_length(hop)]
    last = before.packet.inner if before.packet is not None else None
    words = []
    if last is not None and (last.src, last.dst) != (inner.src, inner.dst):
        # Translated on the way: the pair that it began with is gone.
        words.append(pair)
    if last is None or last.ttl != inner.ttl:
        words.append(f"ttl {inner.ttl}")
    if hop.device is Device.UPLINK:
        words.append("not encapsulated")
    return words


def _length(hop: Hop) -> list[str]:
    if hop.length is None:
        return []
    return [f"{hop.length} B in segments of {hop.gso_size}" if hop.gso_size else f"{hop.length} B"]


def _protocol(inner: Inner) -> str:
    if inner.protocol in ("icmp", "icmpv6"):
        kind = {0: "reply", 129: "reply", 8: "echo", 128: "echo"}.get(inner.icmp_type or 0, "error")
        seq = f" seq {inner.icmp_seq}" if inner.icmp_seq is not None else ""
        return f"{inner.protocol} {kind}{seq}"
    ports = f" {inner.src_port} > {inner.dst_port}" if inner.src_port is not None else ""
    flags = f" [{inner.tcp_flags}]" if inner.tcp_flags else ""
    return f"{inner.protocol}{ports}{flags}"
