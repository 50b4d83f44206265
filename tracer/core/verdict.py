"""The answer: one outcome, where it happened, one sentence, one exit code."""

from tracer.core.case import Case, WayView
from tracer.core.end import WayEnd
from tracer.core.foretold import foretold
from tracer.core.leases import VXLAN
from tracer.core.words import NOUN, end_word, watcher
from tracer.model.bundle import AgentEnd
from tracer.model.diagnosis import Finding, Severity, Tally, Verdict
from tracer.model.path import Mark, Outcome, Path, Way
from tracer.model.request import ProbeKind

DELIVERED, FAULT, UNKNOWN = 0, 1, 3
"""Exit codes (docs/reference/exit-codes.md)."""


def decide(case: Case, findings: tuple[Finding, ...], tallies: tuple[Tally, ...]) -> Verdict:
    """Requests before replies, seen ends before unseen ones, failure before doubt."""
    backend = other_backend(case)
    if backend is not None:
        return _unknown(f"{backend}: flantrace follows vxlan only.", None, None)
    if case.predicted:
        return foretold(case, findings, _matches(case))
    for way in case.ways:
        if way.end is not None:
            return _failed(way, way.end, findings, tallies)
    for way in case.ways:
        doubted = [path for path in way.paths if path.outcome is Outcome.UNKNOWN]
        if doubted or any(tally.unknown for tally in tallies if tally.way is way.way):
            return _doubted(way, doubted, findings, tallies)
    if not case.paths:
        return _unknown(_nothing_seen(case), None, None)
    blind = _blind(case)
    if blind is not None:
        arrived = ", ".join(_arrived(tally) for tally in tallies if tally.size is None)
        return _unknown(f"{arrived} arrived, but {blind}.", None, None)
    return _delivered(case, findings, tallies)


def _blind(case: Case) -> str | None:
    """Why an error on the path could have been missed although everything arrived."""
    for node in dict.fromkeys((case.request.source.node, case.request.destination.node)):
        agent = case.bundle.agents.get(node)
        if agent is None or agent.end is not AgentEnd.BYE or not agent.points:
            return f"{node} was not watched to the end: {case.why_silent(node).rstrip('.')}"
        if agent.lost is None or agent.lost > 0:
            return f"the {watcher(agent)} lost {agent.lost or 'an unknown number of'} records"
    return None


def other_backend(case: Case) -> str | None:
    """flannel's backend in words, if neither end's is the one that flantrace follows."""
    source, destination = case.request.source.node, case.request.destination.node
    if source == destination:
        return None
    ends = [lease for lease in case.leases if lease.node in (source, destination)]
    if any(lease.backend_type == VXLAN for lease in ends):
        # Where the other end's is another one, that is a fault, and packets show where.
        return None
    for lease in ends:
        if lease.backend_type is not None:
            return f"flannel's backend on {lease.node} is {lease.backend_type}"
    return None


def _failed(
    way: WayView, end: WayEnd, findings: tuple[Finding, ...], tallies: tuple[Tally, ...]
) -> Verdict:
    place = end.place
    node = place.node if place is not None else way.sender
    device = place.ifname if place is not None else None
    at = f", at {device}" if device is not None else ""
    where = f"on {node}{at}" if end.outcome is Outcome.DROPPED else f"last seen on {node}{at}"
    if not end.sample.hops:
        where = f"never seen on {node}{at}"
    return Verdict(
        outcome=end.outcome,
        rule=_explaining(way.way, findings),
        node=node,
        device=device,
        reason=end.drop.reason if end.drop is not None else None,
        way=way.way,
        sentence=f"{where}: {_failures(way, end, tallies)}.",
        exit_code=FAULT,
    )


def _explaining(way: Way, findings: tuple[Finding, ...]) -> str | None:
    for finding in findings:
        if finding.explains and finding.way is way:
            return finding.rule
    return None


def _failures(way: WayView, end: WayEnd, tallies: tuple[Tally, ...]) -> str:
    """`2 of 5 requests; 3 of 5 arrived`; for replies also what became of the requests."""
    one, many = NOUN[way.way]
    if way.is_full(end.sample):
        words = [f"the one {one} of {end.sample.size} B"]
        small = _find(tallies, way.way, full=False)
        arrived = [_arrived(small)] if small is not None and small.sent else []
    else:
        words = [f"{end.count} of {end.total} {one if end.total == 1 else many}"]
        small = _find(tallies, way.way, full=False)
        delivered = small.delivered if small is not None else 0
        elsewhere = sum(_failed_path(path) for path in way.small) - end.count
        words += [f"{elsewhere} elsewhere"] if elsewhere else []
        arrived = [f"{delivered} of {end.total}"] if delivered else []
    if way.way is Way.REPLY and (requests := _find(tallies, Way.REQUEST, full=False)):
        arrived.insert(0, _arrived(requests))
    failed = " and ".join(words)
    return f"{failed}; {' and '.join(arrived)} arrived" if arrived else failed


