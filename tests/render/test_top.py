"""The live view as text: the answer first, what is wrong on top, and no line wider than wanted."""

import json
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from tests.conftest import Golden
from tests.render.statuses import faulty, healthy, rates, stale, status
from tracer.core.overview import Sort
from tracer.model.top import Top
from tracer.model.watch import Status
from tracer.render.json_document import json_document
from tracer.render.top import View, last_first, top_document, top_schema, top_text

HERE = Path(__file__).parent
PUBLISHED = HERE.parents[1] / "docs" / "reference" / "top-1.schema.json"

EKS = "ip-10-0-{}-{}.eu-central-1.compute.internal"


def thousands() -> tuple[Status, ...]:
    """One node with 4,960 peers, of which 20 are in trouble."""
    rows = [
        rates("node-a", f"node-{number}", packets_in_s=float(number), gap=number % 248 and None)
        for number in range(4940)
    ]
    bad = [rates("node-a", f"bad-{number}", dropped_s=number + 1.0) for number in range(20)]
    return (status("node-a", *rows, *bad),)


@pytest.mark.parametrize(("width", "height"), [(100, None), (80, 24), (60, 14), (40, 12)])
def test_a_fault_at_this_width_and_height_is_this(
    width: int, height: int | None, golden: Golden
) -> None:
    text = top_text(faulty(), width=width, height=height)
    golden(HERE / f"top-{width}x{height or 'any'}.txt", text)


def test_the_answer_is_the_first_line() -> None:
    assert top_text(healthy()).startswith("HEALTHY  nothing is wrong on 3 nodes\n")
    assert top_text(faulty()).startswith("FAULT  1 finding open, 3 nodes watched: neigh-")
    assert top_text(()) == "UNKNOWN  no node has said anything yet\n"
    silent = top_text(healthy(), silent={"node-b": 9.0})
    assert silent.startswith("UNKNOWN  node-b said nothing for 9 s\n")


@given(
    st.integers(1, 140), st.one_of(st.none(), st.integers(1, 60)), st.sampled_from(list(Sort)),
    st.integers(0, 9000), st.sampled_from(["few", "many", "none", "healthy"]),
)  # fmt: skip
def test_every_width_and_height_is_kept(
    width: int, height: int | None, sort: Sort, first: int, which: str
) -> None:
    statuses = {"few": faulty(), "many": MANY, "none": (), "healthy": healthy()}[which]
    text = top_text(statuses, width=width, height=height, view=View(sort, None, first))
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert height is None or len(lines) <= height
    assert text.isascii()
    assert lines[0].startswith(("FAULT", "HEALTHY", "UNKNOWN")) or width < 8


MANY = thousands()


def test_of_thousands_the_wrong_ones_are_shown_and_the_rest_is_counted() -> None:
    text = top_text(MANY, height=40)
    lines = text.splitlines()
    table = lines[lines.index("") + 2 :]
    assert [line.split()[1] for line in table[:3]] == ["bad-0", "bad-1", "bad-10"]
    assert lines[-1] == f"and {4960 - len(table) + 1:,} more, all quiet"
    assert len(lines) == 40
    cut = top_text(MANY, height=12).splitlines()[-1]
    assert re.fullmatch(r"and 4,953 more, 13 of them not quiet", cut), cut


def test_scrolling_says_how_many_are_above_and_ends_at_the_last_line() -> None:
    text = top_text(MANY, height=20, view=View(first=100))
    assert text.splitlines()[-1] == "100 above, 4,845 more, all quiet"
    last = last_first(MANY, None)
    assert last == 4959
    end = top_text(MANY, height=20, view=View(first=last)).splitlines()
    assert end[-1] == "4,959 above"
    assert end == top_text(MANY, height=20, view=View(first=last + 1000)).splitlines()


def test_a_node_that_is_chosen_has_its_lines_and_the_answer_is_of_all() -> None:
    text = top_text(faulty(), view=View(node="node-c"))
    assert text.startswith("FAULT  1 finding open, 3 nodes watched")
    table = text.split("\n\n")[1].splitlines()[1:]
    assert {line.split()[0] for line in table} == {"node-c"}


def test_what_tells_a_fault_is_the_last_to_go_when_it_gets_narrow() -> None:
    def titles(width: int) -> str:
        return top_text(faulty(), width=width).split("\n\n")[1].splitlines()[0]

    assert "last change" in titles(130)
    assert "last change" not in titles(80)
    assert titles(64).endswith("gap")
    assert "misaddr/s" in titles(56)
    assert titles(20).split() == ["node", "peer"]


def test_long_names_keep_both_ends_and_lose_the_domain_that_all_share() -> None:
    rows = [rates(EKS.format(0, 1), EKS.format(3, number)) for number in range(3)]
    text = top_text((status(EKS.format(0, 1), *rows),), width=100)
    assert "ip-10-0-0-1  ip-10-0-3-2" in text
    assert "internal" not in text
    one = rates("a", "first-part-of-a-very-long-name-that-differs-at-its-end-7")
    assert "first-par..ts-end-7" in top_text((status("a", one),), width=95)


def test_addresses_as_names_stay_whole() -> None:
    text = top_text((status("192.0.2.1", rates("192.0.2.1", "198.0.2.1")),))
    assert "192.0.2.1  198.0.2.1" in text


def test_two_subnets_of_one_peer_are_told_apart() -> None:
    rows = (rates("node-a", "node-b"), rates("node-a", "node-b", subnet="fd00:2::/64"))
    text = top_text((status("node-a", *rows),), width=120)
    assert "node-b 10.244.2.0/24" in text
    assert "node-b fd00:2::/64" in text


def test_what_is_not_known_is_no_zero() -> None:
    row = rates("node-a", None, gap=None, packets_in_s=0.001)
    line = top_text((status("node-a", row, overhead=None),)).splitlines()
    assert "overhead not measured" in line[1]
    assert line[4].split()[:8] == ["node-a", "(no", "lease)", "<0.1", "987", "0", "0", "-"]


def test_what_was_missed_stands_first_in_the_second_line() -> None:
    text = top_text((status("node-a", lost=1200, untold=2),), width=60)
    assert "\n1,200 records lost, 2 freed packets not told apart\n\n" in text
    assert " 0 lost" not in text


def test_colour_is_a_repetition() -> None:
    colored = top_text(faulty(), color=True)
    assert "\x1b[31;1mFAULT\x1b[0m" in colored
    assert "\x1b[31mnode-a\x1b[0m" in colored
    assert "\x1b[33;1m17\x1b[0m" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == top_text(faulty())


def test_no_name_can_move_the_cursor() -> None:
    nasty = replace(stale(), node="\x1b[2J", sentence="a\nb\u202e")
    bad = status(
        "n\x1b[31m", rates("n\x1b[31m", "p\r\n", last_change="\u202e\x07"), standing=(nasty,)
    )
    text = top_text((bad,), width=120, silent={"\x1b[1m": 9.0})
    assert "\x1b" not in text
    assert "\r" not in text
    assert text.isascii()


def test_the_published_schema_is_that_of_the_records(golden: Golden) -> None:
    golden(PUBLISHED, top_schema())


def test_the_document_is_valid_by_its_schema_and_can_be_read_back() -> None:
    text = json_document(top_document(faulty(), {"node-d": 9.0}))
    document = json.loads(text)
    Draft202012Validator(json.loads(top_schema())).validate(document)
    assert next(iter(document.items())) == ("schema", "flantrace/top/1")
    assert document["silent"] == ["node-d"]
    assert msgspec.json.decode(text, type=Top).nodes == faulty()
