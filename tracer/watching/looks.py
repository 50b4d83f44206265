"""When a node's tables are to be read anew: soon after what calls for it, not all the time."""

SHORTEST_S = 0.4
"""Between two looks."""

PART = 10
"""A look may take a tenth of the time: one that takes long is had seldom."""

OFTEN_S = 1.5
"""While something is wrong: what has no news (firewalls, switches) is to be seen mended."""

SELDOM_S = 30.0
"""While nothing calls for it."""

ODD_S = 0.7
"""How long entries may be unlike the leases: flanneld writes a few ms after it hears."""


class Looks:
    """Times are CLOCK_MONOTONIC's, in seconds."""

    def __init__(self) -> None:
        self._last = 0.0
        self._took = 0.0
        self._wanted = 0.0
        self.often = False

    def want(self, at: float) -> None:
        """Something calls for a look, at that time or later."""
        self._wanted = min(self._wanted, at)

    def due(self) -> float:
        """When the next one is."""
        pause = max(SHORTEST_S, PART * self._took)
        at_last = self._last + max(OFTEN_S if self.often else SELDOM_S, pause)
        return min(max(self._wanted, self._last + pause), at_last)

    def had(self, began: float, ended: float) -> None:
        """One was had: what called for it before it began is seen."""
        self._last, self._took = ended, ended - began
        self._wanted = float("inf")
