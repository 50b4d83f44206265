"""`flantrace trace A B`: words -> an order -> a recording -> the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tracer.cli import options
from tracer.cli.recorded import recorded
from tracer.errors import UsageError
from tracer.model.request import ProbePlan
from tracer.plan import MOST_PROBES, probe_plan

if TYPE_CHECKING:
    from tracer.recording.record import Order


@click.command()
@click.argument("source", metavar="POD_A")
@click.argument("destination", metavar="POD_B")
@options.reach
@options.output
@options.delivery
@options.redaction
@options.packet
@click.option(
    "--count",
    type=click.IntRange(1, MOST_PROBES),
    help="Send so many probes of one size. Default: 5 small ones and one of full MTU.",
)
@click.option("--passive", is_flag=True, help="Send nothing: follow the pods' own traffic.")
@click.option(
    "--for", "duration", metavar="TIME", default="10s", show_default=True, help="With --passive."
)
@click.option(
    "--no-active",
    is_flag=True,
    help="Make no further tests when packets vanish between the nodes: no pings of other sizes, no"
    " datagrams, no third node.",
)
def trace(source: str, destination: str, **words: object) -> int:
    """Follow packets from POD_A to POD_B and back, and say what stops them.

    A pod is [NAMESPACE/]NAME; node/NAME stands for a node's own flannel address, svc/NAME for a
    Service's ready endpoint. An address of any of them does as well.
    """
    plan, passive_s = _plan(words)
    order = trace_order(
        source,
        destination,
        words,
        plan,
        passive_s=passive_s,
        predict=False,
        active=not words["no_active"] and plan is not None,
    )
    return recorded_by(order, words)


def recorded_by(order: Order, words: dict[str, object]) -> int:
    """Record what the order says, and give the answer."""
    from tracer.recording.record import Recorder

    return recorded(lambda progress: Recorder(order, progress), words)


def trace_order(
    source: str,
    destination: str,
    words: dict[str, object],
    plan: ProbePlan | None,
    *,
    passive_s: float | None = None,
    predict: bool = True,
    active: bool = False,
) -> Order:
    """What the words on how to reach the cluster mean. UsageError."""
    from tracer.recording.record import Order

    return Order(
        source=source,
        destination=destination,
        namespace=str(words["namespace"]),
        plan=plan,
        passive_s=passive_s,
        predict=predict,
        active=active,
        reach=options.way_to_nodes(words),
        family=int(family) if (family := options.text_of(words["family"])) else None,
    )


def _plan(words: dict[str, object]) -> tuple[ProbePlan | None, float | None]:
    """The probes that the options mean, or the time to watch. UsageError for a contradiction."""
    kind, port, count, size = (words[name] for name in ("kind", "port", "count", "size"))
    if words["passive"]:
        if kind != "icmp" or port or count or size:
            raise UsageError(
                "--passive sends no probes",
                where="the command line",
                hint="leave out --probe, --port, --count and --size",
            )
        return None, _seconds(str(words["duration"]))
    numbers = (value if isinstance(value, int) else None for value in (port, count, size))
    return probe_plan(str(kind), *numbers), None


def _seconds(text: str) -> float:
    """`10s`, `500ms`, `2m` or plain seconds -> seconds."""
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)):
        number = text.removesuffix(unit) if unit else text
        if unit and not text.endswith(unit):
            continue
        try:
            seconds = float(number) * factor
        except ValueError:
            break
        if 0 < seconds <= 86_400:
            return seconds
        break
    raise UsageError(
        f"{text!r} is no time to watch",
        where="--for",
        hint="for instance --for 10s, at most 24h",
    )
