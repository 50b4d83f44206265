"""Faults that no packet met, because another one stopped them all before: by the tables."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from tracer.core.annotate import annotated
from tracer.core.case import Case, MissingFact, WayView
from tracer.core.predict import arriving
from tracer.core.rules.catalogue import CATALOGUE, LAST, said, subject
from tracer.model.diagnosis import Finding
from tracer.model.path import Way


def beyond(case: Case, known: Sequence[Finding]) -> tuple[Finding, ...]:
    """What would stop, on the receiver's node, the packets of ways that ended on the sender's.

    The finding explains nothing that was seen: packets that arrive as the leases promise would end
    there. Two faults are two, and healing the first one alone helps nobody.
    """
    found: dict[tuple[str, str], Finding] = {(one.rule, one.node): one for one in known}
    for way in case.ways:
        if way.end is None or way.end.place is None or way.end.place.node != way.sender:
            continue
        for finding in _met(case, way.way):
            found.setdefault((finding.rule, finding.node), replace(finding, explains=False))
    return tuple(list(found.values())[len(known) :])


def _met(case: Case, way: Way) -> Iterator[Finding]:
    """The findings that explain the end of a packet that is past the first fault."""
    try:
        path = arriving(case.facts, case.request, way)
    except (MissingFact, ValueError):
        return
    if path is None:
        return
    asked = replace(case.request, predict=True)
    later = Case(case.facts, asked, annotated((path,), case.facts, asked))
    view = next(one for one in later.ways if one.way is way)
    for rule in CATALOGUE:
        if rule in LAST or subject(rule) is not WayView:
            continue
        try:
            yield from (
                one for one in said(rule, view) if one.explains and one.node == view.receiver
            )
        except MissingFact:
            continue
