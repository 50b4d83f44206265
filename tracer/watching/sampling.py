"""How many packets become samples: as many as was said, or as many as may cost so much."""

from tracer.collect.closing import Closing
from tracer.collect.holding import Holding
from tracer.collect.run_time import RunTime
from tracer.core.sampling import adapted
from tracer.errors import FlantraceError

EVERY_S = 10.0
MEASURED_S = 0.1

BEGIN_WITH = 4096


class Sampling(Closing):
    """Of one node. Times are CLOCK_MONOTONIC's, in seconds."""

    def __init__(self, one_in: int | None, most: float) -> None:
        """`one_in` None: it follows what the programs take, of which `most` is allowed.

        `most`: a part of one CPU.
        """
        self._auto = one_in is None
        self._most = most
        self.one_in = BEGIN_WITH if one_in is None else one_in
        self.overhead: float | None = None
        self.trouble: FlantraceError | None = None
        """Why it cannot be measured: then it stays at what it began with."""
        self._holding: Holding | None = None
        self._measured: RunTime | None = None
        self._due = 0.0

    def follow(self, holding: Holding) -> None:
        """These programs are those that sample from now on."""
        self.close()
        self._holding = holding
        holding.sample(self.one_in)

    def due(self) -> float:
        """When to tend to it."""
        return self._due if self._holding is not None else float("inf")

    def tend(self, now: float) -> None:
        """Begin to measure, or end it and adapt."""
        if now < self._due or self._holding is None or self.trouble is not None:
            return
        try:
            if self._measured is None:
                self._measured = RunTime(self._holding.run_ns)
                self._measured.begin()
                self._due = now + MEASURED_S
                return
            self.overhead = self._measured.end()
        except FlantraceError as error:
            self.trouble, self._due = error, float("inf")
            return
        self._measured, self._due = None, now + EVERY_S
        if self._auto and self.overhead is not None:
            self._sample(adapted(self.one_in, self.overhead, self._most))

    def close(self) -> None:
        """Measure no more."""
        if self._measured is not None:
            self._measured.close()
            self._measured = None

    def _sample(self, one_in: int) -> None:
        if one_in != self.one_in and self._holding is not None:
            self.one_in = one_in
            self._holding.sample(one_in)
