"""From a bundle to stdout and an exit code: the one road that live and replay share."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from tracer.errors import UsageError
from tracer.formats import BINARY, Format, Look
from tracer.model.record import Record

if TYPE_CHECKING:
    from tracer.core.conclude import Conclusion
    from tracer.model.bundle import Bundle


class Answer(Record, frozen=True, kw_only=True):
    """How the answer is to be given."""

    form: Format = Format.TEXT
    depth: str = "path"
    color: str = "auto"
    diagram: Look = Look.MERMAID
    matrix: bool = False


def answer_of(words: dict[str, object]) -> Answer:
    """What the shared options mean. UsageError for two forms at once."""
    form = Format(str(words["form"])) if words["form"] is not None else None
    if words["as_json"]:
        if form not in (None, Format.JSON):
            raise UsageError(
                f"--json and --format {form} are two forms",
                where="the command line",
                hint="pass one of them",
            )
        form = Format.JSON
    return Answer(
        form=form or Format.TEXT,
        depth=str(words["depth"]),
        color=str(words["color"]),
        diagram=Look(str(words["diagram"])),
        matrix=bool(words.get("matrix")),
    )


def print_answer(bundle: Bundle, answer: Answer) -> int:
    """Diagnose, print, and say the exit code."""
    from tracer.core.conclude import conclude, exit_code

    conclusion = conclude(bundle)
    show(bundle, conclusion, answer)
    return exit_code(conclusion)


def show(bundle: Bundle, conclusion: Conclusion, answer: Answer) -> None:
    """The answer on stdout. UsageError for bytes that a terminal cannot show."""
    if answer.form in BINARY and sys.stdout.isatty():
        raise UsageError(
            f"{answer.form} is not for a terminal",
            where="stdout",
            hint="flantrace report FILE --format FORMAT -o OUT writes a file",
        )
    content = as_bytes(bundle, conclusion, answer)
    click.echo(content if answer.form in BINARY else content.decode(), nl=False, color=True)


def as_bytes(bundle: Bundle, conclusion: Conclusion, answer: Answer) -> bytes:
    """The answer in the form that was asked for."""
    from tracer.formats import rendered

    return rendered(
        bundle,
        conclusion,
        answer.form,
        depth=answer.depth,
        color=colored(answer.color),
        diagram=answer.diagram,
        matrix=answer.matrix,
    )


def colored(wish: str) -> bool:
    """Whether `--color` means colours here: auto, always or never."""
    if wish != "auto":
        return wish == "always"
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )
