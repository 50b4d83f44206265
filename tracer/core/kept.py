"""A watch's packets since its last segment, and what they are: which nodes' samples, from when on.

Between two moments all samples of all nodes are there. The nodes' clocks are not compared: the
moments are those of whoever diagnoses, moved to each node's own clock, and what passed near to
them is left out by whoever reads (core/histories.py).
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from tracer.core.inner_bytes import inner_bytes
from tracer.core.sampling import is_sample
from tracer.model.observation import AttachedPoint, Direction, Observation
from tracer.model.sampled import Sampled
from tracer.model.watch import Counts

MOST_OBSERVATIONS = 6_500
"""Packets that are kept for the next segment: of half a minute, as many as are told of at most."""

SILENT_NS = 5_000_000_000
"""A node that counted nothing for so long, while others did, was not watched."""

SETTLES_NS = 2_000_000_000
"""Before the oldest one that is kept others of the same time may have gone: nodes are heard each
second."""


class Cut(NamedTuple):
    """A segment's packets."""

    observations: tuple[Observation, ...]
    sampled: tuple[Sampled, ...]
    aside: tuple[int, ...]


class _Span:
    """Of one node, by its own clock, from its first count on."""

    def __init__(self, first: Counts) -> None:
        self.since_ns = first.time_ns
        self._lost_before = first.lost + first.unsaid
        self._rates: set[int] = set()
        self.take(first)

    def take(self, counts: Counts) -> None:
        self.until_ns = counts.time_ns
        self.lost = counts.lost + counts.unsaid - self._lost_before
        self._rates.add(counts.one_in)

    @property
    def one_in(self) -> int:
        """What was a sample all the time; 0: at times nothing was."""
        return 0 if 0 in self._rates else max(self._rates)

    @property
    def steady(self) -> bool:
        return len(self._rates) == 1


class Kept:
    """Of all nodes that are watched."""

    def __init__(self, most: int = MOST_OBSERVATIONS) -> None:
        self._seen: deque[Observation] = deque(maxlen=most)
        self._spans: dict[str, _Span] = {}
        self._points: dict[str, tuple[AttachedPoint, ...]] = {}
        self._deviants = False
        self._gone: Observation | None = None
        """The last that found no room any more."""

    def count(self, counts: Counts) -> None:
        """A node's period has ended: all that passed there until then has been heard."""
        if counts.node not in self._points:
            return
        span = self._spans.get(counts.node)
        if span is None:
            self._spans[counts.node] = _Span(counts)
        else:
            span.take(counts)

    def points(self, node: str, points: tuple[AttachedPoint, ...]) -> None:
        """These devices are watched from now on; until then others were, or by other programs."""
        self._points[node] = points
        self._spans.pop(node, None)

    def forget(self, node: str) -> None:
        """Its watch begins anew."""
        self._spans.pop(node, None)
        self._points.pop(node, None)

    def keep(self, seen: Observation, *, deviates: bool = False) -> None:
        """One packet."""
        if len(self._seen) == self._seen.maxlen:
            self._gone = self._seen[0]
        self._deviants = self._deviants or deviates
        self._seen.append(seen)

    def cut(self, offsets: Mapping[str, int], ports: frozenset[int]) -> Cut:
        """What is kept, which is kept no more. `offsets`: node -> from its clock to ours, in ns.

        `ports`: those of VXLAN.
        """
        seen = tuple(self._seen)
        sampled = tuple(self._sampled(offsets))
        steady = len({span.one_in for span in self._spans.values()}) <= 1 and all(
            span.steady for span in self._spans.values()
        )
        aside: tuple[int, ...] = ()
        if sampled and not (steady and not self._deviants):
            least = sampled[0].one_in
            aside = tuple(_which(seen, lambda one: not _is_sample(one, least, ports)))
        self._seen.clear()
        self._spans.clear()
        self._deviants, self._gone = False, None
        return Cut(seen, sampled, aside)

    def _sampled(self, offsets: Mapping[str, int]) -> Iterable[Sampled]:
        spans = {node: span for node, span in self._spans.items() if span.one_in}
        ends = {node: span.until_ns + offsets.get(node, 0) for node, span in spans.items()}
        last = max(ends.values(), default=0)
        spans = {node: span for node, span in spans.items() if last - ends[node] < SILENT_NS}
        if not spans:
            return
        since = max(span.since_ns + offsets.get(node, 0) for node, span in spans.items())
        if self._gone is not None:
            gone = self._gone.time_ns + offsets.get(self._gone.node, 0)
            since = max(since, gone + SETTLES_NS)
        until = min(ends[node] for node in spans)
        if until <= since:
            return
        for node, span in sorted(spans.items()):
            offset = offsets.get(node, 0)
            yield Sampled(
                node=node,
                since_ns=since - offset,
                until_ns=until - offset,
                one_in=max(one.one_in for one in spans.values()),
                lost=span.lost,
                points=self._points[node],
            )


def _which(seen: Iterable[Observation], is_so: Callable[[Observation], bool]) -> Iterable[int]:
    return (number for number, one in enumerate(seen) if is_so(one))


def _is_sample(seen: Observation, one_in: int, ports: frozenset[int]) -> bool:
    """A freed packet never is one: of those few are recorded, whatever their hash."""
    if seen.direction is Direction.FREED:
        return False
    packet = inner_bytes(seen, ports)
    return packet is not None and is_sample(packet, one_in)
