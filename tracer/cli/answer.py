"""From a bundle to stdout and an exit code: the one road that live and replay share."""

from __future__ import annotations

import os
import sys

import click

from tracer.model.bundle import Bundle
from tracer.model.record import Record


class Answer(Record, frozen=True, kw_only=True):
    """How the answer is to be printed."""

    as_json: bool
    depth: str
    color: str


def print_answer(bundle: Bundle, answer: Answer) -> int:
    """Diagnose, print, and say the exit code."""
    from tracer.core.diagnose import diagnose

    diagnosis = diagnose(bundle)
    if answer.as_json:
        from tracer.render.json_document import json_document

        click.echo(json_document(diagnosis), nl=False)
    else:
        from tracer.render.text import text

        click.echo(
            text(diagnosis, answer.depth, color=_colored(answer.color)), nl=False, color=True
        )
    return diagnosis.verdict.exit_code


def _colored(wish: str) -> bool:
    if wish != "auto":
        return wish == "always"
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )
