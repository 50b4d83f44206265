"""The table of steps: what was compared, how much of it, and what came of it."""

from collections.abc import Sequence

from tracer.core.examine.census import Census
from tracer.core.facts import Facts
from tracer.core.rules.catalogue import CATALOGUE, slug, step
from tracer.model.diagnosis import Finding, Severity, Skipped
from tracer.model.examination import Step, StepResult


def steps(
    facts: Facts,
    counted: Sequence[Census],
    followed: int,
    findings: Sequence[Finding],
    skipped: Sequence[Skipped],
) -> tuple[StepResult, ...]:
    """All steps in their order. `followed`: ways that were followed through the tables."""
    of_rule = {slug(rule): step(rule) for rule in CATALOGUE}
    amounts = {
        Step.CLUSTER: _amount(len(facts.bundle.cluster.nodes), "Node object"),
        Step.NODES: _amount(len(facts.bundle.nodes), "node"),
        Step.ROUTES: _amount(sum(one.routes for one in counted), "route"),
        Step.ENTRIES: _amount(sum(one.neighbours + one.fdb for one in counted), "entr", "y", "ies"),
        Step.DROPS: _amount(followed, "way") + " followed",
    }
    return tuple(
        StepResult(
            step=one,
            compared=amounts[one],
            errors=_of(one, Severity.ERROR, findings, of_rule),
            warnings=_of(one, Severity.WARNING, findings, of_rule),
            skipped=len({skip.rule for skip in skipped if of_rule[skip.rule] is one}),
        )
        for one in Step
    )


def _of(
    one: Step, severity: Severity, findings: Sequence[Finding], of_rule: dict[str, Step]
) -> int:
    return sum(of_rule[f.rule] is one and f.severity is severity for f in findings)


def _amount(count: int, noun: str, one: str = "", many: str = "s") -> str:
    return f"{count:,} {noun}{one if count == 1 else many}"
