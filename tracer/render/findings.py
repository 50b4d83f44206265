"""Findings: the sentence, the proof, whom it hits, what to do, and what does not help."""

from tracer.model.diagnosis import Diagnosis, Evidence, Finding, Severity, ThreeMacs
from tracer.render.style import MARGIN, WIDTH, Style, at_margin, command_lines, fits, wrapped

LABEL = 9
"""Columns of `hits`, `fix` ... with their indent."""

VALUE = 34
"""A value longer than this gets lines of its own."""

DIFFERS = "<-- differs"


def main(finding: Finding, style: Style) -> list[str]:
    """The finding behind the verdict, whole."""
    return [
        *wrapped(finding.sentence, 2),
        "",
        *evidence(finding.evidence, style),
        "",
        *_advice(finding),
    ]


def further(findings: tuple[Finding, ...], style: Style, *, whole: bool) -> list[str]:
    """The other findings: errors whole; warnings in one sentence unless all is wanted."""
    lines: list[str] = []
    for finding in findings:
        place = f"{finding.node}  {finding.device or '-'}"
        head = f"{finding.severity.value:<7}  {place}"
        lines += [at_margin(head, finding.rule) if fits(head, finding.rule) else head]
        if not fits(head, finding.rule):
            lines.append(at_margin("", finding.rule))
        if whole or finding.severity is Severity.ERROR:
            lines += [*main(finding, style), ""]
        else:
            lines += [*wrapped(finding.sentence, 2), f"  more   docs/rules/{finding.rule}.md", ""]
    return lines


def evidence(rows: tuple[Evidence, ...], style: Style) -> list[str]:
    """`label  value  source`, aligned; what differs says so at the margin."""
    labels = max([10, *(len(row.label) for row in rows)])
    short = [len(row.value) for row in rows if len(row.value) <= VALUE]
    values = max(short, default=0)
    lines: list[str] = []
    for row in rows:
        lines += _row(row, labels, values, style)
    return lines


def _row(row: Evidence, labels: int, values: int, style: Style) -> list[str]:
    head = f"    {row.label:<{labels}}  "
    value = style.differing(row.value) if row.differs else row.value
    mark = DIFFERS if row.differs else ""
    room = MARGIN - len(mark) - 2 if mark else WIDTH
    line = f"{head}{row.value:<{values}}   {row.source}"
    if len(line) <= room:
        return [at_margin(line, mark).replace(row.value, value, 1) if mark else line]
    quoted = wrapped(row.value, len(head), room)
    quoted[0] = head + quoted[0][len(head) :]
    quoted[-1] = at_margin(quoted[-1], mark)
    if mark:
        quoted = [line.replace(row.value, value, 1) for line in quoted]
    return [*quoted, *wrapped(row.source, len(head) + 2)]


def _advice(finding: Finding) -> list[str]:
    lines = _labelled("hits", finding.hits)
    lines += _labelled("or", " or ".join(finding.also)) if finding.also else []
    lines += _commands("fix", finding.fix)
    if finding.confirm:
        lines += _commands("then", ("see that it worked:", *finding.confirm))
    for label, remedy in zip(["no use", *[""] * len(finding.useless)], finding.useless):  # noqa: B905
        lines += _labelled(label, remedy)
    return [*lines, *_labelled("more", f"docs/rules/{finding.rule}.md")]


def _labelled(label: str, text: str) -> list[str]:
    lines = wrapped(text, LABEL)
    return [f"  {label:<{LABEL - 2}}{lines[0][LABEL:]}", *lines[1:]]


def _commands(label: str, parts: tuple[str, ...]) -> list[str]:
    """Words, and below each its commands. Words end in a colon; a command is never broken."""
    lines: list[str] = []
    for index, part in enumerate(parts):
        if index == 0:
            lines += _labelled(label, part)
        elif part.endswith(":"):
            lines += wrapped(part, LABEL)
        else:
            command = command_lines(part, LABEL + 2)
            if command[0] in lines[-2:] and "# on" in command[0]:
                # The same place as the command before: said once.
                command = command[1:]
            lines += command
    return lines


def macs(diagnosis: Diagnosis, style: Style) -> list[str]:
    """The MACs of both receivers side by side."""
    lines: list[str] = []
    for row in diagnosis.macs:
        lines.append(f"  {row.node} as {row.peer} and itself know it")
        lines += evidence(mac_rows(row), style)
        lines.append("")
    return lines


def disagree(row: ThreeMacs) -> bool:
    """Not all that is known of this node's VTEP is the same."""
    known = {row.advertised, row.programmed, row.programmed_fdb, row.actual, row.wire} - {None}
    return len(known) > 1


def mac_rows(row: ThreeMacs) -> tuple[Evidence, ...]:
    """All five as evidence; what is not the device's own differs."""
    values = (
        ("advertised", row.advertised, f"lease of {row.node}"),
        ("programmed", row.programmed, f"{row.peer} neighbour"),
        ("", row.programmed_fdb, f"{row.peer} fdb"),
        ("actual", row.actual, f"{row.node} link"),
        ("wire", row.wire, f"inner frames that came in at {row.node}"),
    )
    return tuple(
        Evidence(
            label=label,
            value=value or "not known",
            source=source,
            differs=value is not None and row.actual is not None and value != row.actual,
        )
        for label, value, source in values
    )
