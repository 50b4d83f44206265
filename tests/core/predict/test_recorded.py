"""What the tables of a recorded fault foretell is what the kernel did with the packets."""

import pytest

from tests.cases import bundle_of, hidden, names
from tests.foretelling import without_packets
from tracer.bundle.archive import read
from tracer.core.correlate import correlate
from tracer.core.diagnose import diagnose
from tracer.core.facts import Facts
from tracer.core.predict import predicted
from tracer.model.bundle import Bundle
from tracer.model.diagnosis import Severity
from tracer.model.path import Outcome, Path, Way

CASES = names()
MASQUERADED = {"healthy-host-network", "masq-pod-to-pod"}
IN_NO_TABLE = {name for name in CASES if hidden(name)}
DOUBTFUL = {"public-ip-nat"}
"""What tables hint at and cannot prove: whether a gateway leads to an address behind a NAT."""


def recording(name: str) -> Bundle:
    return read(bundle_of(name))


def prediction(name: str) -> Bundle:
    return without_packets(recording(name))


def end(path: Path) -> tuple[object, ...]:
    return path.outcome, path.end, path.drop.reason if path.drop is not None else None


def points(path: Path) -> list[tuple[object, ...]]:
    passed = [hop for hop in path.hops if hop.drop is None]
    return [(hop.node, hop.device, hop.direction, hop.ifname) for hop in passed]


def both(name: str) -> list[tuple[Path, Path]]:
    """(seen, foretold) of every packet that was seen, small ones and that of full MTU."""
    whole = recording(name)
    plan = whole.traced.plan
    assert plan is not None
    full = plan.count + 1
    told = {(p.way, p.seq == full): p for p in predicted(Facts(whole), whole.traced)}
    pairs = []
    for seen in correlate(whole):
        one = told.get((seen.way, seen.seq == full))
        if one is not None and (seen.seq or 0) <= full:
            pairs.append((seen, one))
    return pairs


@pytest.mark.parametrize("name", [name for name in CASES if name not in IN_NO_TABLE])
def test_the_packets_end_where_the_tables_say(name: str) -> None:
    pairs = both(name)
    assert pairs
    for seen, told in pairs:
        if told.outcome is not Outcome.UNKNOWN:
            assert end(told) == end(seen)


@pytest.mark.parametrize(
    "name", [n for n in CASES if n not in IN_NO_TABLE and n not in MASQUERADED]
)
def test_and_pass_the_points_that_the_tables_say(name: str) -> None:
    """A masqueraded packet is another to a trace; the tables know that it is the same."""
    for seen, told in both(name):
        there, here = points(told), points(seen)
        assert here in (there[: len(here)], there[-len(here) :])


@pytest.mark.parametrize("name", sorted(DOUBTFUL))
def test_or_the_answer_is_unknown_with_a_warning(name: str) -> None:
    told = diagnose(prediction(name))
    assert (told.verdict.outcome, told.verdict.rule) == (Outcome.UNKNOWN, name)
    assert [(f.rule, f.severity) for f in told.findings] == [(name, Severity.WARNING)]


@pytest.mark.parametrize("name", [name for name in CASES if name not in DOUBTFUL])
def test_and_leave_no_doubt(name: str) -> None:
    """Every fault of the catalogue that a node's tables show is foretold, firewalls included."""
    assert [told.doubt for _, told in both(name) if told.outcome is Outcome.UNKNOWN] == []


@pytest.mark.parametrize("name", sorted(IN_NO_TABLE))
def test_a_trace_says_where_the_kernel_did_something_else(name: str) -> None:
    diagnosis = diagnose(recording(name))
    assert any(one.agrees is False for one in diagnosis.forecasts)
    assert any("in no table that flantrace reads" in note for note in diagnosis.notes)
    assert diagnose(prediction(name)).verdict.outcome is Outcome.DELIVERED


@pytest.mark.parametrize("name", [name for name in CASES if name not in IN_NO_TABLE])
def test_a_prediction_names_the_rule_that_the_trace_names(name: str) -> None:
    seen, told = diagnose(recording(name)).verdict, diagnose(prediction(name)).verdict
    if told.outcome is Outcome.UNKNOWN:
        assert any(one.doubt for one in diagnose(recording(name)).forecasts)
        return
    assert (told.outcome, told.rule, told.node, told.device, told.reason, told.exit_code) == (
        seen.outcome, seen.rule, seen.node, seen.device, seen.reason, seen.exit_code,
    )  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_trace_that_met_its_prediction_says_nothing_of_it(name: str) -> None:
    diagnosis = diagnose(recording(name))
    surprised = any(one.agrees is False for one in diagnosis.forecasts)
    assert any(note.startswith("By the tables") for note in diagnosis.notes) is surprised
    assert surprised is (name in IN_NO_TABLE)


def test_replies_are_foretold_whether_or_not_requests_arrive() -> None:
    ways = {path.way for path in diagnose(prediction("fdb-missing")).paths}
    assert ways == {Way.REQUEST, Way.REPLY}
