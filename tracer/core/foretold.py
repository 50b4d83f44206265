"""The answer of a prediction: what the tables alone would do, in the words of a verdict."""

from tracer.core.case import Case, WayView
from tracer.core.end import WayEnd
from tracer.core.words import NOUN
from tracer.model.diagnosis import Finding, Severity, Verdict
from tracer.model.path import Outcome, Path, Way

DELIVERED, FAULT, UNKNOWN = 0, 1, 3


def foretold(case: Case, findings: tuple[Finding, ...], matches: str) -> Verdict:
    """Requests before replies, a sure end before doubt. `matches`: what is known of the entries."""
    for way in case.ways:
        if way.end is not None:
            return _ends(way, way.end, findings)
    for way in case.ways:
        doubted = next((path for path in way.paths if path.outcome is Outcome.UNKNOWN), None)
        if doubted is not None:
            rule = _explaining(way, findings)
            return _verdict(Outcome.UNKNOWN, UNKNOWN, _doubt(doubted), rule=rule, way=way.way)
    ways = " and ".join(NOUN[way.way][1] for way in case.ways if way.paths)
    full = next((path.size for way in case.ways for path in way.full), None)
    large = f", those of {full} B too" if full is not None else ""
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    fault = "A fault lies on the way, all the same." if errors else matches
    return _verdict(
        Outcome.DELIVERED,
        FAULT if errors else DELIVERED,
        f"by the tables {ways} arrive{large}. {fault}".strip(),
        rule=errors[0].rule if errors else None,
    )


def _ends(way: WayView, end: WayEnd, findings: tuple[Finding, ...]) -> Verdict:
    place = end.place
    node = place.node if place is not None else way.sender
    device = place.ifname if place is not None else None
    at = f", at {device}" if device is not None else ""
    noun = NOUN[way.way][1]
    what = noun if not way.is_full(end.sample) else f"{noun} of {end.sample.size} B; smaller ones"
    if way.is_full(end.sample):
        what += " arrive"
    how = "on" if end.outcome is Outcome.DROPPED else "last on"
    why = f" ({end.sample.doubt})" if end.sample.doubt else ""
    return _verdict(
        end.outcome,
        FAULT,
        f"by the tables, {how} {node}{at}: {what}{why}.",
        rule=_explaining(way, findings),
        node=node,
        device=device,
        reason=end.drop.reason if end.drop is not None else None,
        way=way.way,
    )


def _explaining(way: WayView, findings: tuple[Finding, ...]) -> str | None:
    return next((f.rule for f in findings if f.explains and f.way is way.way), None)


def _doubt(path: Path) -> str:
    where = f" as far as {path.end.node}, at {path.end.ifname}" if path.end is not None else ""
    return f"by the tables {NOUN[path.way][1]} come{where}: {(path.doubt or '').rstrip('.')}."


def _verdict(
    outcome: Outcome,
    exit_code: int,
    sentence: str,
    *,
    rule: str | None = None,
    node: str | None = None,
    device: str | None = None,
    reason: str | None = None,
    way: Way | None = None,
) -> Verdict:
    return Verdict(
        outcome=outcome,
        rule=rule,
        node=node,
        device=device,
        reason=reason,
        way=way,
        sentence=sentence,
        exit_code=exit_code,
    )
