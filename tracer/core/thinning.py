"""Where a period has more samples than can be told, fewer are told: by hash, everywhere alike.

What is left out at random would look like packets that ended.
"""

from tracer.core.inner_bytes import inner_bytes
from tracer.core.sampling import LEAST_OFTEN, is_sample
from tracer.model.observation import Observation


class Thinning:
    """Of one node. Records are told as they come: how many a period has shows at its end."""

    def __init__(self, most: int) -> None:
        """`most`: records of one period that are told without a word."""
        self._most = most
        self._told = 0
        self.times = 1
        """One in so many of the samples is told."""
        self.untold = 0
        """Records that would have had to be told, until now."""

    def tells(self, seen: Observation, one_in: int, ports: frozenset[int]) -> bool:
        """Whether to tell of a sample. `one_in`: one packet in so many is one."""
        if self.times > 1:
            packet = inner_bytes(seen, ports)
            if packet is None or not is_sample(packet, max(one_in, 1) * self.times):
                return False
        return self.takes()

    def takes(self) -> bool:
        """Whether there is room for a record, whatever its hash."""
        if self._told >= 2 * self._most:
            self.untold += 1
            return False
        self._told += 1
        if self._told >= self._most and self._told % (self._most // 8) == 0:
            self.times = min(2 * self.times, LEAST_OFTEN)
        return True

    def end_period(self) -> int:
        """So many of the samples were told as one, all the period; it may be others from now on."""
        times = self.times
        if self._told < self._most // 4 and times > 1:
            self.times //= 2
        self._told = 0
        return times
