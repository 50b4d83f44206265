"""When a node's tables are to be read anew: soon after what calls for it, not all the time."""

SHORTEST_S = 0.3
"""Between two looks."""

PART = 1
"""A look may take half of the time, and no more: one that takes long is had seldom."""

LONGEST_S = 3.0
"""And yet never later than that after something called for it."""

OFTEN_S = 1.5
"""While something is wrong: what has no news (firewalls, switches) is to be seen mended."""

SELDOM_S = 30.0
"""While nothing calls for it."""

ODD_S = 0.5
"""How long entries may be unlike the leases: flanneld writes a few ms after it hears."""


class Looks:
    """Times are CLOCK_MONOTONIC's, in seconds."""

    def __init__(self) -> None:
        self._last = 0.0
        self._took = 0.0
        self._wanted = 0.0
        self.unsettled = float("inf")
        """When what is unlike the leases now will have been so for too long; it may be put right
        before, and calls for no look then."""
        self.often = False

    def want(self, at: float) -> None:
        """Something calls for a look, at that time or later."""
        self._wanted = min(self._wanted, at)

    def due(self) -> float:
        """When the next one is."""
        pause = max(SHORTEST_S, min(PART * self._took, LONGEST_S))
        at_last = self._last + max(OFTEN_S if self.often else SELDOM_S, pause)
        return min(max(min(self._wanted, self.unsettled), self._last + pause), at_last)

    def had(self, ended: float, took: float) -> None:
        """One was had, and nothing calls for another."""
        self._last, self._took = ended, took
        self._wanted = float("inf")
