"""The documentation says what the program says: outputs are real, commands exist."""

import ast
import contextlib
import io
import re
from pathlib import Path

import click
import pytest

from tests.cases import CASES, CHECK, bundle_of, spares
from tracer.cli.main import flantrace, run

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"<!-- golden:begin (\S+) -->\n(.*?)<!-- golden:end -->", re.S)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def typed_and_said(block: str) -> str:
    """What was typed, and what came.

    `CASE`, `matrix:CASE`, `predict:CASE`, `diff:CASE:CASE`, `doctor`, `top`, `watch` or
    `watch:short`.
    """
    kind, _, cases = block.partition(":")
    if kind == "diff":
        first, second = (bundle_of(case) for case in cases.split(":"))
        return "$ flantrace diff before.tgz after.tgz\n" + said("diff", str(first), str(second))
    if kind == "matrix":
        return "$ flantrace check --matrix\n" + said(
            "replay", str(bundle_of(cases, CHECK)), "--matrix"
        )
    if kind == "predict":
        return "$ flantrace predict pod-a pod-b\n" + (CASES / cases / "predict.txt").read_text()
    if kind == "doctor":
        return "$ flantrace doctor\n" + (ROOT / "tests" / "render" / "checkup.txt").read_text()
    if kind in ("top", "watch"):
        file = {"top": "top-100xany.txt", "watch": "watch.txt"}[kind]
        text = (ROOT / "tests" / "render" / file).read_text()
        return f"$ flantrace {kind}\n" + (one_finding(text) if cases == "short" else text)
    if spares(block) and not block.startswith("healthy"):
        return "$ flantrace check\n" + (CASES / block / "check.txt").read_text()
    return "$ flantrace pod-a pod-b\n" + (CASES / block / "trace.txt").read_text()


def one_finding(watch: str) -> str:
    """Of a watch's lines how it stands, the first finding that opened, and how that closed."""
    lines = watch.splitlines(keepends=True)
    turns = [number for number, line in enumerate(lines) if not line.startswith(" ")]
    closed = next(number for number in turns if "  CLOSED " in lines[number])
    return "".join((*lines[: turns[2]], lines[closed]))


def source_of(block: str) -> str:
    """A function as it is written: `source:FILE:NAME`."""
    _, file, name = block.split(":")
    text = (ROOT / file).read_text()
    found = next(
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name == name
    )
    return f"{ast.get_source_segment(text, found)}\n"


def said(*words: str) -> str:
    """The stdout of one command line."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        run(list(words))
    return out.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_an_output_in_the_documentation_is_a_recorded_one(
    page: Path, request: pytest.FixtureRequest
) -> None:
    text = page.read_text()

    def filled(match: re.Match[str]) -> str:
        name = match.group(1)
        quoted = source_of(name) if name.startswith("source:") else typed_and_said(name)
        fence = "```python" if name.startswith("source:") else "```"
        block = f"{fence}\n{quoted}```\n"
        return f"<!-- golden:begin {name} -->\n{block}<!-- golden:end -->"

    wanted = BLOCK.sub(filled, text)
    if request.config.getoption("--update-golden"):
        page.write_text(wanted)
    assert page.read_text() == wanted


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in LINK.findall(prose):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def walk(group: click.Group, path: tuple[str, ...] = ()) -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if command.hidden:
            continue
        found[" ".join((*path, name))] = command
        if isinstance(command, click.Group):
            found |= walk(command, (*path, name))
    return found


def reference() -> str:
    """docs/reference/cli.md as the program itself writes it."""
    lines = ["# The command line", "", "Written by the program itself; a test compares.", ""]
    for name, command in {"": flantrace, **walk(flantrace)}.items():
        context = click.Context(
            command,
            info_name=f"flantrace {name}".strip(),
            max_content_width=100,
            terminal_width=96,
            # What a real run inherits from the group; click keeps the first help option it makes.
            help_option_names=["-h", "--help"],
        )
        help_text = command.get_help(context)
        lines += [f"## flantrace {name}".rstrip(), "", "```", help_text, "```", ""]
    return "\n".join(lines)


def test_the_reference_of_the_command_line_is_what_help_says(
    request: pytest.FixtureRequest,
) -> None:
    path = ROOT / "docs" / "reference" / "cli.md"
    if request.config.getoption("--update-golden"):
        path.write_text(reference())
    assert path.read_text() == reference()


ADDED = "host-route-overlaps"
OF_A_RULE = {
    f"docs/rules/{ADDED}.md": "its page",
    "docs/rules/index.md": "written by a test",
    "docs/reference/coverage.md": "written by a test",
    "docs/how-to/add-a-rule.md": "tells of it",
    "tracer/core/rules/overlap.py": "its function",
    "tracer/core/rules/catalogue.py": "its line in the order of causes",
    "tracer/lab/faults/policy.py": "its fault",
    "tests/core/rules/test_overlap.py": "tests of its function",
    "CHANGELOG.md": "its line there",
    "tests/test_docs.py": "this test",
}


def test_adding_a_rule_takes_these_files_and_no_other() -> None:
    """But for its recordings and what is written from them."""
    words = (ADDED, ADDED.replace("-", "_"))
    roots = ("tracer", "tests", "docs", ".ci")
    files = [path for root in roots for path in (ROOT / root).rglob("*") if path.is_file()]
    files += [path for path in ROOT.iterdir() if path.is_file()]
    named = {
        str(path.relative_to(ROOT))
        for path in files
        if path.suffix in {".py", ".md", ".toml", ".txt", ".json", ""}
        and "__pycache__" not in path.parts
        if any(word in path.read_text(errors="replace") for word in words)
    }
    recorded = {
        name for name in named if name.startswith(("tests/cases/", "tests/lab/differences/"))
    }
    assert named - recorded == set(OF_A_RULE)


def test_every_exit_code_is_documented() -> None:
    text = (ROOT / "docs" / "reference" / "exit-codes.md").read_text()
    for code in (0, 1, 2, 3, 4, 70, 130):
        assert f"| {code} |" in text
