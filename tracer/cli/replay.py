"""`flantrace replay FILE`: the same answer from a recording, without root, bcc or a cluster."""

from pathlib import Path

import click

from tracer.bundle.unpack import DEFAULT_LIMIT
from tracer.cli import options
from tracer.cli.answer import Answer, print_answer


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@options.output
@click.option(
    "--max-unpacked",
    metavar="BYTES",
    type=click.IntRange(min=1),
    default=DEFAULT_LIMIT,
    show_default=True,
    help="Refuse a bundle that unpacks to more.",
)
def replay(file: Path, as_json: bool, depth: str, color: str, max_unpacked: int) -> int:
    """Diagnose a recorded bundle again: the same output as the live trace, byte for byte."""
    from tracer.bundle.archive import read

    return print_answer(read(file, max_unpacked), Answer(as_json=as_json, depth=depth, color=color))
