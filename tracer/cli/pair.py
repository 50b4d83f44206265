"""`--pods POD_A POD_B`: of a watch's segment the trace of a pair, instead of the check."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tracer.errors import NotFound, UsageError

if TYPE_CHECKING:
    from tracer.model.bundle import Bundle

Command = TypeVar("Command", bound=Callable[..., Any])

WHERE = "the recording"


def pods(command: Command) -> Command:
    """The option."""
    return click.option(
        "--pods",
        nargs=2,
        metavar="POD_A POD_B",
        help="Of a watch's recording: trace this pair by the packets that were samples.",
    )(command)


def of_pair(bundle: Bundle, pair: object) -> Bundle:
    """The bundle itself where no pair is asked for. UsageError, NotFound say why it cannot be."""
    if not isinstance(pair, tuple):
        return bundle
    from tracer.core.cutting import traced
    from tracer.recording.ends import resolve

    if bundle.watched is None:
        raise UsageError(
            "--pods is for a watch's recording",
            where="the command line",
            hint="this one answers without: flantrace replay FILE",
        )
    source, destination = pair
    try:
        ends = resolve((source, destination), "default", bundle.cluster)
    except NotFound as error:
        hint = "a watch records the pods of the nodes that it watches; NAMESPACE/POD names one"
        raise NotFound(error.what, where=WHERE, hint=hint) from None
    try:
        return traced(bundle, *ends)
    except ValueError as error:
        hint = "watch with --sample 1/N, and for longer than a few seconds"
        raise NotFound(str(error), where=WHERE, hint=hint) from None
