"""A recording as pcapng: real headers, an interface for each device, comments that say why.

python-pcapng writes the blocks (all but packets without a byte, which it refuses). Nothing is put
before a packet but where the kernel's record of a freed ARP begins at ARP itself, which no link
type but a cooked one can carry.
"""

import io
import struct
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from pcapng import FileWriter
from pcapng.blocks import EnhancedPacket, InterfaceDescription, SectionHeader

from tracer.capture.comments import of_packet, of_section, safe
from tracer.capture.linktypes import COOKED, ETHERNET, RAW
from tracer.capture.moments import nanoseconds
from tracer.core.labels import Labelled, labelled
from tracer.model.bundle import Bundle
from tracer.model.diagnosis import Diagnosis
from tracer.model.observation import Device, Direction, Observation

NANOSECONDS = b"\x09"
"""if_tsresol: ten to the power of minus nine."""

_FLAGS = {Direction.IN: 1, Direction.OUT: 2}
"""Bits 0 and 1 of epb_flags: inbound, outbound; 0 says nothing."""

_ROLES = {
    Device.POD: "a pod's veth",
    Device.BRIDGE: "bridge",
    Device.VTEP: "VTEP",
    Device.UPLINK: "uplink",
    Device.UNKNOWN: "a device",
}

_LATEST = (1 << 64) - 1


class _Interface(NamedTuple):
    """What tells one interface from another."""

    name: str
    link_type: int


def pcapng(bundle: Bundle, diagnosis: Diagnosis) -> bytes:
    """The bundle's packets with the diagnosis as comments; the same bundle gives the same bytes.

    Times are each node's wall clock, where its state tells it, to the nanosecond.
    """
    clocks = _clocks(bundle)
    packets = sorted(
        ((_wall(clocks, one.observation), one) for one in labelled(bundle, diagnosis.paths)),
        key=itemgetter(0),
    )
    section = SectionHeader(
        endianness="<",
        options={
            "opt_comment": of_section(bundle, diagnosis, _gaps(bundle, clocks)),
            "shb_userappl": safe(f"flantrace {diagnosis.recorded_by}"),
        },
    )
    descriptions = {
        key: _description(section, key, words) for key, words in _interfaces(bundle).items()
    }
    out = io.BytesIO()
    writer = FileWriter(out, section)
    for moment, one in packets:
        if not one.observation.headers:
            continue
        interface = descriptions[_interface(one.observation)].interface_id
        writer.write_block(_packet(section, interface, moment, one, diagnosis))
    return out.getvalue()


def _interfaces(bundle: Bundle) -> dict[_Interface, str]:
    """Every device that was watched or seen -> what it is, node by node."""
    found: dict[_Interface, str] = {}
    for node, agent in sorted(bundle.agents.items()):
        for point in agent.points:
            key = _Interface(f"{node}:{point.ifname}", ETHERNET)
            mac = f", MAC {point.mac}" if point.mac is not None else ""
            found[key] = f"{_ROLES[point.device]} of {node}{mac}"
    for one in bundle.observations:
        key = _interface(one)
        if key not in found:
            freed = one.direction is Direction.FREED
            what = "what the kernel freed on" if freed else f"{_ROLES[one.device]} of"
            found[key] = f"{what} {one.node}"
    return dict(sorted(found.items()))


def _interface(one: Observation) -> _Interface:
    if one.direction is Direction.FREED:
        ip = _is_ip(one)
        return _Interface(f"{one.node}:{'freed' if ip else 'freed-arp'}", RAW if ip else COOKED)
    kind = ETHERNET if one.ethernet else RAW if _is_ip(one) else COOKED
    return _Interface(f"{one.node}:{one.ifname}", kind)


def _is_ip(one: Observation) -> bool:
    """Of either version: the header itself says which."""
    return one.ethertype in (None, 0x0800, 0x86DD)


def _description(section: SectionHeader, key: _Interface, description: str) -> InterfaceDescription:
    options = {
        "if_name": safe(key.name),
        "if_description": safe(description),
        "if_tsresol": NANOSECONDS,
    }
    return section.new_member(InterfaceDescription, link_type=key.link_type, options=options)


def _packet(
    section: SectionHeader, interface: int, moment: int, seen: Labelled, diagnosis: Diagnosis
) -> EnhancedPacket:
    one = seen.observation
    data, length = one.headers, max(one.length, len(one.headers))
    if _interface(one).link_type == COOKED:
        data, length = _cooked(one) + data, length + 16
    options: dict[str, Any] = {"opt_comment": of_packet(seen, diagnosis.request.plan)}
    if one.direction in _FLAGS:
        options["epb_flags"] = _FLAGS[one.direction]
    return section.new_member(
        EnhancedPacket,
        interface_id=interface,
        timestamp_high=moment >> 32,
        timestamp_low=moment & 0xFFFFFFFF,
        packet_len=min(length, 0xFFFFFFFF),
        packet_data=data,
        options=options,
    )


def _cooked(one: Observation) -> bytes:
    """LINKTYPE_LINUX_SLL's header: from an Ethernet device, no address known."""
    return struct.pack("!HHH8xH", 0, 1, 0, (one.ethertype or 0) & 0xFFFF)


def _clocks(bundle: Bundle) -> dict[str, int]:
    """Node -> what to add to its monotonic clock for its wall clock, in nanoseconds."""
    found = {}
    for node, state in bundle.nodes.items():
        captured = nanoseconds(state.captured_at)
        if captured is not None:
            found[node] = captured - state.monotonic_ns
    recorded = nanoseconds(bundle.created_at) or 0
    for one in sorted(bundle.observations, key=lambda one: one.time_ns):
        found.setdefault(one.node, recorded - one.time_ns)
    return found


def _gaps(bundle: Bundle, clocks: Mapping[str, int]) -> Iterator[str]:
    """What the file cannot show, in words."""
    empty = sum(not one.headers for one in bundle.observations)
    if empty:
        yield f"{empty} records hold no byte of their packet and are left out."
    for node in sorted(clocks):
        state = bundle.nodes.get(node)
        if state is None or nanoseconds(state.captured_at) is None:
            yield (
                f"{node}'s wall clock is not known: its first packet is put at {bundle.created_at},"
                " when the recording began."
            )


def _wall(clocks: Mapping[str, int], one: Observation) -> int:
    return min(max(0, clocks[one.node] + one.time_ns), _LATEST)
