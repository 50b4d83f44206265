"""What becomes of a recording: kept, reported, printed, in this order, so that nothing is lost."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracer.bundle.archive import top_of, write
from tracer.bundle.whole import check_target, write_whole
from tracer.cli.answer import Answer, as_bytes, show
from tracer.cli.interrupts import held
from tracer.errors import UsageError
from tracer.formats import Format
from tracer.model.record import Record

if TYPE_CHECKING:
    from tracer.core.conclude import Conclusion
    from tracer.model.bundle import Bundle

INTERRUPTED = 130


class Delivery(Record, frozen=True, kw_only=True):
    """Where a recording and its answer are to go."""

    answer: Answer
    save_to: Path | None = None
    keep: bool = True
    """Keep a recording that shows no healthy path although no name was given."""
    reports: tuple[tuple[Format, Path], ...] = ()


def delivery_of(answer: Answer, words: dict[str, object]) -> Delivery:
    """What the options mean; all targets are checked before anything is recorded. UsageError."""
    save_to, reports = words["save_to"], words["reports"]
    if save_to is not None and words["no_save"]:
        raise UsageError(
            "--save and --no-save contradict each other",
            where="the command line",
            hint="pass one of them",
        )
    if isinstance(save_to, Path):
        check_target(save_to, what="the bundle", option="--save")
    asked = tuple(map(_report, reports)) if isinstance(reports, tuple) else ()
    for _, path in asked:
        check_target(path, what="the report", option="--report")
    return Delivery(
        answer=answer,
        save_to=save_to if isinstance(save_to, Path) else None,
        keep=not words["no_save"],
        reports=asked,
    )


def _report(word: object) -> tuple[Format, Path]:
    """`html=incident.html`."""
    name, equals, path = str(word).partition("=")
    if not equals or not path or name not in list(Format):
        raise UsageError(
            f"{word!r} is no report",
            where="--report",
            hint=f"pass FORMAT=FILE, FORMAT being one of {', '.join(Format)}",
        )
    return Format(name), Path(path)


def deliver(bundle: Bundle, delivery: Delivery, *, interrupted: bool = False) -> int:
    """Diagnose, keep, report, print; the exit code. Whatever fails, the recording is kept."""
    from tracer.core.conclude import conclude, exit_code

    kept = False
    try:
        conclusion = conclude(bundle)
        kept = _keep(bundle, delivery, fault=exit_code(conclusion) != 0 or interrupted)
        _write_reports(bundle, conclusion, delivery)
        show(bundle, conclusion, delivery.answer)
    except BaseException:
        if not kept:
            _keep(bundle, delivery, fault=True)
        raise
    return INTERRUPTED if interrupted else exit_code(conclusion)


def _keep(bundle: Bundle, delivery: Delivery, *, fault: bool) -> bool:
    """Write the bundle where it was asked for; one with a fault also unasked, and say where."""
    if delivery.save_to is not None:
        with held():
            write(bundle, delivery.save_to)
        return True
    if delivery.keep and fault:
        try:
            with held():
                path = _unasked(bundle)
        except UsageError as error:
            # Nobody asked for it: no reason to withhold the answer.
            click.echo(f"not kept: {error.what}", err=True)
        else:
            click.echo(f"kept: {path}    next: flantrace report {path}", err=True)
    return True


def _unasked(bundle: Bundle) -> Path:
    """A file of its own in this folder, or where temporary files go if this one is read-only."""
    here = Path()
    folder = here if os.access(here, os.W_OK) else Path(tempfile.gettempdir())
    stem = top_of(bundle)
    number = 1
    path = folder / f"{stem}.tgz"
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.tgz"
    write(bundle, path)
    return path


def _write_reports(bundle: Bundle, conclusion: Conclusion, delivery: Delivery) -> None:
    for form, path in delivery.reports:
        answer = Answer(form=form, color="never", diagram=delivery.answer.diagram)
        write_whole(
            path, as_bytes(bundle, conclusion, answer), what="the report", option="--report"
        )
