"""Observations -> paths: by skb and inner identity within a node, by inner identity between nodes.

Never by skb address or wall clock across nodes: in the lab both nodes share a kernel, and a join
by address would even seem to work.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from tracer.core.course import course, ends, watched, why_unsure
from tracer.core.segments import merged
from tracer.core.sightings import Sighting, is_answer, is_pod, seq_of, sightings, way_of
from tracer.model.bundle import Bundle
from tracer.model.message import Sent
from tracer.model.observation import Device, Direction
from tracer.model.packet import InnerId
from tracer.model.path import Hop, Outcome, Path, Place, Way
from tracer.model.request import ProbeKind


def correlate(bundle: Bundle) -> tuple[Path, ...]:
    """Every packet's path, requests first, by number. Hops carry no entries yet."""
    groups: dict[Way, dict[InnerId, list[Sighting]]] = {Way.REQUEST: {}, Way.REPLY: {}}
    for sighting in sightings(bundle):
        way = way_of(bundle, sighting)
        if way is not None and sighting.inner_id is not None:
            groups[way].setdefault(sighting.inner_id, []).append(sighting)
    requests = _paths(bundle, Way.REQUEST, groups[Way.REQUEST])
    requests += _unseen_requests(bundle, requests)
    replies = _paths(bundle, Way.REPLY, groups[Way.REPLY])
    replies += _unseen_replies(bundle, requests, replies)
    return tuple(sorted(requests, key=_order) + sorted(replies, key=_order))


def _order(path: Path) -> int:
    return path.seq if path.seq is not None else 0


def _paths(bundle: Bundle, way: Way, groups: dict[InnerId, list[Sighting]]) -> list[Path]:
    whole = course(bundle, way)
    groups, parts = merged(groups, whole)
    answered = {sent.seq for sent in bundle.sent if is_answer(bundle, sent)}
    return [
        _path(bundle, way, whole, inner_id, seen, parts.get(inner_id, {}), answered)
        for inner_id, seen in groups.items()
    ]


def _path(
    bundle: Bundle,
    way: Way,
    whole: tuple[Place, ...],
    inner_id: InnerId,
    seen: list[Sighting],
    parts: dict[int, tuple[int, int]],
    answered: set[int],
) -> Path:
    sender, receiver = ends(bundle, way)
    hops = _hops(seen, parts, (sender.node, receiver.node))
    first = next((one.packet.inner for one in seen if one.packet.inner is not None), None)
    seq = seq_of(bundle, first, way)
    outcome, doubt = _outcome(bundle, whole, hops, seq in answered)
    if outcome is Outcome.DELIVERED and hops[-1].drop is not None and len(hops) > 1:
        # A raw socket got its copy, and the kernel freed the packet itself: NO_SOCKET in ping_rcv.
        hops = hops[:-1]
    last = hops[-1]
    passed = [_index(whole, hop) for hop in hops]
    missed = whole[max(passed, default=-1) + 1 :]
    return Path(
        way=way,
        inner_id=inner_id,
        seq=seq,
        size=first.ip_length if first is not None else 0,
        hops=hops,
        outcome=outcome,
        end=Place(node=last.node, device=last.device, direction=last.direction, ifname=last.ifname),
        drop=last.drop if outcome is Outcome.DROPPED else None,
        not_reached=()
        if outcome is Outcome.DELIVERED
        else tuple(place for place in missed if watched(bundle, place)),
        doubt=doubt,
    )


def _hops(
    seen: Iterable[Sighting], parts: dict[int, tuple[int, int]], nodes: tuple[str, str]
) -> tuple[Hop, ...]:
    """One hop a point, sender's node first; what the kernel freed last is a hop of its own."""
    found: list[Hop] = []
    for node in dict.fromkeys(nodes):
        here = [one for one in seen if one.observation.node == node]
        if not here:
            continue
        began = here[0].observation.time_ns
        passed: dict[tuple[Device, Direction, str, bool], Hop] = {}
        for one in here:
            if one.freed:
                continue
            hop = _hop(one, began, parts.get(id(one)))
            key = (hop.device, hop.direction, hop.ifname, one.packet.outer is not None)
            before = passed.get(key)
            passed[key] = hop if before is None else _again(before)
        found += passed.values()
        if here[-1].freed and not _arrived(passed.values()):
            found.append(_hop(here[-1], began, None))
    return tuple(found)


