"""Which findings stand: opened, changed, closed, and damped where they come and go."""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from tracer.model.diagnosis import Finding
from tracer.model.watch import Turn

__all__ = ["Changed", "Findings", "Turn"]

S = 1_000_000_000

Key: TypeAlias = tuple[str, str, str]
"""Rule, node, device: a finding with these is the same, whatever its sentence says by now."""

WELL_FOR_NS = 2 * S
"""How long a finding must be gone before it is closed."""

LONGEST_NS = 120 * S
"""The same of one that has come back often."""

REMEMBERED_NS = 600 * S
"""How long it counts that a finding was opened."""


class Changed(NamedTuple):
    """One line of a watch."""

    time_ns: int
    turn: Turn
    finding: Finding
    """As it is now; a closed one as it was last."""
    opened_ns: int
    times: int
    """How often it was opened in the last while, this time included."""


class _Standing:
    def __init__(self, finding: Finding, now: int, times: int) -> None:
        self.finding = finding
        self.opened_ns = self.seen_ns = now
        self.times = times


class Findings:
    """Those that stand, from one look to the next. Times are one clock's, in nanoseconds."""

    def __init__(self, well_for_ns: int = WELL_FOR_NS) -> None:
        self._well_for_ns = well_for_ns
        self._standing: dict[Key, _Standing] = {}
        self._openings: dict[Key, list[int]] = {}

    def standing(self) -> tuple[Finding, ...]:
        """In the order in which they were opened."""
        return tuple(one.finding for one in self._standing.values())

    def look(self, now: int, findings: Iterable[Finding]) -> list[Changed]:
        """What is different from the last look.

        A finding that is not there any more stands until it has been gone for a while; each time
        that it was opened lately doubles that while: one that comes and goes is told twice, and
        stands from then on.
        """
        there = {(one.rule, one.node, one.device or ""): one for one in findings}
        told = [change for key, one in there.items() for change in self._is(key, one, now)]
        for key in [key for key in self._standing if key not in there]:
            told += self._is_not(key, now)
        return told

    def _is(self, key: Key, finding: Finding, now: int) -> Iterable[Changed]:
        standing = self._standing.get(key)
        if standing is None:
            lately = [at for at in self._openings.get(key, ()) if now - at < REMEMBERED_NS]
            self._openings[key] = [*lately, now]
            self._standing[key] = standing = _Standing(finding, now, len(lately) + 1)
            return (Changed(now, Turn.OPENED, finding, now, standing.times),)
        before, standing.finding, standing.seen_ns = standing.finding, finding, now
        if (before.sentence, before.severity) == (finding.sentence, finding.severity):
            return ()
        return (Changed(now, Turn.CHANGED, finding, standing.opened_ns, standing.times),)

    def _is_not(self, key: Key, now: int) -> Iterable[Changed]:
        standing = self._standing[key]
        if now - standing.seen_ns < self._patience(standing.times):
            return ()
        del self._standing[key]
        if not any(now - at < REMEMBERED_NS for at in self._openings[key]):
            del self._openings[key]
        return (Changed(now, Turn.CLOSED, standing.finding, standing.opened_ns, standing.times),)

    def _patience(self, times: int) -> int:
        return int(min(self._well_for_ns << (times - 1), max(LONGEST_NS, self._well_for_ns)))
