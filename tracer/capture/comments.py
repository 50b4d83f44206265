"""What a packet's comment says in Wireshark, and what the file's does."""

from collections.abc import Iterable, Iterator

from tracer.core.labels import Label, Labelled
from tracer.core.sightings import vxlan_ports
from tracer.core.words import end_word
from tracer.model.bundle import Bundle
from tracer.model.diagnosis import Diagnosis
from tracer.model.observation import Direction
from tracer.model.packet import Inner, Packet
from tracer.model.path import Entry, Hop, Mark, Outcome, Path
from tracer.model.request import End, ProbeKind, ProbePlan

LONGEST = 4096
"""Characters of a comment; an option holds 64 KiB, and nobody reads that."""

DECODED = frozenset({4789})
"""UDP ports that Wireshark takes for VXLAN unasked: IANA's, not Linux's."""


def safe(text: str) -> str:
    """Printable, and no longer than a comment may be: names come from elsewhere."""
    shown = text if text.isprintable() else "".join(map(_shown, text))
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 3]}..."


def _shown(one: str) -> str:
    return one if one.isprintable() else one.encode("unicode_escape").decode()


def of_packet(seen: Labelled, plan: ProbePlan | None) -> str:
    """`request 1, hop 5 of 5: node-b flannel.1 in | vtep ... BAD, should be ... | DROPPED ...`."""
    if seen.label is None:
        words = ["on no path of this trace: " + "  ".join(_words(seen.packet))]
        drop = seen.observation.drop
        words += [f"freed: {_freed(drop.reason, drop.caller)}"] if drop is not None else []
        return safe(" | ".join(words))
    path = seen.label.path
    return safe(" | ".join((*_hop(seen, seen.label, plan), _outcome(path))))


def _hop(seen: Labelled, label: Label, plan: ProbePlan | None) -> Iterator[str]:
    path, at = label.path, seen.observation
    name = _name(path, plan)
    if label.more:
        name += f" and {label.more} more"
    if label.number is None:
        drop = at.drop
        if drop is None:
            yield f"{name}, a copy, not on its way: {at.node} {at.ifname} {at.direction.value}"
        else:
            yield f"{name}, freed without an end to it: {_freed(drop.reason, drop.caller)}"
        return
    hop = path.hops[label.number - 1]
    where = f"{hop.node} {hop.ifname} {hop.direction.value}".replace("  ", " ")
    yield f"{name}, hop {label.number} of {len(path.hops)}: {where}"
    if hop.packet is not None and hop.packet.arp is not None:
        yield f"waits for {'  '.join(_words(hop.packet))}"
    if hop.drop is not None and hop.drop != path.drop:
        yield _freed(hop.drop.reason, hop.drop.caller)
    if hop.times > 1:
        yield f"{hop.times} times"
    yield from map(_entry, hop.entries)


def _name(path: Path, plan: ProbePlan | None) -> str:
    """As the terminal names it: by number, by size where that is the point, by its own words."""
    if path.seq is None:
        return f"{path.way.value} {path.inner_id.protocol} {path.inner_id.token}"
    full = plan is not None and plan.full_mtu and plan.kind is ProbeKind.ICMP
    if plan is not None and full and path.seq > plan.count:
        return f"{path.way.value} of {path.size} B"
    return f"{path.way.value} {path.seq}"


def _entry(entry: Entry) -> str:
    words = f"{entry.table} {entry.text} {entry.mark.value}".rstrip()
    if entry.mark is Mark.BAD and entry.expected is not None:
        because = f", says {entry.because}" if entry.because is not None else ""
        words += f", should be {entry.expected}{because}"
    return words


def _freed(reason: str | None, caller: str | None) -> str:
    return f"{reason or 'no reason'} in {caller or 'an unnamed function'}"


