"""What changed just before a finding was opened, on its node and in the API."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tracer.model.diagnosis import Finding
from tracer.model.watch import Happening

S = 1_000_000_000

MOST = 10_000
"""Events that are remembered; of a storm, the last ones."""

SPAN_NS = 60 * S
"""What is longer ago is no cause that anybody would see by looking."""

KEPT_NS = 3 * SPAN_NS
"""A finding may be opened by packets that are older than itself."""

SHOWN = 3

LATE_NS = 250_000_000
"""Of packets: a device that is taken down frees them before the kernel says anything of it, as its
queues end first (net/core/dev.c, `__dev_close_many`)."""


class Event(NamedTuple):
    """One change, by the clock of the node that is watched."""

    time_ns: int
    what: str
    """`FDB entry of node-b replaced`."""
    about: frozenset[str]
    """Names, addresses, MACs and devices that are concerned: what evidence may quote."""

    def of(self, node: str) -> Happening:
        """As it is said; empty `node`: in the API."""
        about = tuple(sorted(self.about))
        return Happening(node=node, time_ns=self.time_ns, what=self.what, about=about)


class Events:
    """The last of them, in their order."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=MOST)

    def add(self, events: Iterable[Event]) -> None:
        """Those that came since; their times may be a little out of order."""
        self._events.extend(events)
        while self._events and self._events[-1].time_ns - self._events[0].time_ns > KEPT_NS:
            self._events.popleft()

    def before(self, finding: Finding, time_ns: int, late_ns: int = 0) -> tuple[Event, ...]:
        """What may have led to a finding that was opened then, the likeliest first.

        First what is about something that the finding quotes; of these, the last that happened.
        `late_ns`: how much later the kernel may have said so.
        """
        quoted = set(_quoted(finding))
        span = range(time_ns - SPAN_NS, time_ns + late_ns + 1)
        lately = [one for one in self._events if one.time_ns in span]
        near = [one for one in lately if one.about & quoted]
        near.sort(key=lambda one: one.time_ns, reverse=True)
        return tuple(near[:SHOWN])


def told(event: Event, time_ns: int, to: str = "") -> str:
    """`FDB entry of node-b replaced 3.2 s before`, and ` the first packet`, if that is given."""
    seconds = (time_ns - event.time_ns) / S
    return f"{event.what} {abs(seconds):.1f} s {'before' if seconds >= 0 else 'after'}{to}"


def _quoted(finding: Finding) -> Iterator[str]:
    """Every word of what a finding says and proves."""
    texts = [finding.sentence, *(f"{one.value} {one.source}" for one in finding.evidence)]
    for text in texts:
        for word in text.replace(",", " ").split():
            yield word.rstrip(".:;")
    yield from (word for word in (finding.device,) if word is not None)
