"""What report and summary in Markdown share: the answer in a few lines, proof and advice."""

from collections.abc import Iterator

from tracer.core.words import end_word
from tracer.model.diagnosis import Diagnosis, Evidence, Finding
from tracer.model.path import Outcome
from tracer.model.request import End
from tracer.render.advice import steps
from tracer.render.headline import on
from tracer.render.prose import block, cell, code, prose


def answer(diagnosis: Diagnosis) -> str:
    """`DROPPED on node-b, at flannel.1: 5 of 5 requests`."""
    verdict = diagnosis.verdict
    return f"{verdict.outcome.value.upper()} {prose(verdict.sentence.rstrip('.'))}"


def cause(diagnosis: Diagnosis) -> Finding | None:
    """The finding behind the verdict."""
    first = next(iter(diagnosis.findings), None)
    return first if first is not None and first.rule == diagnosis.verdict.rule else None


def five_lines(diagnosis: Diagnosis) -> list[str]:
    """Who, why, whom it hits, what to do, when: for those who read no more."""
    finding = cause(diagnosis)
    overlay, request = diagnosis.overlay, diagnosis.request
    source = _end(request.source, overlay.source_underlay)
    destination = _end(request.destination, overlay.destination_underlay)
    if finding is not None:
        why = f"{prose(finding.sentence)} ({code(finding.rule)})"
        hits, fix = prose(finding.hits), prose(finding.fix[0].rstrip(":")) if finding.fix else "-"
    elif diagnosis.verdict.outcome is Outcome.DELIVERED:
        why, hits, fix = "no fault was found", "nobody", "nothing to do"
    else:
        why, hits, fix = "no rule knows it", "not known", "see what was not checked"
    lines = {
        "Who": f"{source} to {destination}",
        "Why": why,
        "Hits": hits,
        "Fix": fix,
        "When": f"{prose(diagnosis.recorded_at)}, by flantrace {prose(diagnosis.recorded_by)}",
    }
    return [f"- **{label}**: {text}" for label, text in lines.items()]


def _end(end: End, underlay: str | None) -> str:
    return f"{code(end_word(end))} ({prose(end.ip)} {prose(on(end, underlay))})"


def evidence(rows: tuple[Evidence, ...]) -> list[str]:
    """A table; what differs says so in words."""
    lines = ["| | value | where | |", "|---|---|---|---|"]
    for row in rows:
        cells = (
            prose(row.label),
            code(row.value),
            prose(row.source),
            "**differs**" if row.differs else "",
        )
        lines.append("| " + " | ".join(map(cell, cells)) + " |")
    return lines


def fix(finding: Finding) -> Iterator[list[str]]:
    """Words, and the commands below them in blocks of their own."""
    for step in steps(finding.fix):
        yield [prose(step.words)]
        if step.commands:
            yield block("\n".join(step.commands), "sh")


def confirm(finding: Finding, again: str) -> Iterator[list[str]]:
    """The commands that show that it worked, and the trace once more."""
    yield block("\n".join((*finding.confirm, again)), "sh")
