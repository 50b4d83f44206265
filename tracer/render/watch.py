"""A watch's stream: one line for each change of the diagnosis, and how it stands meanwhile."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace

from tracer.core.overview import standing
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.watch import SCHEMA, Status, Turn, Turned
from tracer.render.advice import steps
from tracer.render.figures import counted, lasted, ordinal
from tracer.render.json_document import schema_of
from tracer.render.style import Style, command_lines, plain_record

LABEL = 13
"""Columns of `before`, `proof`, `fix` and `more` with their indent."""

FLAPS = 3
"""Opened so often in ten minutes, it comes and goes."""

_TURNS = {Turn.OPENED: "red", Turn.CHANGED: "yellow", Turn.CLOSED: "green"}


def turned_line(turned: Turned, *, color: bool = False) -> str:
    """Time, turn, severity, rule, place and sentence: never broken, so that grep finds it whole.

    Below a finding that was opened, indented: what changed before, one line of proof, what to do.
    Times are UTC, as in flanneld's and the kubelet's logs. Ends in a newline.
    """
    safe, style = plain_record(turned), Style(color)
    finding = safe.finding
    names = " or ".join((finding.rule, *finding.also))
    place = " ".join((finding.node, *([finding.device] if finding.device else [])))
    word = style.painted(f"{safe.turn.value.upper():<7}", _look(safe), "bold")
    head = (_clock(safe.at), word, f"{finding.severity.value:<7}", names, place)
    lines = ["  ".join((*head, f"{finding.sentence}{_aside(safe)}"))]
    if safe.turn is Turn.OPENED:
        lines += _below(safe, style)
    return "\n".join(lines) + "\n"


def _look(turned: Turned) -> str:
    """Red is for what stops traffic."""
    if turned.turn is Turn.OPENED and turned.finding.severity is not Severity.ERROR:
        return "yellow"
    return _TURNS[turned.turn]


def _aside(turned: Turned) -> str:
    """How long it was open, and whether it comes and goes."""
    said = []
    seconds = _seconds(turned.since, turned.at)
    if turned.turn is Turn.CLOSED and seconds is not None:
        said.append(f"it was open for {lasted(seconds)}")
    if turned.times >= FLAPS:
        said.append(f"{ordinal(turned.times)} time in ten minutes")
    return f" ({', '.join(said)})" if said else ""


def _below(turned: Turned, style: Style) -> Iterator[str]:
    finding = turned.finding
    if turned.before:
        yield _labelled("before", "; ".join(turned.before))
    proof = _proof(finding)
    if proof is not None:
        value = style.differing(proof.value) if proof.differs else proof.value
        yield _labelled("proof", "  ".join(filter(None, (proof.label, value, proof.source))))
    for step in steps(finding.fix)[:1]:
        yield _labelled("fix", step.words)
        yield from _commands(step.commands)
    yield _labelled("more", f"flantrace explain {finding.rule}")


def _commands(commands: Sequence[str]) -> Iterator[str]:
    """A place that is that of the command before is said once."""
    where = ""
    for command in commands:
        first, *others = command_lines(command, LABEL + 2)
        comment = first.lstrip().startswith("#")
        yield from others if comment and first == where else (first, *others)
        where = first if comment else ""


def _proof(finding: Finding) -> Evidence | None:
    """The first that is not what it should be; else the first."""
    differing = (one for one in finding.evidence if one.differs)
    return next(differing, next(iter(finding.evidence), None))


def _labelled(label: str, text: str) -> str:
    return f"    {label:<{LABEL - 4}}{text}"


def _clock(at: str) -> str:
    """To the second; what is no date is shown as it is."""
    moment = _parsed(at)
    return at if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _seconds(since: str, at: str) -> float | None:
    begin, end = _parsed(since), _parsed(at)
    return None if begin is None or end is None else (end - begin).total_seconds()


def _parsed(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def turned_json(turned: Turned) -> str:
    """The same as one JSON document on one line. Ends in a newline."""
    return msgspec.json.encode(turned).decode() + "\n"


def watch_schema() -> str:
    """JSON Schema of one line of `--json`, as published in docs/reference/. Ends in a newline."""
    return schema_of(Turned, SCHEMA, "One line of flantrace watch: a finding that turned")


def status_line(statuses: Sequence[Status], *, at: str) -> str:
    """How a watch stands, for its start and each quiet hour. `at`: UTC, ISO 8601.

    `watching node-a: 4 leases, heard of 4 s ago, no finding open, 1 in 1024 sampled`. Ends in a
    newline.
    """
    # 5,000 peers' counters are not told here, and take their time
    safe = [plain_record(replace(one, totals=(), drops=(), rates=())) for one in statuses]
    names = [status.node for status in safe]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
    found = standing(safe)
    findings = counted(len(found), "finding") if found else "no finding"
    parts = (leases_said(safe), f"{findings} open", sampling_said(safe), *lost_said(safe))
    return f"{_clock(at)}  watching {shown or 'no node'}: {', '.join(parts)}\n"


def leases_said(statuses: Sequence[Status]) -> str:
    """How many leases packets are held against, and since when nothing was heard of them."""
    ages = [one.leases_age_s for one in statuses]
    number = counted(max((one.leases for one in statuses), default=0), "lease")
    known = [age for age in ages if age is not None]
    if not known or len(known) < len(ages):
        return f"{number}, the API server said nothing yet"
    return f"{number}, heard of {lasted(max(known))} ago"


def sampling_said(statuses: Sequence[Status]) -> str:
    """`1 in 1024 sampled`; where nodes differ, from the most to the fewest."""
    ratios = sorted({one.one_in for one in statuses if one.one_in})
    if not ratios:
        return "no samples"
    span = f"1 in {ratios[0]}" + (f" to 1 in {ratios[-1]}" if len(ratios) > 1 else "")
    return f"{span} sampled"


def lost_said(statuses: Sequence[Status]) -> list[str]:
    """What was missed; nothing: nothing."""
    lost = sum(one.lost for one in statuses)
    untold = sum(one.untold for one in statuses)
    said = [f"{counted(lost, 'record')} lost"] if lost else []
    return said + ([f"{counted(untold, 'freed packet')} not told apart"] if untold else [])
