"""`flantrace explain RULE`: the rule's page, where no browser is at hand."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

import click

from tracer.cli import completion
from tracer.errors import NotFound

FOLDERS = (Path(__file__).parents[1] / "_pages", Path(__file__).parents[2] / "docs" / "rules")
"""In an installed package, and in a checkout."""

_MARKS = re.compile(r"^<!-- golden:.*-->\n", re.M)


@click.command()
@click.argument("rule", required=False, shell_complete=completion.rule)
def explain(rule: str | None) -> None:
    """Print the page of a RULE: what it means, how to confirm it, how to fix it.

    Without RULE all rules are listed, in order of precedence of causes.
    """
    from tracer.core.rules.catalogue import CATALOGUE, slug

    summaries = {slug(one): (one.__doc__ or "").partition("\n")[0] for one in CATALOGUE}
    if rule is None:
        widest = max(map(len, summaries))
        for name, summary in summaries.items():
            click.echo(f"{name:<{widest}}  {summary}")
        return
    if rule not in summaries:
        near = get_close_matches(rule, summaries, n=1)
        raise NotFound(
            f"there is no rule {rule!r}",
            where="the rules of flantrace",
            hint=f"did you mean {near[0]}?" if near else "flantrace explain lists them all",
        )
    click.echo(_page(rule), nl=False)


def _page(rule: str) -> str:
    for folder in FOLDERS:
        path = folder / f"{rule}.md"
        if path.is_file():
            return _MARKS.sub("", path.read_text(encoding="utf-8"))
    raise NotFound(
        f"the page of {rule} is not part of this installation",
        where=str(FOLDERS[0]),
        hint="docs/rules of the source holds it",
    )