def _outcome(path: Path) -> str:
    word, end = path.outcome.value.upper(), path.end
    if path.outcome is Outcome.DROPPED and path.drop is not None and end is not None:
        at = f" at {end.ifname}" if end.ifname else ""
        return f"{word} on {end.node}{at}: {_freed(path.drop.reason, path.drop.caller)}"
    if path.outcome is Outcome.LOST:
        last: Hop | None = path.hops[-1] if path.hops else None
        after = f" after {last.node} {last.ifname} {last.direction.value}" if last else ""
        return f"{word}{after}: seen nowhere else, {path.doubt or 'freed nowhere'}"
    if path.outcome is Outcome.UNKNOWN:
        return f"{word}: {path.doubt or 'not all was seen'}"
    return word


def _words(packet: Packet) -> Iterator[str]:
    """A packet that no path has, as far as it can be read."""
    if packet.outer is not None:
        outer = packet.outer
        vni = f"vni {outer.vni}" if outer.vni is not None else "no vxlan header"
        yield f"{outer.src} > {outer.dst} udp {outer.dst_port} {vni}"
    if packet.arp is not None:
        kind = "ndp" if ":" in packet.arp.target_ip else "arp"
        yield f"{kind} {packet.arp.operation} {packet.arp.target_ip}"
    elif packet.inner is not None:
        yield from _inner(packet.inner)
    if packet.undecodable is not None:
        yield packet.undecodable
    elif packet.truncated:
        yield "cut off before its headers end"


def _inner(inner: Inner) -> Iterator[str]:
    yield f"{inner.src} > {inner.dst}"
    if inner.quoted is not None:
        about = f"{inner.quoted.protocol} {inner.quoted.token}"
        yield f"{inner.protocol} type {inner.icmp_type} code {inner.icmp_code} about {about}"
    elif inner.icmp_type is not None:
        seq = f" id {inner.icmp_id} seq {inner.icmp_seq}" if inner.icmp_seq is not None else ""
        yield f"{inner.protocol} type {inner.icmp_type}{seq}"
    elif inner.src_port is not None:
        yield f"{inner.protocol} {inner.src_port} > {inner.dst_port}"
    else:
        yield inner.protocol


def of_section(bundle: Bundle, diagnosis: Diagnosis, clocks: Iterable[str]) -> str:
    """The answer, how it was recorded, and what this file does not say."""
    return "\n".join(map(safe, _section(bundle, diagnosis, clocks)))


def _section(bundle: Bundle, diagnosis: Diagnosis, clocks: Iterable[str]) -> Iterator[str]:
    verdict, request = diagnosis.verdict, diagnosis.request
    rule = f"  [{verdict.rule}]" if verdict.rule is not None else ""
    yield f"{verdict.outcome.value.upper()}  {verdict.sentence}{rule}"
    if diagnosis.findings and diagnosis.findings[0].rule == verdict.rule:
        yield diagnosis.findings[0].sentence
    yield f"{_end(request.source)} > {_end(request.destination)}"
    yield f"Recorded {diagnosis.recorded_at} by flantrace {diagnosis.recorded_by}."
    for agent in bundle.agents.values():
        drops = "and the kernel's drops" if agent.drops else "but no drops of the kernel"
        lost = "an unknown number" if agent.lost is None else str(agent.lost)
        yield f"{agent.node}: seen by {agent.attach or 'nothing'}, {drops}; {lost} records lost."
    yield from clocks
    yield (
        "Within a node the order is that of its own clock. Two nodes' clocks differ: the order"
        " between packets of different nodes proves nothing."
    )
    yield "Packets are cut after their headers; their lengths are those on the wire."
    if any(one.direction is Direction.FREED for one in bundle.observations):
        yield (
            "NODE:freed holds what the kernel freed, from the network header on: it has no link"
            " layer. On NODE:freed-arp the 16 bytes of cooked header are not the kernel's."
        )
    for port in sorted(vxlan_ports(bundle) - DECODED):
        yield f"VXLAN on udp {port}: Decode As, or tshark -d udp.port=={port},vxlan"


def _end(end: End) -> str:
    return f"{end_word(end)} {end.ip} on {end.node}"
