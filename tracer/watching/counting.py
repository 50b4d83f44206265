"""What a node has counted by the end of a period."""

import time

from tracer.model.watch import Counts
from tracer.watching.eyes import Eyes
from tracer.watching.sampling import Sampling
from tracer.watching.telling import Telling


def counted(node: str, eyes: Eyes, telling: Telling, sampling: Sampling | None) -> Counts:
    """Everything until now."""
    lost, untold = eyes.lost()
    before = time.monotonic_ns()
    peers = eyes.counts()
    return Counts(
        node=node,
        time_ns=before,
        until_ns=time.monotonic_ns(),
        peers=peers,
        drops=eyes.drops(),
        lost=lost,
        untold=untold,
        one_in=telling.end_period(sampling.one_in if sampling is not None else 0),
        overhead=sampling.overhead if sampling is not None else None,
        records=eyes.taken,
        unsaid=telling.untold,
    )
