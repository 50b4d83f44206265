"""A check in Markdown for GitHub, GitLab and Jira: the answer, the steps, each finding."""

from tracer.model.diagnosis import Finding
from tracer.model.examination import Examination
from tracer.render.examination import ABOUT, WORDS, told, where
from tracer.render.markdown_parts import evidence, fix
from tracer.render.matrix import matrix
from tracer.render.prose import block, cell, code, prose
from tracer.render.samples import samples_markdown
from tracer.render.style import plain_record
from tracer.render.text import not_checked

FEW = 3
"""Findings in a summary; a report has all."""


def examination_markdown(examination: Examination, *, short: bool = False) -> str:
    """`short`: for a pipeline's summary page. Ends in a newline."""
    safe = plain_record(examination)
    mark = "###" if short else "#"
    shown = safe.findings[:FEW] if short else safe.findings
    parts = [
        [f"{mark} {WORDS[safe.exit_code]} {prose(safe.sentence.rstrip('.'))}"],
        _steps(safe),
        *(part for finding in shown for part in _finding(finding, f"{mark}#")),
    ]
    left = len(safe.findings) - len(shown)
    if left:
        parts.append([f"{left} more: `--format markdown` has all."])
    if not short:
        parts += _before(safe, mark)
        parts += samples_markdown(safe.samples, mark)
        parts += [[f"{mark}# Who reaches whom"], block("\n".join(matrix(safe)))]
    parts.append([f"- {prose(note)}" for note in safe.notes])
    parts.append([f"- {prose(line)}" for line in not_checked(safe.skipped, full=False)])
    made = f"Checked {prose(safe.recorded_at)}, by flantrace {prose(safe.recorded_by)}."
    parts.append([made])
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _steps(examination: Examination) -> list[str]:
    lines = ["| step | compared | | faults | warnings |", "|---|---|---|---|---|"]
    for one in examination.steps:
        cells = (
            one.step.value,
            ABOUT[one.step],
            one.compared,
            f"**{one.errors}**" if one.errors else "-",
            str(one.warnings) if one.warnings else "-",
        )
        lines.append("| " + " | ".join(map(cell, cells)) + " |")
    return lines


def _before(examination: Examination, mark: str) -> list[list[str]]:
    """Of a watch's recording: what changed and what traffic showed."""
    if not examination.timeline:
        return []
    lines = ["| when | where | what |", "|---|---|---|"]
    for one in examination.timeline:
        cells = (one.at, where(one), told(one))
        lines.append("| " + " | ".join(cell(prose(text)) for text in cells) + " |")
    return [[f"{mark}# What came before"], ["In UTC, by the clock of the watch."], lines]


def _finding(finding: Finding, mark: str) -> list[list[str]]:
    return [
        [f"{mark} {code(finding.rule)} on {prose(finding.node)} ({finding.severity.value})"],
        [prose(finding.sentence)],
        evidence(finding.evidence),
        [f"**Hits**: {prose(finding.hits)}"],
        *fix(finding),
    ]
