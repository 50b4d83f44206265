"""`flantrace replay FILE`: the same answer from a recording, without root, bcc or a cluster."""

from pathlib import Path

import click

from tracer.cli import options
from tracer.cli.answer import answer_of, print_answer
from tracer.cli.pair import of_pair, pods


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@options.output
@options.matrix
@pods
@options.redaction
@options.unpacked
def replay(file: Path, max_unpacked: int, **words: object) -> int:
    """Diagnose a recorded bundle again: the same output as the live trace, byte for byte."""
    from tracer.bundle.archive import read

    answer = answer_of(words)
    bundle = of_pair(read(file, max_unpacked), words["pods"])
    return print_answer(options.as_asked(bundle, words), answer)
