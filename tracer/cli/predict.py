"""`flantrace predict A B`: the path that the tables foretell, without a packet."""

from __future__ import annotations

import click

from tracer.cli import completion, options
from tracer.cli.trace import recorded_by, trace_order
from tracer.model.request import ProbeKind, ProbePlan


@click.command()
@click.argument("source", metavar="POD_A", shell_complete=completion.end)
@click.argument("destination", metavar="POD_B", shell_complete=completion.end)
@options.reach
@options.output
@options.delivery
@options.redaction
@options.packet
def predict(source: str, destination: str, **words: object) -> int:
    """Foretell, from the nodes' tables alone, what becomes of packets from POD_A to POD_B.

    Nothing is sent and nothing attached: each node's rules, routes, neighbours, FDB entries,
    firewall and devices are asked, in the order in which the kernel asks them.
    """
    from tracer.plan import probe_plan

    port, size = (words[name] for name in ("port", "size"))
    plan = probe_plan(
        str(words["kind"]),
        port if isinstance(port, int) else None,
        1,
        size if isinstance(size, int) else None,
    )
    return recorded_by(trace_order(source, destination, words, _with_full_mtu(plan)), words)


def _with_full_mtu(plan: ProbePlan) -> ProbePlan:
    """One packet stands for all of its kind; that of full MTU is another kind."""
    from msgspec.structs import replace

    return replace(plan, full_mtu=plan.kind is ProbeKind.ICMP and plan.size is None)
