"""Every recorded case is replayed and gives what its goldens say, in every format."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.cases import CASES, CHECK, SWAPPED, bundle_of, hidden, names, rule_of, spares, swapped
from tests.conftest import Golden
from tests.foretelling import without_packets
from tracer.bundle.archive import read
from tracer.cli.main import run
from tracer.core.conclude import conclude
from tracer.core.diagnose import diagnose
from tracer.core.examine import examine
from tracer.formats import Format, rendered
from tracer.model.diagnosis import Severity

FORMATS = {
    "trace.txt": ("--depth", "path"),
    "full.txt": ("--depth", "full"),
    "verdict.txt": ("--depth", "verdict"),
    "diagnosis.json": ("--json",),
    "report.md": ("--format", "markdown"),
    "report.html": ("--format", "html"),
    "path.mmd": ("--format", "mermaid"),
    "summary.md": ("--format", "summary"),
}


def replayed(path: Path, *words: str) -> tuple[int, str]:
    """Exit code and stdout of a replay, in this process."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run(["replay", str(path), *words])
    return code, out.getvalue()


def test_there_are_cases() -> None:
    assert len(names()) >= 20


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("file", FORMATS)
def test_a_replay_equals_its_golden(name: str, file: str, golden: Golden) -> None:
    _, text = replayed(bundle_of(name), *FORMATS[file])
    golden(CASES / name / file, text)


@pytest.mark.parametrize("name", names())
def test_a_replays_packets_equal_their_golden(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    golden = CASES / name / "packets.pcapng"
    made = tmp_path / "made.pcapng"
    run(["report", str(bundle_of(name)), "--format", "pcapng", "-o", str(made)])
    if request.config.getoption("--update-golden"):
        golden.write_bytes(made.read_bytes())
    assert made.read_bytes() == golden.read_bytes()


@pytest.mark.parametrize("name", names(SWAPPED))
def test_a_trace_the_other_way_equals_its_golden(name: str, golden: Golden) -> None:
    golden(CASES / name / "swapped.txt", replayed(bundle_of(name, SWAPPED))[1])


@pytest.mark.parametrize("name", names(CHECK))
def test_a_check_equals_its_golden(name: str, golden: Golden) -> None:
    golden(CASES / name / "check.txt", replayed(bundle_of(name, CHECK))[1])


@pytest.mark.parametrize("name", names())
def test_what_the_tables_foretell_equals_its_golden(name: str, golden: Golden) -> None:
    foretold = without_packets(read(bundle_of(name)))
    text = rendered(foretold, conclude(foretold), Format.TEXT).decode()
    golden(CASES / name / "predict.txt", text)


@pytest.mark.parametrize("name", names())
def test_the_verdict_line_is_five_words_and_names_the_case(name: str) -> None:
    code, line = replayed(bundle_of(name), "--depth", "verdict")
    words = line.split()
    assert len(words) == 5
    assert line.count("\n") == 1
    if name.startswith("healthy"):
        assert (words[0], words[1], code) == ("DELIVERED", "-", 0)
    elif spares(name):
        assert words[0] == "DELIVERED"
        assert words[1] in ("-", rule_of(name))
    else:
        assert code in (1, 3)
        assert words[1] == rule_of(name)


@pytest.mark.parametrize("name", names(SWAPPED))
def test_a_fault_on_the_replys_way_is_named_as_well(name: str) -> None:
    verdict = diagnose(read(bundle_of(name, SWAPPED))).verdict
    if name.startswith("healthy"):
        assert (verdict.rule, verdict.exit_code) == (None, 0)
    elif spares(name):
        assert verdict.outcome == "delivered"
        assert verdict.rule in (None, swapped(name))
    else:
        assert verdict.rule == swapped(name)


@pytest.mark.parametrize("name", names(CHECK))
def test_a_check_names_what_stands_in_tables_and_first(name: str) -> None:
    examination = examine(read(bundle_of(name, CHECK)))
    above = [f.rule for f in examination.findings if f.severity is not Severity.INFO]
    if name.startswith("healthy") or hidden(name):
        assert above == []
    else:
        assert above[0] == rule_of(name)


@pytest.mark.parametrize("name", names())
def test_the_text_is_plain_and_a_hundred_columns_wide(name: str) -> None:
    _, text = replayed(bundle_of(name), "--depth", "full")
    assert text.isascii()
    wide = [line for line in text.splitlines() if len(line) > 100 and "flantrace" not in line]
    assert [
        line for line in wide if not line.lstrip().startswith(("kubectl", "ip ", "bridge"))
    ] == []


@pytest.mark.parametrize("name", names())
def test_the_document_names_its_schema_first(name: str) -> None:
    _, text = replayed(bundle_of(name), "--json")
    assert next(iter(json.loads(text))) == "schema"


SCHEMA = Path(__file__).parent.parent / "docs" / "reference" / "diagnosis-1.schema.json"


def test_the_published_schema_is_itself_valid() -> None:
    Draft202012Validator.check_schema(json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize("name", names())
def test_the_document_is_valid_by_the_published_schema(name: str) -> None:
    """By a validator that knows nothing of flantrace, and no field is missing or unheard of."""
    document = json.loads(replayed(bundle_of(name), "--json")[1])
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(document)