def _arrived(hops: Iterable[Hop]) -> bool:
    """A pod has it: that its copy is freed afterwards is the end of every packet."""
    return any(hop.device is Device.POD and hop.direction is Direction.OUT for hop in hops)


def _hop(sighting: Sighting, began: int, part: tuple[int, int] | None) -> Hop:
    one = sighting.observation
    return Hop(
        node=one.node,
        device=one.device,
        direction=one.direction,
        ifname=one.ifname,
        since_us=(one.time_ns - began) // 1000,
        length=one.length,
        gso_size=one.gso_size,
        packet=sighting.packet,
        drop=one.drop,
        part=part,
    )


def _again(hop: Hop) -> Hop:
    return replace(hop, times=hop.times + 1)


def _index(whole: tuple[Place, ...], hop: Hop) -> int:
    """Where on the way a hop stands; a freed packet stands at its device."""
    for index, place in enumerate(whole):
        if (place.node, place.device) != (hop.node, hop.device):
            continue
        if hop.direction in (place.direction, Direction.FREED):
            return index
    return -1


def _outcome(
    bundle: Bundle, whole: tuple[Place, ...], hops: tuple[Hop, ...], answered: bool
) -> tuple[Outcome, str | None]:
    """What became of it, and why that is not known, if it is not."""
    last, goal = hops[-1], whole[-1]
    if answered:
        return Outcome.DELIVERED, None
    if any((hop.node, hop.device, hop.direction) == _key(goal) for hop in hops):
        return (Outcome.DROPPED if last.drop is not None else Outcome.DELIVERED), None
    if last.drop is not None:
        return Outcome.DROPPED, None
    following = whole[max((_index(whole, hop) for hop in hops), default=-1) + 1 :]
    doubt = why_unsure(bundle.agents.get(following[0].node), following[0]) if following else None
    return (Outcome.LOST, None) if doubt is None else (Outcome.UNKNOWN, doubt)


def _key(place: Place) -> tuple[str, Device, Direction]:
    return place.node, place.device, place.direction


def _unseen_requests(bundle: Bundle, seen: list[Path]) -> list[Path]:
    """Probes that were sent, and that no point has seen."""
    numbers = {path.seq for path in seen}
    return [
        _unseen(bundle, Way.REQUEST, sent, is_answer(bundle, sent))
        for sent in bundle.sent
        if sent.seq not in numbers
    ]


def _unseen_replies(bundle: Bundle, requests: list[Path], seen: list[Path]) -> list[Path]:
    """Answers that were due (a request arrived, and its kind is answered) and were not seen."""
    plan = bundle.request.plan
    if plan is None or plan.kind is ProbeKind.UDP:
        return []
    numbers = {path.seq for path in seen}
    arrived = {path.seq for path in requests if path.outcome is Outcome.DELIVERED}
    return [
        _unseen(bundle, Way.REPLY, sent, is_answer(bundle, sent))
        for sent in bundle.sent
        if sent.seq in arrived and sent.seq not in numbers
    ]


def _unseen(bundle: Bundle, way: Way, sent: Sent, answered: bool) -> Path:
    whole = course(bundle, way)
    sender, receiver = ends(bundle, way)
    doubt = sent.error if way is Way.REQUEST else None
    outcome = Outcome.DELIVERED if answered else Outcome.LOST
    if not answered and whole:
        unsure = why_unsure(bundle.agents.get(whole[0].node), whole[0])
        if unsure is not None:
            outcome, doubt = Outcome.UNKNOWN, unsure
    # A pod that did not answer: the request's last point is where it was last heard of.
    start = whole[0] if whole and is_pod(sender.kind, sender.host_network) else None
    return Path(
        way=way,
        inner_id=InnerId(
            src=sender.ip,
            dst=receiver.ip,
            protocol=bundle.request.plan.kind.value if bundle.request.plan else "",
            token=f"{way.value} {sent.seq}, never seen",
        ),
        seq=sent.seq,
        size=sent.size,
        hops=(),
        outcome=outcome,
        end=start,
        not_reached=tuple(place for place in whole if watched(bundle, place)),
        doubt=doubt,
    )
