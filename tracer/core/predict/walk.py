"""A packet on its way through recorded tables: where it is, what it looks like, where it was.

A stage is one step of the kernel's way. It moves the walk on and names the next one, or ends it.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from msgspec.structs import replace

from tracer.core.facts import Facts
from tracer.core.netfilter.probe import Probe as Asked
from tracer.core.routes import RouteAnswer
from tracer.core.tables import Tables
from tracer.model.observation import Device, Direction, Drop
from tracer.model.packet import Inner, InnerId, Ip, Mac, Outer, Packet
from tracer.model.path import Hop, Outcome, Path, Place, Way
from tracer.model.record import Record
from tracer.model.request import End, EndKind
from tracer.model.state import Link


class At(Enum):
    """The stages, by the place where the packet then is."""

    POD_SENDS = auto()
    HOST_SENDS = auto()
    BRIDGE_TAKES_IN = auto()
    IP_TAKES_IN = auto()
    IP_PUTS_OUT = auto()
    VTEP_PUTS_OUT = auto()
    UPLINK_PUTS_OUT = auto()
    UPLINK_TAKES_IN = auto()
    VTEP_TAKES_IN = auto()
    BRIDGE_PUTS_OUT = auto()
    HOST_TAKES_IN = auto()


class Probe(Record, frozen=True, kw_only=True):
    """What is sent: one packet of one way."""

    seq: int
    size: int
    """Bytes of the inner IP packet."""
    dont_fragment: bool
    protocol: str
    src_port: int | None = None
    dst_port: int | None = None
    icmp_type: int | None = None


@dataclass(frozen=True)
class Ending:
    """What became of it. `drop` None: delivered, or lost between two points."""

    outcome: Outcome
    place: Place | None
    drop: Drop | None = None
    doubt: str | None = None


class Filtered(NamedTuple):
    """What a node's firewall made of the packet, the outer or the inner one."""

    node: str
    outer: bool
    packet: Asked


