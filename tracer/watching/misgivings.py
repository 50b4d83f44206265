"""What a watch cannot see at the moment, told once: the API's silence, nodes', lost records."""

import time
from collections.abc import Callable, Iterable, Sequence

from tracer.errors import FlantraceError
from tracer.model.bundle import Trouble
from tracer.model.watch import Status
from tracer.render.figures import counted, lasted

AWAY_S = 5.0
"""What the API refuses for a shorter time is an end of one watch and the beginning of the next."""

AGAIN_S = 600.0
"""The same words are not said twice in so long a time."""


class Misgivings:
    """For one thread. Times are CLOCK_MONOTONIC's."""

    def __init__(self, say: Callable[[Trouble], None]) -> None:
        self._say = say
        self._said: dict[tuple[str | None, str], float] = {}
        self._since: dict[str, float] = {}
        """What is refused of the API -> since when."""
        self._away_ns: int | None = None
        """When the API server was last heard, of one that was said to be away."""
        self._lost: dict[str, tuple[int, float]] = {}
        """Node -> lost records, and when they were last said."""

    def tell(self, trouble: Trouble) -> None:
        """Now, unless it was just said."""
        now = time.monotonic()
        key = (trouble.node, trouble.what)
        if now - self._said.get(key, -AGAIN_S) >= AGAIN_S:
            self._said[key] = now
            self._say(trouble)

    def api(
        self, heard_ns: int, leases: FlantraceError | None, others: Iterable[FlantraceError]
    ) -> tuple[Trouble, ...]:
        """Why nodes, and other objects, are not followed. What is to be said of it in a recording.

        `heard_ns`: when the API server last said anything of nodes.
        """
        now = time.monotonic_ns()
        if leases is None:
            self._back(now)
            return tuple(self._refused(others))
        silent = (now - heard_ns) / 1e9
        if silent < AWAY_S:
            return ()
        away = Trouble(
            node=None,
            what=f"{leases.what}; the leases are those of {lasted(silent)} ago",
            hint=leases.hint,
        )
        if self._away_ns is None:
            self._away_ns = heard_ns
            self._say(away)
        return (away,)

    def lost(self, statuses: Sequence[Status]) -> None:
        """Records that found no room, by node."""
        now = time.monotonic()
        for status in statuses:
            known, said = self._lost.get(status.node, (0, -AGAIN_S))
            known = min(known, status.lost)  # its watch was begun anew
            if status.lost > known and now - said >= AGAIN_S:
                many = counted(status.lost - known, "record")
                what = f"{status.node}: {many} of packets found no room; counters are exact"
                self._say(Trouble(node=status.node, what=what, hint=""))
                known, said = status.lost, now
            self._lost[status.node] = known, said

    def _back(self, now: int) -> None:
        if self._away_ns is not None:
            away, self._away_ns = (now - self._away_ns) / 1e9, None
            what = f"the API server answers again, after {lasted(away)}"
            self._say(Trouble(node=None, what=what, hint=""))

    def _refused(self, errors: Iterable[FlantraceError]) -> Iterable[Trouble]:
        now = time.monotonic()
        found = {error.what: error for error in errors}
        self._since = {what: self._since.get(what, now) for what in found}
        for what, since in self._since.items():
            if now - since >= AWAY_S:
                trouble = Trouble(node=None, what=what, hint=found[what].hint)
                self.tell(trouble)
                yield trouble
