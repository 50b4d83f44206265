"""Capture files as bytes, in every variety that tcpdump, dumpcap and others write."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from struct import pack

from msgspec.structs import replace

from tests.builders import mac, underlay
from tests.packets import (
    SYN,
    TCP,
    UDP,
    ethernet,
    ipv4,
    journey,
    observed,
    ping,
    pong,
    raw_mac,
    tcp,
    udp,
)
from tracer.model.observation import Direction, Observation

EPOCH = 1_795_403_527_000_000_000
"""2026-11-23 03:12:07 UTC."""
SECOND = 1_000_000
"""In the microseconds of tests/packets.py."""
AHEAD = 5 * SECOND
"""How far node-b's clock is ahead there."""


def sll(one: Observation) -> bytes:
    """As LINKTYPE_LINUX_SLL: no device."""
    kind = 4 if one.direction is Direction.OUT else 0
    return pack("!HHH6sxxH", kind, 1, 6, _source(one), _ethertype(one)) + _network(one)


def sll2(one: Observation) -> bytes:
    """As LINKTYPE_LINUX_SLL2: the device by its number."""
    kind = 4 if one.direction is Direction.OUT else 0
    head = pack("!HxxIHBB6sxx", _ethertype(one), one.ifindex, 1, kind, 6, _source(one))
    return head + _network(one)


def _source(one: Observation) -> bytes:
    return one.headers[6:12] if one.ethernet else raw_mac("02:00:00:00:00:01")


def _ethertype(one: Observation) -> int:
    return int.from_bytes(one.headers[12:14], "big") if one.ethernet else one.ethertype or 0x0800


def _network(one: Observation) -> bytes:
    return one.headers[14:] if one.ethernet else one.headers


def whole(one: Observation) -> bytes:
    """As Ethernet."""
    return one.headers


def bare_ip(one: Observation) -> bytes:
    """As RAW."""
    return _network(one)


COOKED = {113: sll, 276: sll2, 1: whole, 101: bare_ip}


def pcap(
    observations: Iterable[Observation],
    link_type: int = 276,
    *,
    nano: bool = False,
    order: str = "<",
    snap: int = 262_144,
    modified: bool = False,
) -> bytes:
    """Classic pcap, either byte order, micro- or nanoseconds, cut at `snap`."""
    magic = 0xA1B2CD34 if modified else 0xA1B23C4D if nano else 0xA1B2C3D4
    out = pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, snap, link_type)
    for one in observations:
        data = COOKED[link_type](one)
        missing = one.length - len(one.headers)
        seconds, rest = divmod(EPOCH + one.time_ns, 1_000_000_000)
        kept = data[:snap]
        fraction = rest if nano else rest // 1000
        out += pack(f"{order}IIII", seconds, fraction, len(kept), len(data) + missing)
        if modified:
            kind = 4 if one.direction is Direction.OUT else 0
            out += pack(f"{order}IHBx", one.ifindex, 0, kind)
        out += kept
    return out


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """One pcapng block."""
    body += bytes(-len(body) % 4)
    size = len(body) + 12
    return pack(f"{order}II", kind, size) + body + pack(f"{order}I", size)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """One pcapng option."""
    return pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<") -> bytes:
    """A section header."""
    return block(0x0A0D0D0A, pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(
    link_type: int, name: str | None = None, *, digits: int = 9, order: str = "<", also: bytes = b""
) -> bytes:
    """An interface whose clock has so many digits behind the second."""
    options = option(2, name.encode(), order) if name is not None else b""
    options += option(9, bytes([digits]), order) + also
    return block(1, pack(f"{order}HHI", link_type, 0, 0) + options, order)


def enhanced(
    number: int,
    data: bytes,
    time: int,
    *,
    length: int | None = None,
    order: str = "<",
    way: int | None = None,
) -> bytes:
    """An enhanced packet block; `time` in its interface's ticks, `way` its direction flag."""
    size = len(data) if length is None else length
    head = pack(f"{order}5I", number, time >> 32, time & 0xFFFFFFFF, len(data), size)
    options = option(2, pack(f"{order}I", way), order) if way is not None else b""
    return block(6, head + data + bytes(-len(data) % 4) + options, order)


def pcapng(observations: Sequence[Observation], *, named: bool = True, order: str = "<") -> bytes:
    """As dumpcap writes several interfaces: each Ethernet, with its name and the direction."""
    names = sorted({one.ifname for one in observations})
    out = section(order)
    for index, name in enumerate(names):
        # Every other interface counts microseconds.
        digits = 6 if index % 2 else 9
        out += interface(1, name if named else None, digits=digits, order=order)
    for one in observations:
        number = names.index(one.ifname)
        time = (EPOCH + one.time_ns) // (1000 if number % 2 else 1)
        way = 2 if one.direction is Direction.OUT else 1
        out += enhanced(number, one.headers, time, length=one.length, order=order, way=way)
    return out


def split(observations: Iterable[Observation]) -> dict[str, list[Observation]]:
    """By node, each in the order of its clock."""
    found: dict[str, list[Observation]] = {"node-a": [], "node-b": []}
    for one in sorted(observations, key=lambda one: one.time_ns):
        found[one.node].append(one)
    return found


def ambient(at: int) -> list[Observation]:
    """What no node is ever without: its kubelet's TCP and its DNS, seen at both uplinks."""
    syn = ipv4(underlay("node-a"), underlay("node-b"), TCP, tcp(40000, 10250, 1, SYN))
    dns = ipv4(underlay("node-a"), underlay("node-b"), UDP, udp(40001, 53, b"who"))
    found = []
    for node, direction, ahead in (("node-a", Direction.OUT, 0), ("node-b", Direction.IN, AHEAD)):
        for packet in (syn, dns):
            frame = ethernet(packet, src=mac("node-a", "eth0"), dst=mac("node-b", "eth0"))
            plain = observed(frame, node=node, direction=direction)
            found.append(replace(plain, time_ns=(at + ahead) * 1000))
    return found


def run(
    count: int = 5, *, last: int = 7, replies: bool = True, dst_mac: str | None = None
) -> list[Observation]:
    """So many pings of pod-a to pod-b, a second apart, between two moments of ambient traffic."""
    found = ambient(0)
    for seq in range(1, count + 1):
        at = seq * SECOND
        found += journey(ping(seq), at=at, last=last, dst_mac=dst_mac)
        if replies and last == 7:
            found += back(journey(pong(seq), at=at + 300, back=True))
    return found + ambient((count + 1) * SECOND)


def back(observations: Iterable[Observation]) -> list[Observation]:
    """A journey back by the clocks of a journey there: node-b's is ahead, whoever sends."""
    shift = {"node-a": -AHEAD, "node-b": AHEAD}
    return [replace(one, time_ns=one.time_ns + shift[one.node] * 1000) for one in observations]


def written(folder: Path, name: str, data: bytes) -> Path:
    """The bytes as a file."""
    path = folder / name
    path.write_bytes(data)
    return path