class Walk:
    """One packet under way."""

    def __init__(self, facts: Facts, way: Way, ends: tuple[End, End], probe: Probe) -> None:
        self.facts = facts
        self.way = way
        self.source, self.destination = ends
        self.probe = probe
        self.node = self.source.node
        """Where it is now."""
        self.src: Ip = self.source.ip
        self.sent_as = self.src
        """Its source address before any rewriting."""
        self.dst: Ip = self.destination.ip
        self.translated: Ip | None = None
        """The address that a node on the way turns back into the destination's (conntrack)."""
        self.ttl = 64
        self.src_mac: Mac | None = None
        self.dst_mac: Mac | None = None
        self.outer: Outer | None = None
        self.group: int | None = 0
        """The mark that VXLAN's header carries (GBP); 0: none, None: nobody can say."""
        self.came_by: Link | None = None
        """The device by which the node took it in; None: the node sends it itself."""
        self.bypassed = False
        """The kernel takes its own frame in again, marked as for this host (vxlan_encap_bypass)."""
        self.answer: RouteAnswer | None = None
        """What the node's routes said last."""
        self.filtered: Filtered | None = None
        """What it was when it left the last hook of netfilter."""
        self.asked_on: frozenset[str] | None = None
        """Nodes that the request passed, of which this is the reply; None: it is no reply."""
        self.hops: list[Hop] = []
        self.doubts: list[str] = []
        """What could not be evaluated on the way so far: each might have stopped it."""

    @property
    def tables(self) -> Tables:
        """Of the node where it is. MissingFact: its state was not recorded."""
        return self.facts.tables(self.node, "routes", "rules", "neighbours", "fdb", "links")

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.dst else 4

    def passes(self, link: Link, device: Device, direction: Direction) -> None:
        """It is at this point now. A second time round is counted there, as a trace counts it."""
        now = Hop(
            node=self.node,
            device=device,
            direction=direction,
            ifname=link.ifname,
            length=self.probe.size + 14 + (self.overhead() if self.outer is not None else 0),
            packet=self.packet(),
        )
        for index, hop in enumerate(self.hops):
            if _point(hop) == _point(now):
                self.hops[index] = replace(hop, times=hop.times + 1)
                return
        self.hops.append(now)

    def freed(
        self,
        link: Link | None,
        device: Device,
        reason: str,
        caller: str,
        packet: Packet | None = None,
    ) -> Ending:
        """The kernel frees it, or another that was sent for it, such as an ARP request.

        `link` None: it has no device yet.
        """
        drop = Drop(reason=reason, caller=caller)
        hop = Hop(
            node=self.node,
            device=device,
            direction=Direction.FREED,
            ifname=link.ifname if link is not None else "",
            packet=packet or self.packet(),
            drop=drop,
        )
        self.hops.append(hop)
        return Ending(Outcome.DROPPED, _place(hop), drop)

    def lost(self, why: str | None = None) -> Ending:
        """It is seen nowhere after its last point."""
        return Ending(Outcome.LOST, _place(self.hops[-1]) if self.hops else None, doubt=why)

    def unsent(self, veth: Link | None, why: str) -> Ending:
        """It does not leave its pod: the host's end would have been the first to see it."""
        if veth is None:
            return self.lost(why)
        place = Place(node=self.node, device=Device.POD, direction=Direction.IN, ifname=veth.ifname)
        return Ending(Outcome.LOST, place, doubt=why)

    def unknown(self, missing: str) -> Ending:
        """Nobody can say, for want of a fact."""
        return Ending(
            Outcome.UNKNOWN, _place(self.hops[-1]) if self.hops else None, doubt=f"{missing}"
        )

    def answers(self, asked: "Walk") -> None:
        """It goes back to where that one came from, as its receiver saw it.

        Where the request did not arrive, the reply is to one that would have: its ends know it.
        """
        ends = (asked.source.node, asked.destination.node)
        self.asked_on = frozenset((*ends, *(hop.node for hop in asked.hops)))
        if asked.src != asked.sent_as:
            self.dst = self.translated = asked.src
        if asked.sent_as != asked.source.ip:
            self.destination = replace(self.destination, ip=asked.sent_as)
            self.dst = asked.src

    def delivered(self) -> Ending:
        """It is where it was meant to go."""
        return Ending(Outcome.DELIVERED, _place(self.hops[-1]) if self.hops else None)

    def path(self, ending: Ending) -> Path:
        """What a trace would have made of it. What could not be evaluated makes it UNKNOWN."""
        outcome, doubt = ending.outcome, ending.doubt
        if outcome is Outcome.DELIVERED and self.doubts:
            outcome, doubt = Outcome.UNKNOWN, self.doubts[0]
        return Path(
            way=self.way,
            inner_id=InnerId(
                src=self.sent_as,
                dst=self.destination.ip,
                protocol=self.probe.protocol,
                token=f"predicted {self.probe.seq}",
            ),
            seq=self.probe.seq,
            size=self.probe.size,
            hops=tuple(self.hops),
            outcome=outcome,
            end=ending.place,
            drop=ending.drop,
            doubt=doubt,
        )

    def overhead(self) -> int:
        """Bytes that the VXLAN headers add to an inner IP packet, without the outer Ethernet."""
        return 70 if self.outer is not None and ":" in self.outer.dst else 50

    def packet(self) -> Packet:
        """As it is now."""
        probe = self.probe
        inner = Inner(
            src_mac=self.src_mac,
            dst_mac=self.dst_mac,
            src=self.src,
            dst=self.dst,
            ttl=self.ttl,
            protocol=probe.protocol,
            ip_id=None,
            dont_fragment=probe.dont_fragment,
            ip_length=probe.size,
            src_port=probe.src_port,
            dst_port=probe.dst_port,
            icmp_type=probe.icmp_type,
            icmp_code=0 if probe.icmp_type is not None else None,
            icmp_seq=probe.seq if probe.icmp_type is not None else None,
        )
        return Packet(outer=self.outer, inner=inner)


def _point(hop: Hop) -> tuple[str, Device, Direction, str, bool]:
    outer = hop.packet is not None and hop.packet.outer is not None
    return hop.node, hop.device, hop.direction, hop.ifname, outer


def _place(hop: Hop) -> Place:
    return Place(node=hop.node, device=hop.device, direction=hop.direction, ifname=hop.ifname)


def is_pod(end: End) -> bool:
    """The end has a veth and a bridge before it."""
    return end.kind is EndKind.POD and not end.host_network
