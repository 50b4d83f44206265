"""What a node's programs have recorded, as it is told: samples, and what deviates."""

from collections.abc import Callable, Iterable

from tracer.core.thinning import Thinning
from tracer.core.whose import Whose
from tracer.model.message import FromAgent
from tracer.model.watch import Deviant
from tracer.watching.eyes import Record

MOST_RECORDS = 200
"""Of one period, those that are told one by one; if there are more, fewer samples are."""


class Telling:
    """Of one node."""

    def __init__(self, whose: Whose, say: Callable[[FromAgent], None]) -> None:
        self._whose = whose
        self._say = say
        self._thinning = Thinning(MOST_RECORDS)

    @property
    def untold(self) -> int:
        """Records that had to be told, and were too many, until now."""
        return self._thinning.untold

    def tell(self, records: Iterable[Record], one_in: int, ports: frozenset[int]) -> bool:
        """Whether one deviates. `one_in`: one packet in so many is a sample."""
        deviates = False
        for record in records:
            if not record.kinds:
                if self._thinning.tells(record.seen, one_in, ports):
                    self._say(record.seen)
            elif self._thinning.takes():
                deviates = True
                peer, subnet = self._whose.sent(record.seen, ports)
                self._say(Deviant(kinds=record.kinds, peer=peer, subnet=subnet, seen=record.seen))
        return deviates

    def end_period(self, one_in: int) -> int:
        """One packet in so many was told of as a sample, all the period; 0: none."""
        return one_in * self._thinning.end_period()
