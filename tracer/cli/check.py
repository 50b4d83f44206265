"""`flantrace check [NODE...]`: every table of every node, compared without a packet."""

from __future__ import annotations

import click

from tracer.cli import options
from tracer.cli.recorded import recorded


@click.command()
@click.argument("nodes", metavar="[NODE]...", nargs=-1)
@options.cluster
@options.output
@options.matrix
@options.delivery
@options.redaction
@click.option(
    "--no-agents",
    is_flag=True,
    help="Run nothing on the nodes: compare only what the API shows.",
)
def check(nodes: tuple[str, ...], no_agents: bool, **words: object) -> int:
    """Compare leases, devices, routes, neighbours, FDB entries and firewalls of all nodes.

    Nothing is sent. Without NODE all nodes are read, in parallel. The exit code is 0 where no fault
    was found, 1 where one was, 3 where a node could not be read.
    """
    from tracer.recording.survey import Survey, Surveyor

    order = Survey(nodes=nodes, agents=not no_agents, reach=options.way_to_nodes(words))
    return recorded(lambda progress: Surveyor(order, progress), words)
