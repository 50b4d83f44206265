"""Ask one rule of one way, or all rules of a case."""

from collections.abc import Iterable
from typing import Any

from tests.builders import bundle
from tests.paths import all_well
from tracer.core.case import Case
from tracer.core.diagnose import judge, subjects_of
from tracer.core.facts import Facts
from tracer.core.rules.catalogue import Rule, said, subject
from tracer.model.diagnosis import Diagnosis, Finding
from tracer.model.path import Path, Way
from tracer.model.state import NodeState


def case(*states: NodeState, paths: Iterable[Path] | None = None, **recorded: Any) -> Case:
    """A case of the example cluster with some nodes' states changed."""
    recording = bundle(*states, **recorded)
    found = tuple(all_well() if paths is None else paths)
    return Case(Facts(recording), recording.traced, found)


def ask(rule: Rule, asked: Case, way: Way = Way.REQUEST) -> Finding | None:
    """What a rule says of a way, of the way's sender or receiver, or of the cluster."""
    subjects = subjects_of(asked)[subject(rule)]
    findings = said(rule, subjects[0 if way is Way.REQUEST else -1])
    assert len(findings) < 2
    return next(iter(findings), None)


def found(rule: Rule, asked: Case, way: Way = Way.REQUEST) -> Finding:
    finding = ask(rule, asked, way)
    assert finding is not None, f"{rule.__name__} says nothing"
    return finding


def explained(*states: NodeState, paths: Iterable[Path], **recorded: Any) -> tuple[str, ...]:
    """The verdict's five words."""
    return words(judge(case(*states, paths=paths, **recorded)))


def words(diagnosis: Diagnosis) -> tuple[str, ...]:
    verdict = diagnosis.verdict
    parts = (verdict.rule, verdict.node, verdict.device, verdict.reason)
    return (verdict.outcome.value.upper(), *(part or "-" for part in parts))


def rules_of(diagnosis: Diagnosis) -> set[str]:
    return {finding.rule for finding in diagnosis.findings}
