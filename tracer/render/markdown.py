"""An incident report in Markdown, to be pasted into GitHub, GitLab or Jira.

Five lines first, for those who read no more; then the path, the proof, when, the fix, how to see
that it worked, and what was not checked.
"""

from collections.abc import Iterator

from tracer.core.words import trace_command
from tracer.model.diagnosis import Diagnosis, Finding, Moment, Severity
from tracer.render.findings import disagree
from tracer.render.headline import sent
from tracer.render.markdown_parts import answer, cause, confirm, evidence, five_lines, fix
from tracer.render.mermaid import mermaid
from tracer.render.prose import block, cell, code, prose
from tracer.render.style import plain
from tracer.render.text import not_checked, packets

Part = list[str]


def markdown(diagnosis: Diagnosis, *, drawn: bool = True) -> str:
    """The whole report; ends in a newline. `drawn` False: no Mermaid, for what does not draw it."""
    safe = plain(diagnosis)
    text = block(packets(safe))
    parts: list[Part] = [
        [f"# {answer(safe)}"],
        five_lines(safe),
        ["## Path"],
        block(mermaid(safe), "mermaid") if drawn else text,
        *_findings(safe),
        *_macs(safe),
        *_timeline(safe.timeline),
        *_notes(safe),
        ["## Not checked"],
        [prose(line) for line in not_checked(safe.skipped, full=True)] or ["Nothing was left out."],
        *((["## Packets"], text) if drawn else ()),
        [f"flantrace {prose(safe.recorded_by)}: {prose(sent(safe))}"],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _findings(diagnosis: Diagnosis) -> Iterator[Part]:
    """The one behind the verdict as the report's own sections; further ones below."""
    main = cause(diagnosis)
    again = trace_command(diagnosis.request)
    if main is not None:
        yield from _proof_and_advice(main, again, "##")
    for finding in diagnosis.findings:
        if finding is main:
            continue
        yield [f"## Also: {code(finding.rule)} on {prose(finding.node)}"]
        yield [f"{finding.severity.value.capitalize()}: {prose(finding.sentence)}"]
        if finding.severity is Severity.ERROR:
            yield from _proof_and_advice(finding, again, "###")


def _proof_and_advice(finding: Finding, again: str, level: str) -> Iterator[Part]:
    if finding.evidence:
        yield [f"{level} Evidence"]
        yield evidence(finding.evidence)
    if finding.also:
        yield [f"The same evidence allows {' and '.join(map(code, finding.also))}."]
    yield [f"{level} Fix"]
    yield from fix(finding)
    yield [f"{level} How to confirm"]
    yield from confirm(finding, again)
    if finding.useless:
        yield [f"{level} What does not help"]
        yield [f"- {prose(remedy)}" for remedy in finding.useless]


def _macs(diagnosis: Diagnosis) -> Iterator[Part]:
    """Only where they disagree: advertised, programmed, actual and that on the wire."""
    rows = [row for row in diagnosis.macs if disagree(row)]
    if not rows:
        return
    lines = [
        "| VTEP of | advertised | programmed | FDB | actual | on the wire |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        macs = (row.advertised, row.programmed, row.programmed_fdb, row.actual, row.wire)
        cells = (
            f"{prose(row.node)}, for {prose(row.peer)}",
            *(code(mac or "not known") for mac in macs),
        )
        lines.append("| " + " | ".join(map(cell, cells)) + " |")
    yield ["## MACs"]
    yield lines


def _timeline(timeline: tuple[Moment, ...]) -> Iterator[Part]:
    if not timeline:
        return
    yield ["## Timeline"]
    yield ["In UTC, each by its own clock: two nodes' clocks are never compared."]
    lines = ["| clock | from | to | what |", "|---|---|---|---|"]
    for moment in timeline:
        cells = (moment.clock, moment.at, moment.until or "", moment.text)
        lines.append("| " + " | ".join(cell(prose(one)) for one in cells) + " |")
    yield lines


def _notes(diagnosis: Diagnosis) -> Iterator[Part]:
    if diagnosis.notes:
        yield ["## Notes"]
        yield [f"- {prose(note)}" for note in diagnosis.notes]
