"""`flantrace idle`: what a pod of flantrace's does until an agent is started in it."""

import signal

import click

_END = (signal.SIGTERM, signal.SIGINT)


@click.command(hidden=True)
def idle() -> int:
    """Wait to be told to end."""
    # As PID 1 nothing ends us but what we wait for, and orphans of agents would pile up unburied.
    signal.pthread_sigmask(signal.SIG_BLOCK, _END)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.sigwait(_END)
    return 0
