"""A healthy cluster has nothing to be said about it."""

from tests.core.rules.asking import case
from tracer.core.diagnose import judge
from tracer.model.diagnosis import Severity


def test_a_healthy_trace_yields_no_finding_above_info() -> None:
    told = judge(case())
    assert [f for f in told.findings if f.severity is not Severity.INFO] == []
    assert told.skipped == ()
    assert told.verdict.exit_code == 0


def test_the_healthy_sentence_counts_everything() -> None:
    sentence = judge(case()).verdict.sentence
    assert sentence.startswith("5 of 5 requests, 5 of 5 replies, and one of 1450 B. No drops.")
