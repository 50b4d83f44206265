"""`flantrace doctor [NODE...]`: what is there for a trace, what is missing, and each remedy."""

from __future__ import annotations

import click

from tracer.cli import options
from tracer.cli.answer import colored
from tracer.cli.interrupts import interruptible
from tracer.cli.progress import Progress
from tracer.errors import UsageError


@click.command()
@click.argument("nodes", metavar="[NODE]...", nargs=-1)
@options.cluster
@click.option(
    "--here", is_flag=True, help="Look at this machine as if it were a node; ask no cluster."
)
@click.option("--json", "as_json", is_flag=True, help="One document; its schema is published.")
@options.color
def doctor(nodes: tuple[str, ...], here: bool, as_json: bool, color: str, **words: object) -> int:
    """Say what flantrace finds on the nodes and in the API, what is missing, and how to get it.

    Everything is tried: small BPF programs are loaded and attached to the loopback device, pods'
    namespaces are entered, and nothing of it stays. The exit code is 0 where all is there that a
    trace needs, 1 where something is missing, 3 where something could not be asked.
    """
    from tracer.core.checkup import checkup
    from tracer.recording import rounds

    if here and nodes:
        raise UsageError(
            "--here and a node are two questions", where="the command line", hint="leave out one"
        )
    progress = Progress()
    with interruptible():
        try:
            asked = (
                rounds.here()
                if here
                else rounds.rounds(options.way_to_nodes(words), nodes, progress)
            )
        finally:
            progress.done()
    answer = checkup(asked)
    if as_json:
        from tracer.render.json_document import json_document

        click.echo(json_document(answer), nl=False)
    else:
        from tracer.render.checkup import checkup_text

        click.echo(checkup_text(answer, color=colored(color)), nl=False, color=True)
    return answer.exit_code
