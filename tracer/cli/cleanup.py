"""`flantrace cleanup`: remove what a killed flantrace left on a kernel without tcx links."""

import click


@click.command()
def cleanup() -> int:
    """Remove filters that a killed flantrace left on this node (kernels below 6.6)."""
    from tracer.collect.clsact import cleanup as remove

    removed = remove()
    for line in removed:
        click.echo(f"removed {line}")
    if not removed:
        click.echo("nothing of flantrace's was left on this node")
    return 0