def _failed_path(path: Path) -> bool:
    return path.outcome in (Outcome.DROPPED, Outcome.LOST)


def _arrived(tally: Tally) -> str:
    one, many = NOUN[tally.way]
    return f"{tally.delivered} of {tally.sent} {one if tally.sent == 1 else many}"


def _find(tallies: tuple[Tally, ...], way: Way, *, full: bool) -> Tally | None:
    for tally in tallies:
        if tally.way is way and (tally.size is not None) is full:
            return tally
    return None


def _doubted(
    way: WayView,
    doubted: list[Path],
    findings: tuple[Finding, ...],
    tallies: tuple[Tally, ...],
) -> Verdict:
    tally = next(t for t in tallies if t.way is way.way and (t.unknown or doubted))
    one, many = NOUN[way.way]
    noun = one if tally.sent == 1 else many
    doubt = next((path.doubt for path in doubted if path.doubt is not None), None)
    if doubt is None:
        doubt = next((trouble.what for trouble in way.case.bundle.troubles), "nothing was seen")
    end = doubted[0].end if doubted and doubted[0].hops else None
    seen = f", last seen on {end.node}, at {end.ifname}" if end is not None else ""
    sentence = f"{tally.unknown} of {tally.sent} {noun}{seen}: {doubt.rstrip('.')}."
    if tally.delivered:
        sentence += f" {tally.delivered} of {tally.sent} arrived."
    errors = [f.rule for f in findings if f.severity is Severity.ERROR and f.way is way.way]
    return _unknown(sentence, errors[0] if errors else None, way.way)


def _unknown(sentence: str, rule: str | None, way: Way | None) -> Verdict:
    return Verdict(
        outcome=Outcome.UNKNOWN,
        rule=rule,
        node=None,
        device=None,
        reason=None,
        way=way,
        sentence=sentence,
        exit_code=UNKNOWN,
    )


def _nothing_seen(case: Case) -> str:
    source, destination = end_word(case.request.source), end_word(case.request.destination)
    if case.request.plan is None:
        return (
            f"no packet between {source} and {destination} was seen in"
            f" {case.request.passive_s or 0:g} s."
        )
    troubles = case.bundle.troubles
    return f"no probe was seen: {troubles[0].what if troubles else 'none was sent'}."


def _delivered(case: Case, findings: tuple[Finding, ...], tallies: tuple[Tally, ...]) -> Verdict:
    parts = [_arrived(tally) for tally in tallies if tally.size is None]
    plan = case.request.plan
    udp = plan is not None and plan.kind is ProbeKind.UDP
    if udp and _find(tallies, Way.REPLY, full=False) is None:
        parts.append("no reply needed")
    full = [tally for tally in tallies if tally.size is not None and tally.way is Way.REQUEST]
    if full:
        parts.append(f"and one of {full[0].size} B")
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    fault = "No drops, but a fault lies on the way." if errors else f"No drops. {_matches(case)}"
    return Verdict(
        outcome=Outcome.DELIVERED,
        rule=errors[0].rule if errors else None,
        node=None,
        device=None,
        reason=None,
        way=None,
        sentence=f"{', '.join(parts)}. {fault}".strip(),
        exit_code=FAULT if errors else DELIVERED,
    )


def _matches(case: Case) -> str:
    """What is known of the entries that the packets used."""
    marks = [entry.mark for path in case.paths for hop in path.hops for entry in hop.entries]
    source, destination = case.request.source, case.request.destination
    if source.node == destination.node:
        return f"Both ends are on {source.node}: the overlay has no part in it."
    for end in (source, destination):
        if end.host_network:
            return f"{end_word(end)} is on its host's network: the overlay has no part in it."
    if Mark.BAD in marks:
        return "Not every entry used matches the leases."
    if Mark.SKIP in marks:
        return "Every entry that could be checked matches the leases."
    return "Every entry used matches the leases." if Mark.OK in marks else ""
