"""Packets that one counter has counted and another, behind it, has not: of a single pair.

What may still be under way is not missing. Times are in nanoseconds, by whichever one clock.
"""

WELL = 1
"""Periods with traffic and without a further loss after which a gap is over. What comes back soon
is damped where findings are (core/standing.py)."""

TRANSIT_NS = 300_000_000
"""What was counted so long before must have arrived; also how far clocks may be misjudged."""

CLOCKS_NS = 100_000_000
"""A reading that is so much later is later, however the clocks are misjudged."""

GUESSES = 3
"""Of what was missing when two nodes were first heard of while they counted: the least holds."""

READINGS, GLIMPSED = 8, 100
"""Of the sender's counter that are remembered, within a node and of two nodes: the receiver may be
heard seconds later."""

GLIMPSES = 20
"""Of another node's counter as receiver: some are later than the sender's."""

FORGOTTEN_NS = 120_000_000_000
"""Without traffic nobody can say."""


class Missing:
    """Of what one counter has counted, at another that counts the same packets later."""

    __slots__ = (
        "_arrivals", "_glimpsed", "_guesses", "_known_then", "_lost_before", "arrived", "begun",
        "first", "first_ns", "found_out", "known", "last_ns", "missing", "most", "passed", "sent",
        "well",
    )  # fmt: skip

    def __init__(self, first: int | None, *, glimpsed: bool) -> None:
        """`first`: what was missing when both began to count; None: they were found counting.

        `glimpsed`: they are two nodes', and may be read more often than once a period.
        """
        self._glimpsed = glimpsed
        self.sent: list[tuple[int, int]] = []
        """When the sender's counter was read, by our clock, and what it said."""
        self.begun = self.passed = 0
        self.arrived = 0
        """At the end of the receiver's last period."""
        self._arrivals: list[tuple[int, int]] = []
        """When the receiver's counter was read, and what it said."""
        self.first, self.found_out = first or 0, first is not None
        self._guesses: list[int] = []
        self._lost_before = 0
        """What was missing when it last rested, all of it."""
        self.most = self.known = self.first
        """The most that ever was missing, and of it what is no news."""
        self._known_then = self.known
        """At the end of the receiver's last period."""
        self.well = WELL
        self.missing = 0
        self.first_ns = self.last_ns = 0

    @property
    def total(self) -> int:
        """Missing since we began: exact whenever the flow rests."""
        return self._lost_before + self.most - self.first

    def send(self, passed: int, now: int) -> None:
        """The sender's counter was read now, by our clock."""
        self.sent.append((now, passed))
        del self.sent[: -GLIMPSED if self._glimpsed else -READINGS]
        earlier = [arrived for time, arrived in self._arrivals if time <= now - CLOCKS_NS]
        if not earlier:
            return
        guess = passed - earlier[-1]  # so much was missing then, or under way
        if not self.found_out:
            self._guesses.append(guess)
            if len(self._guesses) >= GUESSES:
                self.first = self.most = self.known = min(self._guesses)
                self.found_out = True
        elif self._glimpsed and self.most == self.first:
            self.first = self.most = self.known = min(self.first, guess)

    def rest(self) -> None:
        """Begin anew: what was missing until now is no news."""
        self._lost_before, self.most = self.total, self.first
        self.sent.clear()
        self._arrivals.clear()
        self.found_out, self.missing = False, 0
        self._guesses.clear()

    def end(self, arrived: int, now: int) -> None:
        """The same at the end of the receiver's period, by which a gap may be over."""
        grew, self.arrived = arrived > self.arrived, arrived
        if self.look(arrived, now) and grew and self.known == self._known_then:
            self.well += 1
        if self.missing and (self.well >= WELL or now - self.last_ns > FORGOTTEN_NS):
            self.missing = 0
            # of what was lost until now the last shows only when the flow rests: no new gap
            self.known = max(self.known, self.sent[-1][1] - arrived)
        self._known_then = self.known

    def look(self, arrived: int, now: int) -> bool:
        """The receiver's counter was read now, by our clock. Whether that could be compared."""
        self._arrivals.append((now, arrived))
        del self._arrivals[: -GLIMPSES if self._glimpsed else -2]
        earlier = [passed for time, passed in self.sent if time <= now - TRANSIT_NS]
        if not earlier or not self.found_out:
            return False
        before, self.passed = self.passed, earlier[-1]
        deficit = self.passed - arrived
        self.most = max(self.most, deficit)
        if deficit > self.known:
            if not self.missing:
                self.begun, self.first_ns = before, self._arrivals[-2:][0][0]
            self.missing += deficit - self.known
            self.known, self.last_ns, self.well = deficit, now, 0
        return True
