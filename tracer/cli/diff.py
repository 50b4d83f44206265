"""`flantrace diff A B`: what changed between two recordings."""

from pathlib import Path

import click

from tracer.cli import options
from tracer.cli.answer import colored


@click.command()
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@options.color
@options.unpacked
def diff(first: Path, second: Path, as_json: bool, color: str, max_unpacked: int) -> int:
    """Show what changed in state and verdict from A to B.

    Before and after a fix; or a good pair of nodes and a bad one, which are compared by their part
    in the trace. The exit code is that of B: 0 where it is delivered.
    """
    from tracer.bundle.archive import read
    from tracer.core.difference import difference
    from tracer.errors import UsageError
    from tracer.render.difference import difference_document, difference_text

    bundles = read(first, max_unpacked), read(second, max_unpacked)
    for path, bundle in zip((first, second), bundles, strict=True):
        if bundle.request is None:
            raise UsageError(
                "the recording of a check has no path to compare",
                where=str(path),
                hint="flantrace replay FILE prints what it found; diff compares traces",
            )
    found = difference(*bundles)
    text = difference_document(found) if as_json else difference_text(found, color=colored(color))
    click.echo(text, nl=False, color=True)
    return found.after.verdict.exit_code
