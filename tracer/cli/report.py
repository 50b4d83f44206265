"""`flantrace report FILE`: a recording as something to show to people who were not there."""

from pathlib import Path

import click
from msgspec.structs import replace

from tracer.cli import options
from tracer.cli.answer import answer_of, as_bytes, show
from tracer.cli.pair import of_pair, pods
from tracer.formats import Format


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@options.output
@options.matrix
@pods
@options.redaction
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a file, not stdout.",
)
@options.unpacked
def report(file: Path, output: Path | None, max_unpacked: int, **words: object) -> int:
    """Turn a recorded bundle into a report. Default: --format markdown.

    The exit code is that of the trace: 1 where a fault was found.
    """
    from tracer.bundle.archive import read
    from tracer.bundle.whole import check_target, write_whole
    from tracer.core.conclude import conclude, exit_code

    answer = answer_of(words)
    if words["form"] is None and not words["as_json"]:
        answer = replace(answer, form=Format.MARKDOWN)
    if output is not None:
        check_target(output, what="the report", option="-o")
    bundle = of_pair(read(file, max_unpacked), words["pods"])
    bundle = options.as_asked(bundle, words)
    conclusion = conclude(bundle)
    if output is None:
        show(bundle, conclusion, answer)
    else:
        content = as_bytes(bundle, conclusion, answer)
        write_whole(output, content, what="the report", option="-o")
    return exit_code(conclusion)
