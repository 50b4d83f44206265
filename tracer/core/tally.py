"""How many went each way, and how many arrived."""

from collections.abc import Iterable

from tracer.core.case import Case
from tracer.model.diagnosis import Tally
from tracer.model.path import Outcome, Path, Way


def tallies(case: Case) -> tuple[Tally, ...]:
    """Requests and replies; the probe of full MTU by itself. A way without packets has none."""
    rows = []
    for way in case.ways:
        rows.append(_tally(way.way, way.small, None))
        # The reply to a request of full MTU is as long; where it was never seen, the request says.
        size = next((path.size for path in (*way.full, *case.ways[0].full)), 0)
        rows.append(_tally(way.way, way.full, size))
    return tuple(row for row in rows if row.sent)


def _tally(way: Way, paths: Iterable[Path], size: int | None) -> Tally:
    outcomes = [path.outcome for path in paths]
    return Tally(
        way=way,
        size=size,
        sent=len(outcomes),
        delivered=outcomes.count(Outcome.DELIVERED),
        dropped=outcomes.count(Outcome.DROPPED),
        lost=outcomes.count(Outcome.LOST),
        unknown=outcomes.count(Outcome.UNKNOWN),
    )
