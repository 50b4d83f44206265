"""A watch says when a finding opens, changes and closes, and does not repeat itself."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tracer.core.standing import LONGEST_NS, WELL_FOR_NS, Findings, S, Turn
from tracer.model.diagnosis import Finding, Severity

STALE = Finding(
    rule="neigh-stale-one-node",
    severity=Severity.ERROR,
    node="node-a",
    device="flannel.1",
    sentence="node-a has an old MAC for node-b.",
    evidence=(),
    hits="pods of node-b",
    fix=("restart flanneld on node-a:",),
)
OTHER = replace(STALE, rule="input-drop-8472", device="eth0")


def turns(findings: Findings, now: float, *there: Finding) -> list[tuple[Turn, str]]:
    return [(one.turn, one.finding.rule) for one in findings.look(int(now * S), there)]


def test_it_is_opened_once_and_closed_when_it_has_been_gone_for_a_while() -> None:
    findings = Findings()
    assert turns(findings, 0) == []
    assert turns(findings, 1, STALE) == [(Turn.OPENED, STALE.rule)]
    assert turns(findings, 2, STALE) == []
    assert turns(findings, 3) == []
    assert findings.standing() == (STALE,)
    assert turns(findings, 4) == [(Turn.CLOSED, STALE.rule)]
    assert findings.standing() == ()
    assert turns(findings, 9) == []


def test_another_sentence_is_a_change_and_other_evidence_is_none() -> None:
    findings = Findings()
    turns(findings, 0, STALE)
    worse = replace(STALE, sentence="node-a has old MACs for node-b and node-c.")
    assert turns(findings, 1, worse) == [(Turn.CHANGED, STALE.rule)]
    assert turns(findings, 2, replace(worse, hits="others")) == []
    assert findings.standing()[0].hits == "others", "the newest is kept"


def test_two_findings_come_and_go_by_themselves() -> None:
    findings = Findings()
    turns(findings, 0, STALE)
    assert turns(findings, 1, STALE, OTHER) == [(Turn.OPENED, OTHER.rule)]
    assert turns(findings, 9, OTHER) == [(Turn.CLOSED, STALE.rule)]


def test_the_same_fault_on_another_device_is_another_finding() -> None:
    findings = Findings()
    turns(findings, 0, STALE)
    again = replace(STALE, device="flannel-v6.1")
    assert turns(findings, 1, STALE, again) == [(Turn.OPENED, STALE.rule)]


def test_one_that_comes_and_goes_is_told_less_and_less() -> None:
    findings, told = Findings(), []
    for second in range(600):
        there = [STALE] if second % 6 < 3 else []
        told += [(one.turn, second) for one in findings.look(second * S, there)]
    assert [turn for turn, _ in told] == [Turn.OPENED, Turn.CLOSED, Turn.OPENED]
    assert told[-1][1] == 6
    last = findings.look((600 + 5) * S, [])
    assert [(one.turn, one.times) for one in last] == [(Turn.CLOSED, 2)]


def test_after_ten_quiet_minutes_nothing_is_held_against_it() -> None:
    findings = Findings()
    for start in (0, 10, 20):
        turns(findings, start, STALE)
        assert turns(findings, start + 9) == [(Turn.CLOSED, STALE.rule)]
    turns(findings, 1000, STALE)
    (closed,) = findings.look(1002 * S, [])
    assert closed.times == 1


@given(st.lists(st.booleans(), max_size=300))
def test_openings_and_closings_alternate_and_nothing_stands_for_ever(seen: list[bool]) -> None:
    findings, told = Findings(), []
    for second, there in enumerate(seen):
        told += findings.look(second * S, [STALE] if there else [])
    assert [one.turn for one in told] == [Turn.OPENED, Turn.CLOSED][:2] * (len(told) // 2) + [
        Turn.OPENED
    ] * (len(told) % 2)
    told += findings.look(len(seen) * S + LONGEST_NS + WELL_FOR_NS, [])
    assert len(told) % 2 == 0
