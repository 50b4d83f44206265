"""One pass over the capture files: what belongs to the pair is kept, the rest is counted.

Memory is bounded by what is kept: a busy node's capture is read as it comes.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import NamedTuple

from tracer.capture.frame import FileReport, Frame
from tracer.capture.frames import frames
from tracer.capture.hosts import Hosts
from tracer.capture.link import Bare, bare
from tracer.capture.linktypes import COOKED, COOKED2
from tracer.core.decode import decode
from tracer.core.identity import identity
from tracer.model.observation import Device, Direction, Observation
from tracer.model.packet import Inner, InnerId, Ip, Net, Packet

KEPT = 30_000
"""Frames of the pair kept for each node: diagnosing more takes minutes and says nothing more."""

PAIRS = 100_000
"""Pairs of addresses among which the busiest is looked for: later ones are passed by."""

_FLAGS = b"\x08\0\0\0"
"""How a VXLAN header begins."""


class Capture(NamedTuple):
    """One file that tcpdump wrote on one node."""

    node: str
    path: Path
    ifname: str | None = None
    """Where tcpdump listened, if it is known; None: as the file says, else `any` or guessed."""


class Kept(NamedTuple):
    """One frame of the pair."""

    file: int
    """Number of the capture among those given."""
    time_ns: int
    bare: Bare
    ifname: str | None
    packet: Packet
    inner_id: InnerId | None


@dataclass
class FileSigns:
    """What one file shows of what it covers: a capture filter leaves no other trace."""

    capture: Capture
    report: FileReport = field(default_factory=FileReport)
    undecodable: Counter[str] = field(default_factory=Counter)
    untimed: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    every_device: bool = False
    """It was made with `-i any`."""
    vxlan: bool = False
    """Encapsulated packets passed."""
    pods: bool = False
    """Packets of pods passed as themselves."""
    others: set[str] = field(default_factory=set)
    """What else passed that is neither encapsulated nor of the pods: `tcp`, `udp`, `arp` ..."""
    hosts: Hosts = field(default_factory=Hosts)
    """Whose packets passed, outermost."""
    passed_by: int = 0
    """Frames of the pair beyond those that are kept; the file then ends with the last kept one."""

    @property
    def names(self) -> set[str]:
        """The devices that the file names."""
        return self.report.names - {"any"}

    @property
    def unfiltered(self) -> bool:
        """Too much of different kinds passed for a filter: TCP or UDP, and something else."""
        kinds = len(self.others) + self.vxlan
        return kinds > 1 and not self.others.isdisjoint({"tcp", "udp"})

    def saw(self, time_ns: int) -> None:
        """Widen the time that the file covers."""
        if self.passed_by:
            return
        self.first_ns = time_ns if self.first_ns is None else min(self.first_ns, time_ns)
        self.last_ns = time_ns if self.last_ns is None else max(self.last_ns, time_ns)


class Networks:
    """Which addresses are the pods'."""

    def __init__(self, nets: Sequence[Net], pair: Sequence[Ip] = ()) -> None:
        parsed = list(_parsed(nets))
        ends = frozenset(pair)

        @lru_cache(maxsize=1 << 16)
        def holds(ip: Ip) -> bool:
            if ip in ends:
                return True
            address = ip_address(ip)
            return any(address.version == net.version and address in net for net in parsed)

        self.holds: Callable[[Ip], bool] = holds


def _parsed(nets: Sequence[Net]) -> Iterator[IPv4Network | IPv6Network]:
    """What is no network (a Node object may hold anything) is passed by."""
    for net in nets:
        with suppress(ValueError):
            yield ip_network(net, strict=False)


class Pass:
    """Decodes every frame once. `ports` grows by those that turn out to carry VXLAN."""

    def __init__(self, captures: Sequence[Capture], ports: frozenset[int]) -> None:
        self.files = [FileSigns(capture) for capture in captures]
        self.ports = ports

    def packets(self) -> Iterator[tuple[int, int, Frame, Bare, Packet]]:
        """(number of the file, time, frame, bare frame, packet) of all that can be decoded."""
        for number, signs in enumerate(self.files):
            last = 0
            for frame in frames(signs.capture.path, signs.report):
                signs.every_device |= (
                    frame.link_type in (COOKED, COOKED2) and frame.ifname in (None, "any")
                ) or frame.ifindex is not None
                found = bare(frame)
                if isinstance(found, str):
                    signs.undecodable[found] += 1
                    continue
                signs.untimed += frame.time_ns is None
                last = frame.time_ns if frame.time_ns is not None else last
                signs.saw(last)
                packet = self._decoded(found, last)
                if (why := _why_undecodable(packet)) is not None:
                    signs.undecodable[why] += 1
                yield number, last, frame, found, packet

    def _decoded(self, found: Bare, time_ns: int) -> Packet:
        seen = _observation(found, time_ns)
        packet = decode(seen, self.ports)
        inner = packet.inner
        if inner is not None and packet.outer is None and inner.protocol == "udp":
            port = inner.dst_port
            if port is not None and port not in self.ports and _FLAGS in found.headers:
                again = decode(seen, self.ports | {port})
                if again.outer is not None and _carries_vxlan(found, again):
                    self.ports |= {port}
                    return again
        return packet


