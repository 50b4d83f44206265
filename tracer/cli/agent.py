"""`flantrace agent`: a node's side of a trace, on stdio. Started by flantrace, not by people."""

import click


@click.command(hidden=True)
def agent() -> int:
    """Serve one operator on standard input and output."""
    from tracer.agent import Agent

    return Agent().run()
