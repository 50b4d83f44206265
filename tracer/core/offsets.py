"""From nodes' clocks to ours: what comes in says when it was said, and takes some time to come.

The least that it ever took is the difference of the clocks. Of the last minutes only: clocks of
machines drift, by some ten milliseconds an hour, and one that is suspended jumps.
"""

from collections import deque

SPAN_NS = 60_000_000_000
SPANS = 5


class Offsets:
    """Node -> nanoseconds from its CLOCK_MONOTONIC to ours."""

    def __init__(self) -> None:
        self._least: dict[str, deque[tuple[int, int]]] = {}
        """Of each span: which, and the least."""
        self.now: dict[str, int] = {}

    def hear(self, node: str, time_ns: int, now: int) -> None:
        """A node said at its `time_ns` what came in now."""
        span, offset = now // SPAN_NS, now - time_ns
        kept = self._least.setdefault(node, deque(maxlen=SPANS))
        if kept and kept[-1][0] == span:
            kept[-1] = (span, min(kept[-1][1], offset))
        else:
            kept.append((span, offset))
        self.now[node] = min(least for _, least in kept)

    def forget(self, node: str) -> None:
        """It begins anew."""
        self._least.pop(node, None)
        self.now.pop(node, None)
