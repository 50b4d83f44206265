"""The entries of a ping's hops, by where they stand."""

from typing import Any

from tests.builders import bundle
from tests.packets import (
    journey,
    ping,
)
from tracer.core.annotate import annotated
from tracer.core.correlate import correlate
from tracer.core.facts import Facts
from tracer.model.bundle import Bundle
from tracer.model.observation import Observation
from tracer.model.path import Entry, Mark
from tracer.model.state import NodeState

Shown = dict[str, Entry]


def shown(recording: Bundle) -> Shown:
    """Entries of the only request by node, device, direction and table."""
    path = next(iter(annotated(correlate(recording), Facts(recording))))
    return {
        f"{hop.node[-1]} {hop.device.value} {hop.direction.value} {entry.table}": entry
        for hop in path.hops
        for entry in hop.entries
    }


def of(*states: NodeState, last: int = 7, **more: Any) -> Shown:
    """A ping that came as far as `last`, in the healthy cluster with `states` changed."""
    dst_mac = more.pop("dst_mac", None)
    extra: tuple[Observation, ...] = more.pop("extra", ())
    observations = (*journey(ping(), last=last, dst_mac=dst_mac), *extra)
    return shown(bundle(*states, observations=observations, **more))


def bad(entries: Shown) -> dict[str, tuple[str, str | None]]:
    return {key: (e.text, e.expected) for key, e in entries.items() if e.mark is Mark.BAD}
