"""The JSON document, and the schema that is published for it."""

import json
from pathlib import Path

from tests.core.rules.asking import case
from tracer.core.diagnose import judge
from tracer.render.json_document import json_document, schema

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "diagnosis-1.schema.json"


def test_the_first_key_names_the_schema() -> None:
    document = json_document(judge(case()))
    assert document.splitlines()[1] == '  "schema": "flantrace/diagnosis/1",'


def test_what_is_not_known_is_null_and_never_absent() -> None:
    document = json.loads(json_document(judge(case())))
    assert document["verdict"]["rule"] is None
    assert document["paths"][0]["drop"] is None


def test_the_same_diagnosis_gives_the_same_bytes() -> None:
    assert json_document(judge(case())) == json_document(judge(case()))


def test_the_published_schema_is_that_of_the_records() -> None:
    """Differs? Write `schema()` to the file, and raise the number if a field went."""
    assert PUBLISHED.read_text() == schema()


def test_the_document_has_every_field_that_the_schema_requires() -> None:
    document = json.loads(json_document(judge(case())))
    described = json.loads(schema())
    assert described["$defs"]["Diagnosis"]["required"] == list(document)
    assert described["$defs"]["Verdict"]["required"] == list(document["verdict"])
