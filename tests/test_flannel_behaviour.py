"""The page on flannel's behaviour names each test of it, and no other."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/reference/flannel-behaviour.md").read_text()
FOLDER = ROOT / "cluster/tests/flannel"
SECTIONS = {
    found[1]: part
    for part in re.split(r"^## ", PAGE, flags=re.M)
    if (found := re.search(r"\(`(test_\w+\.py)`\)", part.partition("\n")[0]))
}


def test_each_file_of_tests_has_a_section() -> None:
    assert set(SECTIONS) == {file.name for file in FOLDER.glob("test_*.py")}


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_names_each_test_of_its_file(name: str) -> None:
    tree = ast.parse((FOLDER / name).read_text())
    tests = [
        one.name
        for one in tree.body
        if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")
    ]
    assert re.findall(r"\| `(test_\w+)` \|$", SECTIONS[name], flags=re.M) == tests


def test_it_speaks_of_the_version_that_is_built() -> None:
    from cluster.build import FLANNEL

    assert f"flannel **{FLANNEL.removeprefix('v')}**" in PAGE.replace("What flannel", "flannel")
