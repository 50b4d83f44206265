"""docs/reference/coverage.md: by which question each fault is named. Written by --update-golden."""

from collections.abc import Iterable
from pathlib import Path

from tests.cases import BUNDLE, CHECK, SWAPPED, bundle_of, fault_of, hidden, spares, swapped
from tests.conftest import Golden
from tests.constructed import CONSTRUCTED
from tests.foretelling import without_packets
from tracer.bundle.archive import read
from tracer.core.conclude import Conclusion, conclude
from tracer.core.rules.catalogue import CATALOGUE, LAST, slug
from tracer.lab.faults import FAULTS
from tracer.lab.shape import PLAIN
from tracer.model.bundle import Bundle
from tracer.model.examination import Examination

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "coverage.md"
RULES = tuple(slug(rule) for rule in CATALOGUE if rule not in LAST)
NAMED, LISTED, SILENT = "named", "listed", "-"

HEAD = """# Coverage

Which question names which fault, as the recorded cases under `tests/cases` answer it. A test writes
this page; nobody edits it.

* **trace**: `flantrace pod-a pod-b`, where the fault meets the requests.
* **swapped**: `flantrace pod-b pod-a`, where it meets the replies.
* **check**: `flantrace check`, by every node's tables, without a packet.
* **predict**: `flantrace predict pod-a pod-b`, by the tables of the two nodes.

`named`: the verdict. `listed`: a finding beside the verdict. `-`: not said, for the reason given.
A slug in a cell is the other name by which that side meets the fault.

| rule | trace | swapped | check | predict | recorded |
|---|---|---|---|---|---|
"""


def said(bundle: Bundle, *names: str) -> str:
    """How a conclusion speaks of a fault, by the first of its names that it knows."""
    conclusion = conclude(bundle)
    for name in names:
        word = _said(conclusion, name)
        if word != SILENT:
            return word if name == names[0] else f"{word} `{name}`"
    return SILENT


def _said(conclusion: Conclusion, name: str) -> str:
    found = [finding.rule for finding in conclusion.findings]
    if isinstance(conclusion, Examination):
        return NAMED if found[:1] == [name] else LISTED if name in found else SILENT
    if conclusion.verdict.rule == name:
        return NAMED
    return LISTED if name in found else SILENT


def how(name: str) -> str:
    """In which lab it was recorded, or that it was not."""
    if name in CONSTRUCTED:
        return "constructed"
    shape = FAULTS[name].shapes[0]
    words = " ".join(FAULTS[name].traced)
    return ("lab" if shape == PLAIN.name else f"lab, {shape}") + (f", `{words}`" if words else "")


def cells(name: str) -> tuple[str, str, str, str]:
    """Trace, swapped, check, predict."""
    trace = read(bundle_of(name, BUNDLE))
    return (
        said(trace, name),
        said(read(bundle_of(name, SWAPPED)), name, swapped(name)),
        said(read(bundle_of(name, CHECK)), name),
        said(without_packets(trace), name),
    )


def reasons(names: Iterable[str]) -> str:
    """Why a fault is not named by every question."""
    lines = []
    for name in names:
        fault = fault_of(name)
        if fault is not None and (fault.spares or fault.hidden):
            said = [
                f"spares pod-a's packets to pod-b: {fault.spares}" if fault.spares else "",
                f"in no table: {fault.hidden}" if fault.hidden else "",
            ]
            lines.append(f"* `{name}` {'; '.join(filter(None, said))}.\n")
    return "\n## Not named, and why\n\n" + "".join(lines) if lines else ""


def test_the_table_of_rules_and_questions_is_what_the_cases_answer(golden: Golden) -> None:
    rows = {name: cells(name) for name in RULES}
    table = "".join(
        f"| [{name}](../rules/{name}.md) | {' | '.join(row)} | {how(name)} |\n"
        for name, row in rows.items()
    )
    golden(PAGE, HEAD + table + reasons(RULES))


def test_what_stops_packets_is_named_by_every_question_that_can_see_it() -> None:
    silent = []
    for name in RULES:
        trace, back, check, predict = cells(name)
        if not spares(name):
            silent += [(name, "trace")] * (trace != NAMED)
            silent += [(name, "swapped")] * (not back.startswith(NAMED))
            silent += [(name, "predict")] * (not hidden(name) and predict != NAMED)
        silent += [(name, "check")] * (not hidden(name) and check == SILENT)
    assert silent == []
