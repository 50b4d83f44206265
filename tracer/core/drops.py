"""Which of the packets that the kernel freed were dropped, and which had arrived and were used up.

kfree_skb is called for both. What a pod's own namespace frees has reached the pod, as a rule; what
is freed while a copy of it goes on was a copy, or an earlier attempt.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate

from msgspec.structs import replace as renamed

from tracer.core.course import by_vtep, is_pod, veth_of
from tracer.core.end import freed_for
from tracer.core.segments import Point, point
from tracer.core.sightings import Sighting
from tracer.core.tables import Tables
from tracer.model.bundle import Bundle
from tracer.model.observation import Device, Direction
from tracer.model.packet import Ip
from tracer.model.path import Place
from tracer.model.request import End

USED_UP = frozenset({"CONSUMED", "SKB_CONSUMED", "NOT_DROPPED_YET", "SKB_NOT_DROPPED_YET"})

TAKEN = frozenset(
    {"NO_SOCKET", "QUEUE_PURGE", "SOCKET_CLOSE", "SOCKET_RCVBUFF", "SOCKET_FILTER", "PROTO_MEM"}
)
"""Reasons that a transport gives for a packet that has come all the way to it: an echo reply whose
raw socket got a copy (ping_rcv), a socket that was closed with packets in its queue."""

TAKEN_BY = ("ping_rcv", "raw_", "inet_sock_destruct", "udp_", "__udp", "tcp_", "skb_queue_purge")
"""The same, below Linux 5.17, by function. A VXLAN port without a socket is told by its outer."""

REFUSED = frozenset(
    {
        "NETFILTER_DROP", "OTHERHOST", "IP_RPFILTER", "IP_CSUM", "IP_INHDR", "IP_INADDRERRORS",
        "IP_INNOROUTES", "ICMP_CSUM", "UDP_CSUM", "TCP_CSUM", "UNICAST_IN_L2_MULTICAST", "XDP",
        "TC_INGRESS",
    }
)  # fmt: skip
"""What a pod's own kernel side refuses before any transport sees it: that is a drop."""


def own(seen: Sequence[Sighting], bundle: Bundle, sender: End, receiver: End) -> list[Sighting]:
    """Without what befell mere copies: flooded to another port, freed in another pod.

    The bridge floods a frame for a MAC that it has not learned, with hairpin back to its sender;
    a switch of the underlay does the same with what is for another machine's MAC.
    """
    wrong = {Direction.IN: receiver, Direction.OUT: sender}
    kept = []
    for one in seen:
        at = one.observation
        if at.node != sender.node and _flooded(one, bundle, sender, receiver):
            continue
        end = wrong.get(at.direction)
        if end is not None and at.device is Device.POD and sender.node == receiver.node:
            if at.ifindex != veth_of(bundle, end):
                kept.append(one)
        elif not one.freed:
            kept.append(one)
        elif (kind := _netns_kind(one, bundle, sender, receiver)) != "other":
            kept.append(_by_its_veth(one, kind, bundle, sender, receiver))
    return kept


def _flooded(one: Sighting, bundle: Bundle, sender: End, receiver: End) -> bool:
    """It came by a node's uplink, for another machine: neither its MAC nor its address is there.

    What is for the address and not for the MAC is no copy: a neighbour entry is wrong.
    """
    at, state = one.observation, bundle.nodes.get(one.observation.node)
    if at.device is not Device.UPLINK or at.direction is Direction.OUT or state is None:
        return False
    outer, inner = one.packet.outer, one.packet.inner
    if one.freed:
        foreign = freed_for(at.drop, "OTHERHOST")
    else:
        mac = next((link.mac for link in state.links if link.ifindex == at.ifindex), None)
        frame = outer or inner
        foreign = frame is not None and None not in (mac, frame.dst_mac) and mac != frame.dst_mac
    if not foreign:
        return False
    if outer is not None:
        return all(address.ip != outer.dst for address in state.addresses)
    return by_vtep(bundle, sender, receiver)


def _by_its_veth(one: Sighting, kind: str, bundle: Bundle, sender: End, receiver: End) -> Sighting:
    """A pod's eth0 is named by the veth before it: the node may have an eth0 of its own."""
    if kind == "node":
        return one
    state = bundle.nodes.get(one.observation.node)
    veth = veth_of(bundle, receiver if kind == "receiver" else sender)
    links = state.links if state is not None else ()
    name = next((link.ifname for link in links if link.ifindex == veth), None)
    if name is None:
        return one
    return replace(one, observation=renamed(one.observation, device=Device.POD, ifname=name))


