"""One name, five places: rule, page, lab fault, recorded case, and the word in the output."""

import re
from pathlib import Path

import pytest

from tests.cases import BUNDLE, CASES, CHECK, CONSTRUCTION, SWAPPED, bundle_of, rule_of
from tests.conftest import Golden
from tests.constructed import CONSTRUCTED
from tracer.core.rules.catalogue import CATALOGUE, LAST, Rule, slug
from tracer.lab.faults import FAULTS

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "rules"
RULES = {slug(rule): rule for rule in CATALOGUE}
NAMELESS = {slug(rule) for rule in LAST}
"""What no rule knows cannot be injected, and has no case of its own."""

SECTIONS = (
    "What it means",
    "How it happens",
    "What you see",
    "How to confirm by hand",
    "How to fix",
    "What does not help",
)


def summary(rule: Rule) -> str:
    assert rule.__doc__ is not None, f"{rule.__name__} has no docstring"
    return rule.__doc__.splitlines()[0]


def test_every_rule_has_its_page_and_every_page_its_rule() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} - {"index"} == set(RULES)


def test_every_rule_has_its_fault_and_every_fault_its_rule() -> None:
    """In the lab; or, where the lab cannot make it, in a constructed recording."""
    assert set(FAULTS) | set(CONSTRUCTED) == set(RULES) - NAMELESS
    assert set(FAULTS) & set(CONSTRUCTED) == set()


def test_a_constructed_case_says_that_it_is_one_and_why() -> None:
    marked = {path.parent.name: path.read_text() for path in CASES.glob(f"*/{CONSTRUCTION}")}
    said = {name: f"Constructed, not recorded: {each.why}\n" for name, each in CONSTRUCTED.items()}
    assert marked == said


@pytest.mark.parametrize("name", sorted(set(RULES) - NAMELESS))
def test_every_case_is_a_trace_each_way_and_a_check(name: str) -> None:
    missing = [file for file in (BUNDLE, SWAPPED, CHECK) if not bundle_of(name, file).exists()]
    assert missing == []


def test_every_rule_has_its_recorded_case_and_every_case_its_rule() -> None:
    cases = {path.name for path in CASES.iterdir() if path.is_dir()}
    broken = {rule_of(name) for name in cases if not name.startswith("healthy")}
    assert broken == set(RULES) - NAMELESS


@pytest.mark.parametrize("name", RULES)
def test_a_page_begins_with_the_rules_own_first_line(name: str) -> None:
    lines = (PAGES / f"{name}.md").read_text().splitlines()
    assert lines[:4] == [f"# {name}", "", summary(RULES[name]), ""]


@pytest.mark.parametrize("name", RULES)
def test_a_page_answers_all_six_questions(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text()
    wanted = [part for part in SECTIONS if name not in NAMELESS or part != "What you see"]
    found = re.findall(r"^## (.+)$", text, re.M)
    assert [part for part in found if part in SECTIONS] == wanted
    for section in re.split(r"^## .+$", text, flags=re.M)[1:]:
        assert section.strip(), f"{name}.md has an empty section"


@pytest.mark.parametrize("name", set(RULES) - NAMELESS)
def test_a_page_has_room_for_the_recorded_output(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text()
    assert text.count(f"<!-- golden:begin {name} -->") == 1
    assert text.count("<!-- golden:end -->") == text.count("<!-- golden:begin ")


def test_the_index_lists_every_rule_in_the_order_of_causes(golden: Golden) -> None:
    """The rows are written by --update-golden."""
    page = PAGES / "index.md"
    rows = [f"| [{name}]({name}.md) | {summary(rule)} |\n" for name, rule in RULES.items()]
    golden(page, re.sub(r"(?:^\| \[.+\n)+", "".join(rows), page.read_text(), flags=re.M))


@pytest.mark.parametrize("name", RULES)
def test_a_page_links_only_to_pages_that_exist(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text()
    for mentioned in re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", text):
        looks_like_a_rule = mentioned in RULES or (PAGES / f"{mentioned}.md").exists()
        assert looks_like_a_rule or mentioned in {"public-ip", "backend-data", "node-public-ip"}
