"""What a node's firewall does with the packet on its way: lets it pass, frees it, rewrites it.

What it certainly does happens. What a dump cannot tell is a doubt, and the packet goes on.
"""

from typing import TypeAlias

from msgspec.structs import replace

from tracer.core.netfilter.decision import REWRITES, Decision, Outcome
from tracer.core.netfilter.probe import Probe
from tracer.core.netfilter.ruleset import NFT
from tracer.core.netfilter.stopped import probe_of, rules_of
from tracer.core.predict.walk import Ending, Filtered, Walk
from tracer.model.observation import Device
from tracer.model.packet import Ip
from tracer.model.path import Way
from tracer.model.state import Link

MOST_QUOTED = 80
"""Characters of a rule."""

Point: TypeAlias = tuple[Link | None, Device]
"""The device that the kernel names when it frees the packet (skb->dev), and what it is."""

NO_DEVICE: Point = (None, Device.UNKNOWN)
"""A node's own packet gets its device behind the OUTPUT hook; its sender is told EPERM."""

_BEGINS = ("prerouting", "output")
"""Where a packet's connection is looked up."""


def drops(walk: Walk, hook: str, at: Point, out: Link | None = None) -> Ending | None:
    """The end of the packet at a hook; None: it passes, rewritten or in doubt."""
    came = walk.came_by if walk.outer is None or hook not in ("output", "postrouting") else None
    asked = _asked(walk, hook)
    return _decided(walk, hook, at, out, replace(asked, iif=_name(came), oif=_name(out)))


def drops_bridged(walk: Walk, bridge: Link, port: Link | None) -> Ending | None:
    """The same for a frame from one port of a bridge to another, under br_netfilter.

    The rules see the bridge on both sides (brnf_get_logical_dev), the kernel's drop sees the port.
    """
    for hook in ("prerouting", "forward", "postrouting"):
        asked = replace(_asked(walk, hook), iif=bridge.ifname, oif=bridge.ifname, bridged=True)
        inside = port is None or hook == "prerouting"
        at = (bridge, Device.BRIDGE) if inside else (port, Device.POD)
        if ending := _decided(walk, hook, at, bridge, asked):
            return ending
    return None


def _name(link: Link | None) -> str:
    return link.ifname if link is not None else ""


def _asked(walk: Walk, hook: str) -> Probe:
    """The packet as this hook sees it, with what earlier hooks of this node left on it.

    A mark stays on the packet when it is put into an outer one or taken out of it: within one
    network namespace skb_scrub_packet keeps it. Its connection does not stay.
    """
    packet = walk.packet()
    probe = probe_of(packet, state=_state(walk))
    if walk.outer is not None:
        probe = replace(probe, length=walk.probe.size + walk.overhead())
    elif probe.state == "established":
        # Of a request that was sent to the pod's own address; hidden on the way, it is on one node.
        probe = replace(probe, dnat=False, snat=False if walk.translated is None else None)
    if probe.protocol == "tcp":
        probe = replace(probe, tcp_flags="S" if walk.way is Way.REQUEST else "SA")
    before = walk.filtered
    if before is None or before.node != walk.node:
        return probe
    if before.outer is not (walk.outer is not None) or hook in _BEGINS:
        return replace(probe, mark=before.packet.mark)
    left = before.packet
    return replace(
        probe, mark=left.mark, ct_mark=left.ct_mark, state=left.state, dnat=left.dnat,
        snat=left.snat,
    )  # fmt: skip


def _state(walk: Walk) -> str | None:
    """A reply belongs to its request's connection where the request was; elsewhere who knows."""
    if walk.asked_on is None:
        return "new"
    return "established" if walk.node in walk.asked_on else None


def _decided(walk: Walk, hook: str, at: Point, out: Link | None, asked: Probe) -> Ending | None:
    decision = rules_of(walk.tables.state).verdict(hook, asked)
    walk.filtered = Filtered(walk.node, walk.outer is not None, decision.packet)
    if decision.certain:
        link, device = at
        caller = "nft_do_chain" if _by_nft(decision) else "nf_hook_slow"
        return walk.freed(link, device, "NETFILTER_DROP", caller)
    if decision.outcome in (Outcome.MASQUERADE, Outcome.SNAT):
        source = _source(walk, decision, out)
        if source is not None:
            _send_from(walk, source)
            return None
    if doubt := _doubt(decision):
        walk.doubts.append(f"{doubt[0]} of {walk.node} {doubt[1]}")
    return None


def _by_nft(decision: Decision) -> bool:
    return decision.tool == NFT or "-nft-" in decision.tool


def _source(walk: Walk, decision: Decision, out: Link | None) -> Ip | None:
    """What the packet comes from after a rewriting that is certain; None: nobody can say."""
    if decision.to is not None or decision.outcome is Outcome.SNAT or out is None:
        return decision.to
    held = walk.tables.addresses_of(out.ifindex)
    family = decision.family
    return next((each.ip for each in held if (":" in each.ip) is (family == 6)), None)


def _send_from(walk: Walk, source: Ip) -> None:
    if walk.outer is not None:
        walk.outer = replace(walk.outer, src=source)
    else:
        walk.src = source


def _doubt(decision: Decision) -> tuple[str, str] | None:
    """(dump, what it may do): the rule that would do it is quoted, else the one that is unclear."""
    if decision.stops:
        way = decision.stops[0]
        return way.tool, f"may drop it: {way.quote[:MOST_QUOTED]}"
    if decision.unclear and not decision.quote:
        return decision.tool, f"was {decision.unclear}"
    rewriting = next((way for way in decision.ways if way.outcome in REWRITES), None)
    if rewriting is not None:
        return rewriting.tool, f"may rewrite its addresses: {rewriting.quote[:MOST_QUOTED]}"
    if decision.outcome is Outcome.UNKNOWN:
        return decision.tool, f"may do anything with it: {decision.quote[:MOST_QUOTED]}"
    return None
