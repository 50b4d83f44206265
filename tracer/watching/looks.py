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

POD_SETTLES_S = 0.6
"""After news of a pod's device: the plugins take some hundred milliseconds."""

PODS_AT_ONCE, PODS_EACH_S = 3, 5.0
"""Looks that pods call for by what they change within themselves: a few in a row, and then no more
than one each so often. It is theirs to do."""

ODD_S = 1.0
"""How long entries may be unlike the leases: flanneld writes a few ms after it hears, and took
0.7 s on a machine that had much else to do."""

ANEW_S = 0.5
"""The same of its device, which it deletes and makes in one go where it is not as configured."""


class Looks:
    """Times are CLOCK_MONOTONIC's, in seconds."""

    def __init__(self) -> None:
        self._last = 0.0
        self._took = 0.0
        self._wanted = 0.0
        self.unsettled = float("inf")
        """When what is unlike the leases now will have been so for too long; it may be put right
        before, and calls for no look then."""
        self._earliest = 0.0
        self.often = False
        self._pods_at = 0.0
        """When a look was or is to be had that pods have called for."""
        self._pods_until = 0.0
        """Such looks are accounted for until then."""

    def want(self, at: float) -> None:
        """Something calls for a look, at that time or later."""
        self._wanted = min(self._wanted, at)

    def want_not_before(self, at: float) -> None:
        """Something calls for a look, and none is of use earlier, whatever else calls for one."""
        self._earliest = at
        self.want(at)

    def want_for_pods(self, now: float) -> None:
        """Something changed within a pod."""
        if now >= self._pods_at:  # else one is wanted already
            self._pods_until = max(self._pods_until, now) + PODS_EACH_S
            rested = self._pods_until - PODS_AT_ONCE * PODS_EACH_S
            self._pods_at = max(now + POD_SETTLES_S, rested)
        self.want(self._pods_at)

    def due(self) -> float:
        """When the next one is."""
        pause = max(SHORTEST_S, min(PART * self._took, LONGEST_S))
        at_last = self._last + max(OFTEN_S if self.often else SELDOM_S, pause)
        soonest = max(self._earliest, self._last + pause)
        return min(max(min(self._wanted, self.unsettled), soonest), max(at_last, soonest))

    def had(self, ended: float, took: float) -> None:
        """One was had, and nothing calls for another."""
        self._last, self._took = ended, took
        self._wanted = float("inf")
