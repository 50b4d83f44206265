"""Where sampled packets were seen last, by sender and receiver: what is complete, and what ended.

Between the bridge and the VTEP a policy may drop a packet, a Service's address be put in the place
of another, or the node take what is its own: what is not seen further, and was not seen freed, is
unknown there. The receiver may glue TCP data to what came before (GRO): the same.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network

from tracer.core.facts import Facts
from tracer.core.histories import History, histories, is_whole
from tracer.core.segments import Point, point
from tracer.core.sightings import Sighting
from tracer.core.whose import Whose
from tracer.model.examination import Ended, Samples, Trajectories
from tracer.model.observation import Device, Direction
from tracer.model.packet import Ip
from tracer.model.sampled import Sampled

_Way = tuple[str | None, str | None, int]
_End = tuple[Point, str]
"""Where packets were seen last, and that device's name."""

_ORDER = (
    (Device.BRIDGE, Direction.IN),
    (Device.VTEP, Direction.OUT),
    (Device.UPLINK, Direction.OUT),
    (Device.UPLINK, Direction.IN),
    (Device.VTEP, Direction.IN),
    (Device.BRIDGE, Direction.OUT),
)
_SENDERS = 3
"""Of these so many are the sender's."""


def samples(facts: Facts) -> Samples | None:
    """What a watch's recording says of its samples; None: it has none."""
    watched = facts.bundle.watched
    if watched is None or not watched.sampled:
        return None
    followed = _Followed(facts, watched.sampled)
    at_the_edges = cut = begun_elsewhere = 0
    for one in histories(facts.bundle):
        if not is_whole(one, watched.sampled):
            at_the_edges += one.copies
        elif not one.told_apart:
            cut += one.copies
        elif not followed.follow(one):
            begun_elsewhere += one.copies
    return Samples(
        one_in=watched.sampled[0].one_in,
        nodes=tuple(one.node for one in watched.sampled),
        ways=followed.ways(),
        at_the_edges=at_the_edges,
        cut=cut,
        begun_elsewhere=begun_elsewhere,
        lost=sum(one.lost for one in watched.sampled),
    )


class _Tally:
    """Of one way."""

    def __init__(self) -> None:
        self.followed = self.complete = self.unknown = 0
        self.hooks: Counter[tuple[Point, ...]] = Counter()
        self.ended: Counter[_End] = Counter()
        self.freed: Counter[_End] = Counter()
        self.reasons: dict[_End, str] = {}
        self.last: dict[_End, Sighting] = {}