def _observation(found: Bare, time_ns: int) -> Observation:
    return Observation(
        node="",
        device=Device.UNKNOWN,
        direction=Direction.UNKNOWN,
        ifindex=0,
        ifname="",
        netns=0,
        skb=0,
        time_ns=time_ns,
        length=found.length,
        gso_size=0,
        ethernet=found.ethernet,
        ethertype=found.ethertype,
        headers=found.headers,
    )


def _carries_vxlan(found: Bare, packet: Packet) -> bool:
    """Strictly a VXLAN header (RFC 7348: one flag, all else zero), and IP or ARP inside."""
    outer, inside = packet.outer, packet.inner or packet.arp
    if outer is None or outer.vni is None or inside is None:
        return False
    return outer.vni.to_bytes(3, "big").join((_FLAGS, b"\0")) in found.headers


def _why_undecodable(packet: Packet) -> str | None:
    """None: it was decoded as far as it matters. Another ethertype is other traffic, no defect."""
    if packet.undecodable is not None:
        return None if packet.undecodable.startswith("ethertype") else packet.undecodable
    if packet.inner is None and packet.arp is None and packet.truncated:
        return "cut off before the inner addresses" if packet.outer else "cut off in its headers"
    return None


def collect(
    run: Pass, pair: tuple[Ip, Ip], networks: Networks, neighbours: Sequence[Ip]
) -> list[Kept]:
    """The frames of the pair, the ICMP errors about it, and ARP and discovery of `neighbours`."""
    kept: list[Kept] = []
    count: Counter[str] = Counter()
    wanted = frozenset(pair)
    asked = [ip_address(ip).packed for ip in (*pair, *neighbours)]
    for number, time_ns, frame, found, packet in run.packets():
        signs = run.files[number]
        _note(signs, packet, networks)
        if not _wanted(packet, found.headers, wanted, asked):
            continue
        node = signs.capture.node
        count[node] += 1
        if count[node] > KEPT:
            signs.passed_by += 1
            continue
        ifname = signs.capture.ifname or (frame.ifname if frame.ifname != "any" else None)
        kept.append(Kept(number, time_ns, found, ifname, packet, identity(packet)))
    return kept


def _note(signs: FileSigns, packet: Packet, networks: Networks) -> None:
    """What the packet says of the file's filter, and of the node."""
    signs.hosts.put(packet)
    if packet.outer is not None:
        signs.vxlan = True
    elif packet.inner is not None:
        inner = packet.inner
        if networks.holds(inner.src) or networks.holds(inner.dst):
            signs.pods = True
        else:
            signs.others.add(inner.protocol)
    elif packet.arp is not None and not networks.holds(packet.arp.target_ip):
        signs.others.add("icmpv6" if ":" in packet.arp.target_ip else "arp")


def _wanted(packet: Packet, headers: bytes, pair: frozenset[Ip], asked: Sequence[bytes]) -> bool:
    inner = packet.inner
    if inner is None:
        return packet.arp is not None and any(raw in headers for raw in asked)
    if inner.src in pair and inner.dst in pair:
        return True
    quoted = inner.quoted
    return quoted is not None and quoted.src in pair and quoted.dst in pair


@dataclass
class Talk:
    """What two addresses said to each other, as far as it finds the pair to trace."""

    first: tuple[Ip, Ip]
    """Who spoke first, and to whom."""
    frames: int = 0
    encapsulated: int = 0
    asked: tuple[Ip, Ip] | None = None
    """Who sent the first echo request or SYN."""


def talks(run: Pass) -> dict[frozenset[Ip], Talk]:
    """Every pair of addresses that the files show, by inner addresses where there are any."""
    found: dict[frozenset[Ip], Talk] = {}
    for _, _, _, _, packet in run.packets():
        inner = packet.inner
        if inner is None or inner.quoted is not None or inner.src == inner.dst:
            continue
        pair = frozenset((inner.src, inner.dst))
        talk = found.get(pair)
        if talk is None:
            if len(found) >= PAIRS:
                continue
            talk = found[pair] = Talk((inner.src, inner.dst))
        talk.frames += 1
        talk.encapsulated += packet.outer is not None
        if talk.asked is None and _asks(inner):
            talk.asked = (inner.src, inner.dst)
    return found


def _asks(inner: Inner) -> bool:
    return (inner.protocol, inner.icmp_type) in (("icmp", 8), ("icmpv6", 128)) or (
        inner.tcp_flags == "S"
    )
