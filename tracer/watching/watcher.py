"""The watch: what the API and the nodes say, a recording of each moment, and what turned by it."""

import contextlib
import os
import select
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from tracer import __version__
from tracer.collect import memory
from tracer.collect.kube import Api
from tracer.collect.transport import StreamEnd, Way
from tracer.core.statuses import statuses
from tracer.core.vigil import API, Vigil
from tracer.model.bundle import Bundle, Trouble
from tracer.model.message import Hello, Problem
from tracer.model.watch import SCHEMA, Status, Turned
from tracer.watching.agents import Agents
from tracer.watching.cluster import Following
from tracer.watching.intent import Intent, Options
from tracer.watching.misgivings import Misgivings
from tracer.watching.outlet import Outlet

PERIOD_S = 1.0
GIVE_BACK_S = 60.0
"""Between the times when memory that is free goes back to the kernel."""

SHORTEST_S, PART = 0.2, 3
"""Between two diagnoses; and so many times what the last one took of the CPU."""

SELDOM_S, SMALL_PART = 0.5, 45
"""The same where it is the API alone that says what is new: thousands of leases change all the
time."""


class Watcher:
    """Of some nodes. For one thread: `run` until `leave` is called, by whomever."""

    def __init__(
        self,
        api: Api,
        way: Way,
        nodes: Sequence[str],
        options: Options,
        outlets: Sequence[Outlet],
        trouble: Callable[[Trouble], None],
        *,
        rates: bool = False,
    ) -> None:
        """`trouble`: hears what cannot be observed, once. `rates`: statuses have each peer's."""
        memory.spare()
        self._outlets = outlets
        self._rates = rates
        self._misgivings = Misgivings(trouble)
        self._woken, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.vigil = Vigil(nodes, __version__)
        self._intent = Intent(self.vigil, options, self._wakes)
        self._following = Following(api, nodes, self._intent.hear)
        self._agents = Agents(way, self.vigil.nodes, self._intent.whole, self._wakes)
        self._began = time.monotonic_ns()
        self._tick_at = self._give_back_at = 0.0
        self._looked = self._took = 0.0
        """When the last diagnosis ended, and what it took of the CPU."""
        self._leaving = self._rereading = False

    def leave(self) -> None:
        """End soon. May be called from a signal's handler."""
        self._leaving = True
        self._wakes()

    def reread(self) -> None:
        """Begin the watches on the nodes anew. May be called from a signal's handler."""
        self._rereading = True
        self._wakes()

    def run(self, seconds: float | None = None) -> None:
        """Until it is told to leave, or for so long. CollectFailed: the API never answered."""
        self._following.wait()
        self._intent.take()
        self.vigil.settled = True
        self._tick_at = time.monotonic()
        end = float("inf") if seconds is None else time.monotonic() + seconds
        try:
            while not self._leaving and time.monotonic() < end:
                self._turn(end)
        finally:
            self._following.close()
            for left in self._agents.close():
                self._misgivings.tell(left)

    def statuses(self) -> tuple[Status, ...]:
        """How it stands."""
        heard = self._following.heard_ns
        return statuses(self.vigil, time.monotonic_ns(), self._began, heard, rates=self._rates)

    def _turn(self, end: float) -> None:
        """One round: take what there is, do what is due, wait."""
        if self._rereading:
            self._rereading = False
            self._agents.restart()
        for node in self._agents.tend():
            self.vigil.anew(node)
        self._intent.take()
        self._take_nodes()
        now = time.monotonic()
        if now >= self._intent.due:
            for order in self._intent.orders():
                self._agents.tell(order)
        wants = self.vigil.due
        pressing = self.vigil.pressing
        shortest, part = (SHORTEST_S, PART) if pressing else (SELDOM_S, SMALL_PART)
        look_at = self._looked + max(shortest, part * self._took)
        if wants and now >= look_at:
            self._look()
            wants = False
        if now >= self._tick_at:
            self._tick(now)
        due = min(self._tick_at, self._intent.due, end, look_at if wants else end)
        select.select([self._woken], [], [], max(0.0, due - time.monotonic()))
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 1 << 16)

    def _look(self) -> None:
        began = time.thread_time()
        self._turned(self._recording())
        self._took, self._looked = time.thread_time() - began, time.monotonic()

    def _tick(self, now: float) -> None:
        """Each second: what has long been gone is closed, and everybody is shown how it stands."""
        self._tick_at = max(self._tick_at + PERIOD_S, now)
        if now >= self._give_back_at:
            self._give_back_at = now + GIVE_BACK_S
            memory.give_back()
        self._turned(None)
        self.vigil.silent = dict(self._agents.silent)
        for trouble in self._agents.ended():
            self._misgivings.tell(trouble)
        of = self._following
        self.vigil.problems[API] = self._misgivings.api(
            of.heard_ns, of.nodes.trouble, of.troubles()
        )
        shown = self.statuses()
        self._misgivings.lost(shown)
        self._each(lambda outlet: outlet.show(shown, self._segment))

    def _recording(self) -> Bundle:
        return self.vigil.bundle(time.monotonic_ns(), _utc(0))

    def _segment(self) -> Bundle:
        return self.vigil.segment(time.monotonic_ns(), _utc(0))

    def _turned(self, bundle: Bundle | None) -> None:
        """`bundle`: of this moment; None: nothing is new but the time."""
        now = time.monotonic_ns()
        watched = bundle.watched if bundle is not None else None
        for changed in self.vigil.look(now, bundle):
            turned = Turned(
                schema=SCHEMA,
                at=_utc(now - changed.time_ns),
                turn=changed.turn,
                since=_utc(now - changed.opened_ns),
                times=changed.times,
                finding=changed.finding,
                before=self.vigil.before(changed, watched),
            )
            self._each(partial(_turn, turned, self._segment))
        self._intent.look_often(bool(self.vigil.findings.standing()))

    def _each(self, act: Callable[[Outlet], None]) -> None:
        """One that fails does not keep the others, nor the watch, from going on."""
        for outlet in self._outlets:
            try:
                act(outlet)
            except BrokenPipeError:
                raise
            except Exception as error:
                what = f"this is a bug in flantrace: {type(error).__name__}: {error}"
                hint = f"the watch goes on; please report it ({type(outlet).__name__})"
                self._misgivings.tell(Trouble(node=None, what=what, hint=hint))

    def _take_nodes(self) -> None:
        now = time.monotonic_ns()
        for node, item in self._agents.take():
            if isinstance(item, Problem):
                trouble = Trouble(node=node, what=item.what, hint=item.hint)
                self.vigil.problems[node] = (*self.vigil.problems.get(node, ()), trouble)
                self._misgivings.tell(trouble)
            elif isinstance(item, Hello):
                self.vigil.problems.pop(node, None)
            elif not isinstance(item, StreamEnd):
                self.vigil.hear(now, node, item)

    def _wakes(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is full: whoever reads wakes anyway
            os.write(self._wake, b"!")


def _turn(turned: Turned, recording: Callable[[], Bundle], outlet: Outlet) -> None:
    outlet.turn(turned, recording)


def _utc(ago_ns: int) -> str:
    """The moment so long ago, by today's clock: a step of the clock moves all of them."""
    now = datetime.now(UTC)  # noqa: TID251
    return (now - timedelta(microseconds=ago_ns // 1000)).isoformat(timespec="milliseconds")
