"""`flantrace redact FILE -o OUT`: a recording that may leave the building."""

from pathlib import Path

import click

from tracer.cli import options


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The redacted bundle.",
)
@options.redaction
@options.unpacked
def redact(file: Path, output: Path, max_unpacked: int, **words: object) -> int:
    """Write a bundle anew without its names, addresses, MACs and payload.

    docs/reference/redaction.md says field by field what is kept, replaced and removed.
    """
    from tracer.bundle.archive import read, write
    from tracer.bundle.whole import check_target

    check_target(output, what="the bundle", option="-o")
    write(options.as_asked(read(file, max_unpacked), words | {"redact": True}), output)
    return 0
