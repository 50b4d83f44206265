"""What lies between a capture's frame and the packet: Ethernet, cooked, or nothing at all."""

from struct import unpack_from
from typing import NamedTuple

from tracer.capture.frame import Frame
from tracer.capture.linktypes import COOKED, COOKED2, ETHERNET, LOOP, NULL, RAWS
from tracer.model.observation import Direction
from tracer.model.packet import Mac

HEADERS = 160
"""Bytes that are kept: as many as the BPF programs hand over (bpf/observation.h)."""

_IPV4, _IPV6 = 0x0800, 0x86DD
_VLAN_TAGS = {0x8100, 0x88A8}
_LEAST_ETHERTYPE = 0x0600
"""Below it the number is a length, or one of Linux's own (linux/if_ether.h)."""
_OUTGOING = 4


class Bare(NamedTuple):
    """One frame without what the capture put before it."""

    headers: bytes
    length: int
    """Bytes of the frame from where `headers` begins."""
    ethernet: bool
    ethertype: int | None
    direction: Direction
    ifindex: int | None
    source: Mac | None = None
    """A cooked header's address: who sent the frame on this link."""


def bare(frame: Frame) -> Bare | str:
    """The frame as the wire had it, or why it cannot be read, in words."""
    if frame.link_type == ETHERNET:
        return _at(frame, 0, None)
    if frame.link_type == COOKED:
        return _cooked(frame)
    if frame.link_type == COOKED2:
        return _cooked2(frame)
    if frame.link_type in RAWS:
        return _ip(frame, 0)
    if frame.link_type in (NULL, LOOP):
        return _ip(frame, 4)
    return f"link type {frame.link_type}, which flantrace does not read"


def _at(frame: Frame, start: int, ethertype: int | None) -> Bare:
    """`ethertype` None: it begins with Ethernet."""
    return Bare(
        headers=frame.data[start : start + HEADERS],
        length=max(0, frame.length - start),
        ethernet=ethertype is None,
        ethertype=ethertype,
        direction=frame.direction,
        ifindex=frame.ifindex,
    )


def _ip(frame: Frame, start: int) -> Bare | str:
    """The header's own version tells: the number of a family is each system's own."""
    if len(frame.data) <= start:
        return "cut off before its IP header"
    version = frame.data[start] >> 4
    if version not in (4, 6):
        return f"IP version {version}"
    return _at(frame, start, _IPV4 if version == 4 else _IPV6)


def _cooked(frame: Frame) -> Bare | str:
    if len(frame.data) < 16:
        return "cut off in its cooked header"
    kind, _, size, address, protocol = unpack_from("!HHH8sH", frame.data)
    return _below(frame, 16, protocol, kind, address[: min(size, 8)])


def _cooked2(frame: Frame) -> Bare | str:
    if len(frame.data) < 20:
        return "cut off in its cooked header"
    protocol, ifindex, _, kind, size, address = unpack_from("!HxxIHBB8s", frame.data)
    found = _below(frame, 20, protocol, kind, address[: min(size, 8)])
    return found._replace(ifindex=ifindex) if isinstance(found, Bare) else found


def _below(frame: Frame, start: int, protocol: int, kind: int, address: bytes) -> Bare | str:
    while protocol in _VLAN_TAGS:
        if len(frame.data) < start + 4:
            return "cut off in its VLAN tag"
        protocol = unpack_from("!H", frame.data, start + 2)[0]
        start += 4
    if protocol < _LEAST_ETHERTYPE:
        return f"no ethertype: protocol {protocol:#06x}"
    return _at(frame, start, protocol)._replace(
        direction=Direction.OUT if kind == _OUTGOING else Direction.IN,
        source=address.hex(":") if len(address) == 6 else None,
    )
