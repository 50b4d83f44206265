"""A trace held against the prediction from its own tables: did the kernel do another thing?"""

from collections.abc import Iterator

from tracer.core.case import Case, WayView
from tracer.core.end import WayEnd, where_most_ended
from tracer.core.facts import Facts
from tracer.core.predict import predicted
from tracer.core.words import NOUN
from tracer.model.diagnosis import Forecast
from tracer.model.path import Outcome, Path, Place, Way
from tracer.model.request import Request


def forecasts(facts: Facts, request: Request, case: Case) -> tuple[Forecast, ...]:
    """Each way's small packets, and those of full MTU, as the tables would have them."""
    expected = Case(facts, request, predicted(facts, request))
    found: list[Forecast] = []
    for told, seen in zip(expected.ways, case.ways, strict=True):
        for ours, theirs in ((told.small, seen.small), (told.full, seen.full)):
            if ours:
                found.append(_forecast(told, ours[0], theirs))
    return tuple(found)


def _forecast(way: WayView, path: Path, seen: tuple[Path, ...]) -> Forecast:
    reason = path.drop.reason if path.drop is not None else None
    return Forecast(
        way=way.way,
        size=path.size,
        outcome=path.outcome,
        node=path.end.node if path.end is not None else None,
        device=path.end.ifname if path.end is not None else None,
        reason=reason,
        doubt=path.doubt,
        agrees=_agrees(path, seen),
    )


def _agrees(path: Path, seen: tuple[Path, ...]) -> bool | None:
    """None: nothing to compare, or one of the two does not know."""
    known = [one for one in seen if one.outcome is not Outcome.UNKNOWN]
    if not known or path.outcome is Outcome.UNKNOWN:
        return None
    end = where_most_ended(tuple(known))
    if end is None:
        return path.outcome is Outcome.DELIVERED
    return path.outcome is not Outcome.DELIVERED and _where(path) == _ended(end)


def _where(path: Path) -> tuple[str | None, str | None]:
    return _spot(path.end)


def _ended(end: WayEnd) -> tuple[str | None, str | None]:
    return _spot(end.place)


def _spot(place: Place | None) -> tuple[str | None, str | None]:
    return (place.node, place.ifname) if place is not None else (None, None)


def surprises(found: tuple[Forecast, ...]) -> Iterator[str]:
    """A sentence for each thing that did not come true; packets of all sizes are one thing."""
    for way in Way:
        ours = [one for one in found if one.way is way]
        wrong = [one for one in ours if one.agrees is False]
        groups: dict[tuple[str | None, ...], list[Forecast]] = {}
        for one in wrong:
            groups.setdefault((one.outcome, one.node, one.device, one.reason), []).append(one)
        for alike in groups.values():
            size = "" if len(alike) == len(ours) else f" of {alike[0].size} B"
            yield f"By the tables {NOUN[way][1]}{size} {_foretold(alike[0])}"


def _foretold(one: Forecast) -> str:
    if one.outcome is Outcome.DELIVERED:
        return "arrive: what stops them is in no table that flantrace reads."
    where = f"on {one.node}, at {one.device}" if one.node is not None else "at the sender"
    said = f" ({one.reason})" if one.reason is not None else ""
    return f"would end {where}{said}."
