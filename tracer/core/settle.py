"""When a recording may end: every probe accounted for, or the kernel's own patience used up."""

from enum import StrEnum

import msgspec

from tracer.core.correlate import correlate
from tracer.core.sightings import is_answer
from tracer.model.bundle import AgentEnd, Bundle
from tracer.model.observation import Device, Direction
from tracer.model.path import Outcome, Path, Way
from tracer.model.request import ProbeKind

UNDERLAY_S = 1.0
"""A packet that left the uplink and did not come in at the other one by now will not come."""

NEIGHBOUR_S = 4.0
"""The kernel frees packets that wait for an unresolved neighbour after 3 s (mcast_solicit times
retrans_time_ms, net/ipv4/arp.c); until then nothing tells them from lost ones."""


class Waiting(StrEnum):
    """For what a recording still waits."""

    NOTHING = "nothing"
    UNDERLAY = "underlay"
    NEIGHBOUR = "neighbour"


def waiting(bundle: Bundle) -> Waiting:
    """What the probes of a recording so far still have to wait for. Meaningless when passive."""
    paths = correlate(as_if_ended(bundle))
    answered = {sent.seq for sent in bundle.sent if is_answer(bundle, sent)}
    open_paths = [path for path in paths if _open(path) and path.seq not in answered]
    expects_reply = bundle.traced.plan is not None and bundle.traced.plan.kind != ProbeKind.UDP
    replied = {path.seq for path in paths if path.way is Way.REPLY}
    unreplied = expects_reply and any(
        path.outcome is Outcome.DELIVERED and path.seq not in replied | answered
        for path in paths
        if path.way is Way.REQUEST
    )
    if not open_paths and not unreplied:
        return Waiting.NOTHING
    if not unreplied and all(_left_the_node(path) for path in open_paths):
        return Waiting.UNDERLAY
    return Waiting.NEIGHBOUR


def lost_on_underlay(bundle: Bundle) -> tuple[Path, ...]:
    """Packets that left one node's uplink and were not seen at the other's."""
    return tuple(
        path
        for path in correlate(as_if_ended(bundle))
        if path.outcome is Outcome.LOST and _left_the_node(path)
    )


def as_if_ended(bundle: Bundle) -> Bundle:
    """The agents still run, so none has said bye yet; what they have seen so far is whole."""
    watchful = {
        node: msgspec.structs.replace(agent, end=AgentEnd.BYE, lost=0)
        for node, agent in bundle.agents.items()
    }
    return msgspec.structs.replace(bundle, agents=watchful)


def _open(path: Path) -> bool:
    """Not ended, or only the ARP request that it waits for was freed: it will be itself, soon."""
    last = path.hops[-1].packet if path.hops else None
    waits = last is not None and last.arp is not None
    return waits or path.outcome not in (Outcome.DELIVERED, Outcome.DROPPED)


def _left_the_node(path: Path) -> bool:
    end = path.end
    return end is not None and end.device is Device.UPLINK and end.direction is Direction.OUT
