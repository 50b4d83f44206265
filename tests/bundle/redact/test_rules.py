"""Every recorded field has exactly one rule, and the reference says the same as the rules."""

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from tests.bundle.redact.secretive import SECRETS, secretive
from tests.cases import bundle_of, names
from tracer.bundle.archive import read
from tracer.bundle.redact.names import is_usual_device
from tracer.bundle.redact.rules import Kind
from tracer.bundle.redact.walk import RULES
from tracer.model.bundle import Bundle
from tracer.model.record import Record

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "redaction.md"
GENERATED = re.compile(r"(<!-- (kinds|fields):begin -->\n).*?(<!-- \2:end -->)", re.S)
OF_A_WHOLE_MAPPING = {
    Kind.ANNOTATIONS, Kind.LABELS, Kind.SYSCTLS, Kind.FILES, Kind.RESERVATIONS,
}  # fmt: skip


def records(annotation: Any) -> Iterator[type[Record]]:
    """The records that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        yield annotation
    for part in get_args(annotation):
        yield from records(part)


def reachable() -> dict[type[Record], None]:
    """Every record in a bundle, in the order in which they are met."""
    found: dict[type[Record], None] = {}
    waiting: list[type[Record]] = [Bundle]
    while waiting:
        kind = waiting.pop(0)
        if kind not in found:
            found[kind] = None
            for field in msgspec.structs.fields(kind):
                waiting += records(field.type)
    return found


def test_every_record_in_a_bundle_has_rules_and_nothing_else_has() -> None:
    assert set(RULES) == set(reachable())


@pytest.mark.parametrize("kind", reachable(), ids=lambda kind: kind.__name__)
def test_every_field_has_a_rule_and_every_rule_a_field(kind: type[Record]) -> None:
    """Fails for a new field? Say in bundle/redact/rules_*.py what becomes of it, and why."""
    assert list(RULES[kind]) == list(kind.__struct_fields__)


@pytest.mark.parametrize("kind", reachable(), ids=lambda kind: kind.__name__)
def test_a_rule_fits_the_type_of_its_field(kind: type[Record]) -> None:
    for field in msgspec.structs.fields(kind):
        rule = RULES[kind][field.name]
        text = str(field.type)
        assert (rule.kind is Kind.INSIDE) is bool(list(records(field.type))), field.name
        assert (rule.kind in OF_A_WHOLE_MAPPING) is ("Mapping[str, str]" in text), field.name
        assert (rule.keys is not None) is ("Mapping[str, tracer" in text), field.name
        assert (rule.kind is Kind.FRAME) is (field.type is bytes), field.name
        if rule.kind is Kind.GONE:
            assert type(None) in get_args(field.type), field.name


def test_every_rule_says_why_in_a_sentence() -> None:
    for rules in RULES.values():
        for name, rule in rules.items():
            assert rule.why[-1] == ".", name
            assert len(rule.why) < 90, name


def kept_strings(record: Record) -> Iterator[str]:
    """Every text that the rules let pass as it is, in a record and those inside of it."""
    for name, rule in RULES[type(record)].items():
        value = getattr(record, name)
        each = [*value.values()] if isinstance(value, dict) else value
        for one in each if isinstance(each, list | tuple) else (each,):
            if isinstance(one, Record):
                yield from kept_strings(one)
            elif isinstance(one, str) and not isinstance(one, Enum):
                usual = rule.kind is Kind.DEVICE and is_usual_device(one)
                yield from (one,) if rule.kind is Kind.KEEP or usual else ()


@pytest.mark.parametrize("name", [*names(), "secretive"])
def test_what_is_kept_holds_no_name_and_no_address(name: str) -> None:
    bundle = secretive() if name == "secretive" else read(bundle_of(name))
    kept = set(kept_strings(bundle))
    assert len(kept) > 20
    secret = re.compile(
        "|".join(
            (
                *map(re.escape, SECRETS),
                r"node-\w",
                r"pod-\w",
                r"\d+\.\d+\.\d+\.\d+",
                "(:[0-9a-f]{2}){3}",
            )
        )
    )
    dates = {one for one in kept if re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:.]+(Z|\+00:00)", one)}
    assert [one for one in kept - dates if secret.search(one)] == []


def kinds() -> str:
    lines = ["| rule | what becomes of a value |", "|---|---|"]
    lines += [f"| {kind.word} | {kind.meaning} |" for kind in Kind]
    return "\n".join(lines) + "\n"


def fields() -> str:
    lines: list[str] = []
    for kind in reachable():
        title = (kind.__doc__ or "").splitlines()[0]
        lines += [
            f"### {kind.__name__}",
            "",
            title,
            "",
            "| field | rule | why that is enough |",
            "|---|---|---|",
        ]
        for name, rule in RULES[kind].items():
            key = f"; its keys: {rule.keys.word}" if rule.keys is not None else ""
            lines.append(f"| `{name}` | {rule.kind.word}{key} | {rule.why} |")
        lines.append("")
    return "\n".join(lines)


def test_the_reference_lists_every_field_as_the_rules_have_it(
    request: pytest.FixtureRequest,
) -> None:
    tables = {"kinds": kinds(), "fields": fields()}
    wanted = GENERATED.sub(lambda m: m[1] + tables[m[2]] + m[3], PAGE.read_text())
    if request.config.getoption("--update-golden"):
        PAGE.write_text(wanted)
    assert PAGE.read_text() == wanted
    assert all(table in wanted for table in tables.values())