class Progress:
    """How far a packet had come on each node, at any moment of that node's clock."""

    def __init__(self, seen: Sequence[Sighting], places: Sequence[Place]) -> None:
        self.rank = {
            (place.node, place.device, place.direction): n for n, place in enumerate(places)
        }
        self.passes = [one for one in seen if not one.freed]
        self._times: dict[str, list[int]] = {}
        self._before: dict[str, list[int]] = {}
        self._after: dict[str, list[int]] = {}
        self._spans: dict[Point, tuple[int, int]] = {}
        for one in sorted(self.passes, key=lambda one: one.observation.time_ns):
            node, moment = one.observation.node, one.observation.time_ns
            self._times.setdefault(node, []).append(moment)
            self._before.setdefault(node, []).append(self.rank.get(point(one), -1))
            first, _ = self._spans.get(point(one), (moment, moment))
            self._spans[point(one)] = first, moment
        for node, ranks in self._before.items():
            self._after[node] = [*accumulate(reversed(ranks), max)][::-1]
            self._before[node] = [*accumulate(ranks, max)]

    def reached(self, node: str) -> bool:
        """It was seen on this node."""
        return node in self._times

    def overtook(self, drop: Sighting) -> bool:
        """Later on the same node it got further than it had when this was freed."""
        node = drop.observation.node
        index = bisect_right(self._times.get(node, []), drop.observation.time_ns)
        before = self._before[node][index - 1] if index else -1
        after = self._after[node][index] if index < len(self._times.get(node, [])) else -1
        return after > before

    def repeated(self, drop: Sighting) -> bool:
        """A point of the node saw it both before this was freed and after."""
        node, moment = drop.observation.node, drop.observation.time_ns
        return any(
            where[0] == node and first <= moment < last
            for where, (first, last) in self._spans.items()
        )

    @cached_property
    def furthest(self) -> Sighting | None:
        """The sighting furthest on the way."""
        return max(self.passes, key=lambda one: self.rank.get(point(one), -1), default=None)

    def handed_to(self, receiver: End) -> frozenset[int]:
        """Addresses of the buffers that were handed to the receiving pod."""
        where = (receiver.node, Device.POD, Direction.OUT)
        if where not in self._spans:
            return frozenset()
        skbs = (one.observation.skb for one in self.passes if point(one) == where)
        return frozenset(skb for skb in skbs if skb)


def drops_of(
    seen: Sequence[Sighting], progress: Progress, bundle: Bundle, ends: tuple[End, End]
) -> tuple[list[Sighting], Sighting | None]:
    """Drops of earlier attempts (a retransmitted SYN), and the record of where it ended, if any."""
    freed = [one for one in seen if one.freed]
    if not freed:
        return [], None
    receiver = ends[1]
    handed = progress.handed_to(receiver) if is_pod(receiver) else frozenset()
    got_there = progress.reached(receiver.node)
    earlier: list[Sighting] = []
    last: Sighting | None = None
    for one in freed:
        if _was_taken(one, bool(progress.passes), bundle, ends):
            continue
        if progress.overtook(one):
            earlier += [one] if progress.repeated(one) else []
        elif _is_copy(one, handed, bundle, ends):
            continue
        elif _at(one, receiver.node) or not got_there:
            got_there = got_there or _at(one, receiver.node)
            last = one
    return earlier, last


def awaited(bundle: Bundle, node: str, receiver: End) -> frozenset[Ip]:
    """The neighbours whose MAC a packet to the receiver may wait for on this node."""
    state = bundle.nodes.get(node)
    route = Tables(state).route(receiver.ip).route if state is not None else None
    gateway = route.gateway if route is not None else None
    return frozenset({receiver.ip} | ({gateway} if gateway is not None else set()))


def waited_for(
    arps: Sequence[Sighting], progress: Progress, wanted: frozenset[Ip]
) -> list[Sighting]:
    """Freed ARP requests for a neighbour that the packet waits for, where it was last seen."""
    last, rank = progress.furthest, progress.rank
    if last is None:
        return []
    return [
        one
        for one in arps
        if _at(one, last.observation.node)
        and one.packet.arp is not None
        and one.packet.arp.target_ip in wanted
        # Past that device, it does not wait there any more.
        and rank.get(_out_of(one), len(rank)) > rank.get(point(last), -1)
    ]


def _out_of(one: Sighting) -> Point:
    return one.observation.node, one.observation.device, Direction.OUT


def _at(one: Sighting, node: str) -> bool:
    return one.observation.node == node


def _netns_kind(one: Sighting, bundle: Bundle, sender: End, receiver: End) -> str:
    """Whose namespace freed it: `node`, `receiver`, `sender` or `other`."""
    state = bundle.nodes.get(one.observation.node)
    if state is None or one.observation.netns == state.netns:
        return "node"
    for kind, end in (("receiver", receiver), ("sender", sender)):
        if end.node != state.node:
            continue
        if any(pod.netns == one.observation.netns for pod in state.pods if pod.ip == end.ip):
            return kind
    return "other"


def _was_taken(one: Sighting, passed: bool, bundle: Bundle, ends: tuple[End, End]) -> bool:
    """It had come to where it was to go. `passed`: some point saw the packet."""
    sender, receiver = ends
    drop = one.observation.drop
    reason = drop.reason if drop is not None else None
    if reason in USED_UP:
        return True
    kind = _netns_kind(one, bundle, sender, receiver)
    if kind == "receiver":
        return reason not in REFUSED
    if kind == "sender":
        # Its own namespace lets go of what has long left it.
        return passed
    if is_pod(receiver) or not _at(one, receiver.node) or one.packet.outer is not None:
        return False
    caller = drop.caller or "" if drop is not None else ""
    if reason in (None, "NOT_SPECIFIED"):
        return caller.startswith(TAKEN_BY)
    return reason in TAKEN or (reason.startswith("TCP_") and reason not in REFUSED)


def _is_copy(one: Sighting, handed: frozenset[int], bundle: Bundle, ends: tuple[End, End]) -> bool:
    """The pod has the packet, so what the node frees besides is none.

    On the veth itself the same buffer is the packet: the pod's device refused it.
    """
    if not handed or _netns_kind(one, bundle, *ends) != "node":
        return False
    return not (one.observation.device is Device.POD and one.observation.skb in handed)
