"""Which of the packets that the kernel freed were dropped, and which had arrived and were used up.

kfree_skb is called for both. What a pod's own namespace frees has reached the pod, as a rule; what
is freed while a copy of it goes on was a copy, or an earlier attempt.
"""

from collections.abc import Sequence
from dataclasses import replace

from msgspec.structs import replace as renamed

from tracer.core.course import is_pod, veth_of
from tracer.core.segments import Point, point
from tracer.core.sightings import Sighting
from tracer.core.tables import Tables
from tracer.model.bundle import Bundle
from tracer.model.observation import Device, Direction
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

    The bridge floods a frame for a MAC that it has not learned, with hairpin back to its sender.
    """
    wrong = {Direction.IN: receiver, Direction.OUT: sender}
    kept = []
    for one in seen:
        at = one.observation
        end = wrong.get(at.direction)
        if end is not None and at.device is Device.POD and sender.node == receiver.node:
            if at.ifindex != veth_of(bundle, end):
                kept.append(one)
        elif not one.freed:
            kept.append(one)
        elif (kind := _netns_kind(one, bundle, sender, receiver)) != "other":
            kept.append(_by_its_veth(one, kind, bundle, sender, receiver))
    return kept


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


def drop_of(
    seen: Sequence[Sighting], bundle: Bundle, places: Sequence[Place], ends: tuple[End, End]
) -> Sighting | None:
    """The record that says where and why the packet ended; None: no kernel dropped it."""
    receiver = ends[1]
    rank = {(place.node, place.device, place.direction): n for n, place in enumerate(places)}
    passes = [one for one in seen if not one.freed]
    furthest = receiver.node if any(_at(one, receiver.node) for one in passes) else None
    found = None
    for one in seen:
        if not one.freed or (furthest is not None and not _at(one, furthest)):
            continue
        if _was_taken(one, passes, bundle, ends) or _overtaken(one, passes, rank):
            continue
        if _is_copy(one, passes, bundle, ends):
            continue
        found = one
        if _at(one, receiver.node):
            furthest = receiver.node
    return found


def attempts_dropped(
    seen: Sequence[Sighting], bundle: Bundle, places: Sequence[Place], ends: tuple[End, End]
) -> list[Sighting]:
    """Drops of earlier attempts (a retransmitted SYN): the packet passed the same points again."""
    rank = {(place.node, place.device, place.direction): n for n, place in enumerate(places)}
    passes = [one for one in seen if not one.freed]
    return [
        one
        for one in seen
        if one.freed
        and not _was_taken(one, passes, bundle, ends)
        and _overtaken(one, passes, rank)
        and _tried_again(one, passes)
    ]


def waited_for(
    arps: Sequence[Sighting],
    passes: Sequence[Sighting],
    bundle: Bundle,
    places: Sequence[Place],
    receiver: End,
) -> list[Sighting]:
    """Freed ARP requests for the neighbour that the packet waits for, where it was last seen."""
    rank = {(place.node, place.device, place.direction): n for n, place in enumerate(places)}
    last = max(passes, key=lambda one: rank.get(point(one), -1), default=None)
    if last is None:
        return []
    wanted = {receiver.ip}
    state = bundle.nodes.get(last.observation.node)
    route = Tables(state).route(receiver.ip).route if state is not None else None
    if route is not None and route.gateway is not None:
        wanted.add(route.gateway)
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


def _was_taken(
    one: Sighting, passes: list[Sighting], bundle: Bundle, ends: tuple[End, End]
) -> bool:
    """It had come to where it was to go."""
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
        return bool(passes)
    if is_pod(receiver) or not _at(one, receiver.node) or one.packet.outer is not None:
        return False
    caller = drop.caller or "" if drop is not None else ""
    if reason in (None, "NOT_SPECIFIED"):
        return caller.startswith(TAKEN_BY)
    return reason in TAKEN or (reason.startswith("TCP_") and reason not in REFUSED)


def _is_copy(one: Sighting, passes: list[Sighting], bundle: Bundle, ends: tuple[End, End]) -> bool:
    """The pod has the packet, so what the node frees besides is none."""
    sender, receiver = ends
    if not is_pod(receiver) or _netns_kind(one, bundle, sender, receiver) != "node":
        return False
    handed = [p for p in passes if _handed_over(p, receiver)]
    # On the veth itself the same buffer is the packet: the pod's device refused it.
    same = any(p.observation.skb == one.observation.skb for p in handed)
    return bool(handed) and not (one.observation.device is Device.POD and same)


def _handed_over(one: Sighting, receiver: End) -> bool:
    return point(one) == (receiver.node, Device.POD, Direction.OUT)


def _overtaken(drop: Sighting, passes: list[Sighting], rank: dict[Point, int]) -> bool:
    """Later on the same node it got further than it had when this was freed."""
    here = [one for one in passes if _at(one, drop.observation.node)]
    moment = drop.observation.time_ns
    before = [rank.get(point(one), -1) for one in here if one.observation.time_ns <= moment]
    after = [rank.get(point(one), -1) for one in here if one.observation.time_ns > moment]
    return max(after, default=-1) > max(before, default=-1)


def _tried_again(drop: Sighting, passes: list[Sighting]) -> bool:
    """A point saw it both before and after."""
    moment = drop.observation.time_ns
    here = [one for one in passes if _at(one, drop.observation.node)]
    before = {point(one) for one in here if one.observation.time_ns <= moment}
    return any(point(one) in before for one in here if one.observation.time_ns > moment)
