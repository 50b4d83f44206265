"""A node's tables, read anew: what the leases promise is told from the rest as it comes in."""

import time
from collections.abc import Sequence

from tracer.collect.snapshot import links, snapshot
from tracer.core.known import Known
from tracer.core.mirror import Mirror
from tracer.core.promised import vteps_among, vteps_of
from tracer.model.packet import Ip
from tracer.model.state import NodeState


def read(
    node: str, known: Known, before: Mirror | None, pods: Sequence[Ip]
) -> tuple[NodeState, Mirror]:
    """The state without entries that are as promised, and the mirror that knows of all.

    Thousands of entries are never there at once. CollectFailed as of `snapshot`.
    """
    everybody = {name: known.leases_of(name) for name in known.nodes}
    if before is None:
        before = Mirror(node, vteps_among(links()))
        before.hold(time.monotonic_ns(), everybody)
    mirror = before.anew()
    state = snapshot(node, pods=pods, keep=mirror.read)
    if not mirror.fits(state):
        # flannel's device is another one, and so are all entries
        mirror = Mirror(node, vteps_of(state), before)
        mirror.hold(time.monotonic_ns(), everybody)
        state = snapshot(node, pods=pods, keep=mirror.read)
    mirror.begin(time.monotonic_ns(), everybody)
    return state, mirror