class _Followed:
    """All ways, as histories come to them."""

    def __init__(self, facts: Facts, sampled: Iterable[Sampled]) -> None:
        self._facts = facts
        self._sampled = {one.node: one for one in sampled}
        self._watched = {
            (one.node, at.device) for one in self._sampled.values() for at in one.points
        }
        self._whose = Whose("")
        self._whose.hold(
            {
                node: [one for one in facts.leases if one.node == node]
                for node in {one.node for one in facts.leases}
            }
        )
        self._owners: dict[Ip, str | None] = {}
        self._own = {node: _own_addresses(facts, node) for node in self._sampled}
        self._tallies: dict[_Way, _Tally] = defaultdict(_Tally)

    def follow(self, history: History) -> bool:
        """False: it did not begin where it must have."""
        inner = history.inner_id
        sender, receiver = self._owner(inner.src), self._owner(inner.dst)
        places = self._places(history, sender, receiver)
        times = history.times()
        start = next((n for n, place in enumerate(places) if times[place]), None)
        if start is None or (start and places[start - 1][1] is not Device.BRIDGE):
            return False
        way = self._tallies[sender, receiver, 6 if ":" in inner.dst else 4]
        way.hooks[tuple(places)] += 1
        self._count(way, history, places[start:], times)
        return True

    def _count(
        self, way: _Tally, history: History, places: Sequence[Point], times: Mapping[Point, int]
    ) -> None:
        """Of several copies each is taken for one that went as far as the hooks behind say."""
        seen = [times[place] for place in places]
        reached = [max(seen[n:]) for n in range(len(seen))]
        way.followed += reached[0]
        way.complete += min(seen)
        way.unknown += reached[-1] - min(seen)  # it arrived, and a hook on the way missed it
        for n, place in enumerate(places[:-1]):
            packets = reached[n] - reached[n + 1]
            if not packets:
                continue
            if self._is_unknown(history, place, places[n + 1]):
                way.unknown += packets
                continue
            last = self._furthest(history, place, places)
            key = (point(last), last.observation.ifname)
            way.ended[key] += packets
            reason = _reason(history)
            if reason is not None:
                way.freed[key] += min(packets, len(history.freed))
                way.reasons[key] = reason
            known = way.last.get(key)
            if known is None or known.observation.time_ns < last.observation.time_ns:
                way.last[key] = last

    def _places(self, history: History, sender: str | None, receiver: str | None) -> list[Point]:
        """The watched hooks on its way."""
        inner = history.inner_id
        plain = any(
            one.observation.device is Device.UPLINK and one.packet.outer is None
            for one in history.seen
        )
        found: list[Point] = []
        for n, (device, direction) in enumerate(_ORDER):
            node, ip = (sender, inner.src) if n < _SENDERS else (receiver, inner.dst)
            passed_by = (device is Device.BRIDGE and ip in self._own.get(node or "", ())) or (
                device is Device.VTEP and plain
            )
            if node is not None and (node, device) in self._watched and not passed_by:
                found.append((node, device, direction))
        return found

    def _is_unknown(self, history: History, place: Point, following: Point) -> bool:
        if self._sampled[following[0]].lost:
            return True
        if any(one.observation.node in (place[0], following[0]) for one in history.freed):
            return False
        if Device.BRIDGE in (place[1], following[1]):
            return True
        return history.is_data and following[2] is Direction.IN

    def _furthest(self, history: History, place: Point, places: Sequence[Point]) -> Sighting:
        """At another node than both, if it strayed there; else at the last place of its way."""
        nodes = {one[0] for one in places}
        strayed = [one for one in history.seen if one.observation.node not in nodes]
        there = strayed or [one for one in history.seen if point(one) == place]
        there = there or [one for one in history.seen if one.observation.node == place[0]]
        return max(there, key=lambda one: (one.observation.node, one.observation.time_ns))

    def _owner(self, ip: Ip) -> str | None:
        if ip not in self._owners:
            self._owners[ip] = self._whose.of(ip)[0]
        return self._owners[ip]

    def ways(self) -> tuple[Trajectories, ...]:
        """In the order of names."""
        return tuple(
            Trajectories(
                sender=sender,
                receiver=receiver,
                family=family,
                hooks=tuple(
                    self._named(place, family) for place in tally.hooks.most_common(1)[0][0]
                ),
                followed=tally.followed,
                complete=tally.complete,
                unknown=tally.unknown,
                ended=tuple(
                    _ended(tally, key)
                    for key, _ in sorted(
                        tally.ended.items(), key=lambda item: (-item[1], str(item[0]))
                    )
                ),
            )
            for (sender, receiver, family), tally in sorted(
                self._tallies.items(), key=lambda item: tuple(map(str, item[0]))
            )
        )

    def _named(self, place: Point, family: int) -> str:
        node, device, direction = place
        names = [one.ifname for one in self._sampled[node].points if one.device is device]
        six = [one for one in names if one.startswith("flannel-v6.") is (family == 6)]
        return f"{node} {(six or names)[0]} {direction.value}"


def _ended(tally: _Tally, key: _End) -> Ended:
    (node, device, direction), ifname = key
    last = tally.last[key].inner_id
    assert last is not None
    return Ended(
        node=node,
        device=device,
        direction=direction,
        ifname=ifname,
        packets=tally.ended[key],
        freed=tally.freed[key],
        reason=tally.reasons.get(key),
        last=last,
    )


def _reason(history: History) -> str | None:
    drops = [one.observation.drop for one in history.freed]
    return next((one.reason or one.caller for one in drops if one is not None), None)


def _own_addresses(facts: Facts, node: str) -> frozenset[Ip]:
    """Those that the node itself has: its packets pass no bridge."""
    state = facts.bundle.nodes.get(node)
    if state is not None and state.addresses:
        return frozenset(one.ip for one in state.addresses)
    nets = [
        ip_network(one.pod_cidr, strict=False)
        for one in facts.leases
        if one.node == node and one.pod_cidr
    ]
    return frozenset(str(ip_address(int(net.network_address) + n)) for net in nets for n in (0, 1))
