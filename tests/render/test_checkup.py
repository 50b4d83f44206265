"""A checkup as text and as a document: the answer first, each thing with its remedy."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator
from msgspec.structs import replace

from tests.conftest import Golden
from tests.core.test_checkup import BOTH, heard, operator, refusing, silent
from tests.healths import asked, no, without
from tracer.core.checkup import checkup
from tracer.model.checkup import Checkup, Item, Place, Standing
from tracer.model.health import Namespaces
from tracer.render.checkup import checkup_schema, checkup_text
from tracer.render.json_document import json_document

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "checkup-1.schema.json"
SAMPLE = Path(__file__).with_name("checkup.txt")
DEAD = "No such file or directory"


def sample() -> Checkup:
    """Two nodes that are alike, one that lacks a feature, one that lacks a right, one gone."""
    nodes = (
        heard("node-a"),
        heard("node-b", btf=no(DEAD)),
        heard("node-c"),
        heard(
            "node-d",
            capabilities=without("SYS_ADMIN", "SYS_PTRACE"),
            namespaces=Namespaces(found=4, entered=0, said="Operation not permitted"),
        ),
        silent("node-e"),
    )
    return checkup(asked(*nodes, operator=operator(reviews=refusing("namespaces"), way=None)))


def test_the_text_of_a_mixed_cluster_is_this(golden: Golden) -> None:
    golden(SAMPLE, checkup_text(sample()))


def test_nodes_of_which_everything_is_alike_stand_together() -> None:
    text = checkup_text(sample())
    assert "\nnode-a, node-c: Linux" in text
    assert text.count("rights     ok") == 2, "node-a with node-c, and node-b"


def test_a_cluster_of_two_hundred_nodes_fits_a_screen() -> None:
    many = tuple(heard(f"node-{number}") for number in range(200))
    text = checkup_text(checkup(asked(*many, operator=operator(way=None))))
    assert text.startswith("flantrace can trace on all 200 nodes.\n")
    assert len(text.splitlines()) < 60


def test_no_line_is_wider_than_a_hundred_columns_and_none_hides_anything() -> None:
    nasty = Item(
        name="x", standing=Standing.LESS, said="\x1b[2J" + "y " * 200, remedy="\u202e" + "z " * 200
    )
    place = Place(node="n" * 150, about="", items=(nasty,))
    text = checkup_text(replace(checkup(asked(*BOTH)), nodes=(place,)))
    assert max(map(len, text.splitlines())) <= 100
    assert text.isascii()
    assert "\x1b" not in text


def test_colour_is_a_repetition() -> None:
    colored = checkup_text(sample(), color=True)
    assert "\x1b[31;1mmissing\x1b[0m" in colored
    for code in ("31;1", "33", "2", "0"):
        colored = colored.replace(f"\x1b[{code}m", "")
    assert colored == checkup_text(sample())


def test_the_published_schema_is_that_of_the_records(golden: Golden) -> None:
    golden(PUBLISHED, checkup_schema())


def test_the_document_is_valid_by_its_schema() -> None:
    document = json.loads(json_document(sample()))
    Draft202012Validator(json.loads(checkup_schema())).validate(document)
    assert next(iter(document.items())) == ("schema", "flantrace/checkup/1")
