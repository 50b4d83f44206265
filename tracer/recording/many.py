"""What every recording of many nodes goes by: which, how many at a time, and when it was."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from tracer.errors import NotFound
from tracer.model.cluster import Node

AT_ONCE = 32
"""Agents that run at one time: each is a process here, and connections from here to its node."""

FAREWELL_S = 3.0
"""How long an agent that has said everything may take to end."""


def chosen(nodes: Iterable[Node], named: Sequence[str]) -> tuple[str, ...]:
    """The named nodes, or all. NotFound: one does not exist.

    Names count as they are where the API does not list nodes.
    """
    known = [node.name for node in nodes]
    for node in named if known else ():
        if node not in known:
            raise NotFound(
                f"node {node} does not exist", where="the Kubernetes API", hint="kubectl get nodes"
            )
    return tuple(dict.fromkeys(named)) or tuple(known)


def now() -> str:
    """By the operator's clock: UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")  # noqa: TID251
