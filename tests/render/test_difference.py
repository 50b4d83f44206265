"""The difference as text: who, how it turned, then `-` and `+`."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator
from msgspec.structs import replace

from tests.builders import SYSCTLS, bundle, state
from tests.conftest import Golden
from tests.core.test_difference import pair_with_c, recorded
from tracer.core.difference import difference
from tracer.model.difference import Change
from tracer.render.difference import difference_document, difference_schema, difference_text

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "difference-1.schema.json"

BY_PART = """\
The recordings are of different nodes: each is compared by its part in the trace, and what concerns
other nodes is left out.

destination
  sysctl     - net.ipv4.ip_forward = 1
             + net.ipv4.ip_forward = 0
"""


def test_two_pairs_of_nodes_say_how_they_were_compared() -> None:
    bad = state("node-c", sysctls=SYSCTLS | {"net.ipv4.ip_forward": "0"})
    assert BY_PART in difference_text(difference(bundle(), pair_with_c(bad)))


def test_no_line_is_wider_than_a_hundred_columns_and_none_hides_anything() -> None:
    nasty = Change(
        place="\x1b[2J", table="a-very-long-table-name", before="x " * 200, after="\u202e"
    )
    odd = replace(difference(bundle(), bundle()), changes=(nasty,))
    text = difference_text(odd)
    assert max(map(len, text.splitlines())) <= 100
    assert text.isascii()
    assert "\x1b" not in text
    assert "a-very-long-table-name" in text


def test_colour_is_a_repetition() -> None:
    found = difference(recorded("fdb-missing"), recorded("healthy"))
    colored = difference_text(found, color=True)
    assert colored.replace("\x1b[32;1m", "").replace("\x1b[0m", "") == difference_text(found)


def test_the_document_names_its_schema_first() -> None:
    document = json.loads(difference_document(difference(bundle(), bundle())))
    assert next(iter(document.items())) == ("schema", "flantrace/difference/1")


def test_the_published_schema_is_that_of_the_records(golden: Golden) -> None:
    golden(PUBLISHED, difference_schema())


def test_the_document_is_valid_by_its_schema() -> None:
    document = json.loads(difference_document(difference(bundle(), pair_with_c())))
    Draft202012Validator(json.loads(PUBLISHED.read_text())).validate(document)
