"""What became of one packet, and why that is not known, if it is not."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from tracer.core.course import is_pod, why_unsure
from tracer.core.sightings import Sighting
from tracer.core.words import WATCH
from tracer.model.bundle import Bundle
from tracer.model.path import Hop, Outcome, Path, Place
from tracer.model.request import End

EDGE_NS = 1_000_000_000
"""So near to a recording's beginning or end, one agent may have watched and the other not."""


class Judged(NamedTuple):
    """An outcome. `furthest`: index of the last point on the way that saw the packet, or -1.

    `doubt`: why it is UNKNOWN; of a LOST packet, what else may have become of it.
    """

    outcome: Outcome
    doubt: str | None
    furthest: int


def judged(
    bundle: Bundle,
    places: Sequence[Place],
    receiver: End,
    hops: Sequence[Hop],
    *,
    dropped: bool,
    answered: bool,
    replied: bool,
) -> Judged:
    """What is certain comes first: the socket's own word, then the kernel's, then what was seen.

    `answered`: the sending socket has its answer. `replied`: an answer was seen somewhere.
    """
    furthest = max((_index(places, hop) for hop in hops if hop.drop is None), default=-1)
    if answered:
        return Judged(Outcome.DELIVERED, None, furthest)
    if dropped:
        return Judged(Outcome.DROPPED, None, furthest)
    if replied:
        return Judged(Outcome.DELIVERED, None, furthest)
    if not places:
        return Judged(Outcome.UNKNOWN, "no watched device lies on the way", furthest)
    if furthest == len(places) - 1:
        doubt = _taken_in_doubt(bundle, receiver, places[-1])
        return Judged(Outcome.UNKNOWN if doubt else Outcome.DELIVERED, doubt, furthest)
    following = places[furthest + 1]
    doubt = why_unsure(bundle.agents.get(following.node), following)
    if doubt is not None:
        return Judged(Outcome.UNKNOWN, doubt, furthest)
    between = [places[max(0, furthest)].node, following.node]
    return Judged(Outcome.LOST, _unwatched_drops(bundle, between), furthest)


def _unwatched_drops(bundle: Bundle, nodes: Sequence[str]) -> str | None:
    """Lost it is, but a kernel may have freed it all the same."""
    agents = [bundle.agents.get(node) for node in dict.fromkeys(nodes)]
    blind = [agent.node for agent in agents if agent is not None and not agent.drops]
    if any(agent is not None and agent.attach == WATCH for agent in agents):
        return f"few of the kernel's drops on {' and '.join(blind)} were recorded"
    return f"the kernel's drops on {' and '.join(blind)} were not watched" if blind else None


def _index(places: Sequence[Place], hop: Hop) -> int:
    """Where on the way a hop stands. One that saw only a part of a TCP range has not seen it."""
    if hop.part is not None:
        return -1
    for index, place in enumerate(places):
        if (place.node, place.device, place.direction) == (hop.node, hop.device, hop.direction):
            return index
    return -1


def _taken_in_doubt(bundle: Bundle, receiver: End, goal: Place) -> str | None:
    """Behind a pod's veth lies the pod. Behind a node's device lies a kernel that may free it."""
    if is_pod(receiver):
        return None
    agent = bundle.agents.get(goal.node)
    unsure = why_unsure(agent, goal)
    if unsure is not None:
        return unsure
    if agent is not None and not agent.drops:
        return f"on {goal.node} the kernel's drops were not watched"
    return None


def doubted_at_the_edges(
    bundle: Bundle, found: Sequence[tuple[Path, Sequence[Sighting]]]
) -> list[Path]:
    """Of the pods' own traffic: what began or ended with the recording may have crossed unseen.

    Where nothing at all arrives, the edges are no excuse.
    """
    some_arrive = any(path.outcome is Outcome.DELIVERED for path, _ in found)
    by_watch = any(agent.attach == WATCH for agent in bundle.agents.values())
    if bundle.traced.plan is not None or not some_arrive or by_watch:
        # of a watch's packets only whole ones are there (core/cutting.py)
        return [path for path, _ in found]
    edges = _edges(bundle)
    return [
        replace(
            path,
            outcome=Outcome.UNKNOWN,
            doubt="it was on its way when the recording began or ended",
        )
        if path.outcome is Outcome.LOST and any(_near(one, edges) for one in seen)
        else path
        for path, seen in found
    ]


def _edges(bundle: Bundle) -> dict[str, tuple[int, int]]:
    """Node -> (first, last) moment at which it saw any packet, by its own clock."""
    edges: dict[str, tuple[int, int]] = {}
    for one in bundle.observations:
        first, last = edges.get(one.node, (one.time_ns, one.time_ns))
        edges[one.node] = min(first, one.time_ns), max(last, one.time_ns)
    return edges


def _near(one: Sighting, edges: Mapping[str, tuple[int, int]]) -> bool:
    first, last = edges[one.observation.node]
    moment = one.observation.time_ns
    return min(moment - first, last - moment) < EDGE_NS
