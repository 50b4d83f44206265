"""Which sizes pass between two uplinks, and which to try next."""

from dataclasses import dataclass

from tracer.core.correlate import correlate
from tracer.core.end import freed_for
from tracer.core.settle import as_if_ended
from tracer.model.bundle import Bundle
from tracer.model.observation import Device, Direction
from tracer.model.path import Outcome, Path, Way
from tracer.model.request import ProbeKind

RUNGS = 12
"""Sizes that are tried at a time: three rounds find any size below 2,197 B to the byte."""


@dataclass(frozen=True, kw_only=True)
class Bracket:
    """The largest packet that passed and the smallest that was lost, bytes of the inner packet."""

    way: Way
    passed: int
    lost: int

    def rungs(self) -> tuple[int, ...]:
        """Sizes between the two, evenly; none where they are neighbours."""
        span = self.lost - self.passed
        between = {self.passed + span * rung // (RUNGS + 1) for rung in range(1, RUNGS + 1)}
        return tuple(sorted(between - {self.passed}))


def bracket(bundle: Bundle) -> Bracket | None:
    """Small packets passed and large ones were lost below the sender's uplink; None: not so."""
    request = bundle.traced
    plan = request.plan
    if plan is None or plan.kind is not ProbeKind.ICMP or not plan.full_mtu:
        return None
    ends = (request.source.node, request.destination.node)
    paths = correlate(as_if_ended(bundle))
    for way, (sender, receiver) in ((Way.REQUEST, ends), (Way.REPLY, ends[::-1])):
        ours = [path for path in paths if path.way is way]
        passed = [path.size for path in ours if came_in(path, receiver)]
        lost = [path.size for path in ours if lost_below(path, sender)]
        if passed and lost and max(passed) < min(lost):
            return Bracket(way=way, passed=max(passed), lost=min(lost))
    return None


def came_in(path: Path, receiver: str) -> bool:
    """It was seen at the receiver's uplink, and not as one of several that were put together."""
    return any(
        hop.node == receiver
        and hop.device is Device.UPLINK
        and hop.direction is Direction.IN
        and not hop.gso_size
        for hop in path.hops
    )


def lost_below(path: Path, sender: str) -> bool:
    """It left the sender's uplink, or was freed as it did, and did not come in."""
    end = path.end
    return (
        path.outcome in (Outcome.LOST, Outcome.DROPPED)
        and end is not None
        and (end.node, end.device) == (sender, Device.UPLINK)
        and not freed_for(path.drop, "NEIGH_FAILED")
        and not any(hop.gso_size for hop in path.hops)
    )
