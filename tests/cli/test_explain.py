"""`flantrace explain` prints the pages that docs/rules holds."""

from pathlib import Path

import pytest

from tracer.cli.main import run
from tracer.core.rules.catalogue import CATALOGUE, slug

PAGES = Path(__file__).parents[2] / "docs" / "rules"


@pytest.mark.parametrize("rule", [slug(rule) for rule in CATALOGUE])
def test_every_rules_page_is_printed(rule: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", rule]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"# {rule}\n")
    assert "golden:" not in printed
    page = [
        line for line in (PAGES / f"{rule}.md").read_text().splitlines() if "golden:" not in line
    ]
    assert printed.splitlines() == page


def test_without_a_rule_all_are_listed_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == [slug(rule) for rule in CATALOGUE]


def test_a_word_that_is_none_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "fdb-mising"]) == 4
    assert "did you mean fdb-missing?" in capsys.readouterr().err
    assert run(["explain", "nonsense"]) == 4
    assert "flantrace explain lists them all" in capsys.readouterr().err
