"""The watch on one node, in its network namespace: told what to hold, it says what it sees."""

import time
from collections.abc import Callable, Iterable, Mapping

from tracer.collect.closing import Closing
from tracer.collect.notices import Notice, Notices
from tracer.collect.pod_notices import PodNotices
from tracer.collect.points import points
from tracer.core.expect import promises
from tracer.core.happened import Teller
from tracer.core.known import Known, LeaseChange
from tracer.core.mirror import Mirror
from tracer.core.promised import vteps_of, without_promised
from tracer.core.whose import Whose
from tracer.core.words import WATCH
from tracer.errors import FlantraceError
from tracer.model.message import FromAgent, Hold, Problem, Ready
from tracer.model.observation import AttachedPoint
from tracer.model.packet import Ip
from tracer.model.state import Link, NodeState, Route
from tracer.model.watch import News
from tracer.watching import tables
from tracer.watching.counting import counted
from tracer.watching.eyes import Eyes
from tracer.watching.glimpses import Glimpses
from tracer.watching.looks import ANEW_S, ODD_S, POD_SETTLES_S, Looks
from tracer.watching.sampling import Sampling
from tracer.watching.telling import Telling

PERIOD_S = 1.0
READ_S = 0.15
"""How often the ring is emptied of samples; what deviates wakes us."""

SETTLE_S = 0.15
"""After news, before the tables are read: a change is several entries."""

PODS_S = 1.0
"""After news of this node's pods: the plugins are at work."""

AGAIN_S = 30.0
"""Between attempts to load programs where the kernel refuses."""

MOST_LEARNT = 2000
"""MACs, addresses and subnets that are remembered beside those of leases: of earlier ones."""

A_FEW = 8
"""Peers by the way to whom the uplink is found."""


class NodeWatch(Closing):
    """Says: news, records, a state when there is reason, and counts at each period's end."""

    def __init__(
        self, node: str, say: Callable[[FromAgent], None], known: Known | None = None
    ) -> None:
        """Must be made and used in the node's namespace. OSError: rtnetlink is refused.

        `known`: what whoever gives the orders knows already, if that is in this process.
        """
        self.node = node
        self._say = say
        self._known = Known(like=known)
        self._whose = Whose(node)
        self._eyes = Eyes(node, self._trouble)
        self._notices, self._pod_notices = Notices(), PodNotices()
        self._pods_netns: frozenset[int | None] = frozenset()
        """By their numbers in the node's."""
        self._sampling: Sampling | None = None
        self._pods: tuple[Ip, ...] = ()
        self._looks = Looks()
        self._vteps: Mapping[int, Link] | None = None
        self._netns = 0
        self._mirror: Mirror | None = None
        self._teller: Teller | None = None
        self._glimpses = Glimpses(node, say)
        self._telling = Telling(self._whose, say)
        self._told_state = False
        self._said: set[str] = set()
        self._odd: dict[str, int] = {}
        self._leftovers = 0
        """What the mirror had when last it was looked, and still has."""
        self._again = 0.0
        """When to try to load programs again."""
        self._period_ends = self._read_at = 0.0

    def close(self) -> None:
        """Detach, hear nothing more."""
        if self._sampling is not None:
            self._sampling.close()
        self._eyes.close()
        self._notices.close()
        self._pod_notices.close()

    def obey(self, hold: Hold) -> None:
        """Hold this from now on."""
        now = time.monotonic()
        changes = self._known.take(hold.nodes, hold.gone, hold.net_conf)
        self._learn(changes)
        self._looks.often = hold.often
        self._glimpses.beside = hold.beside
        if self._sampling is None:
            self._sampling = Sampling(hold.one_in, hold.most)
        if hold.pods != self._pods:
            self._pods = hold.pods
            self._looks.want(now + PODS_S)
        if changes or hold.net_conf is not None:
            self._hold()
        own = any(one.node == self.node for change in changes for one in change if one is not None)
        if own or hold.net_conf is not None:
            self._looks.want(now + ODD_S)

    def files(self) -> Iterable[int]:
        """What to wait for."""
        eyes = self._eyes.fileno()
        notices = (self._notices.fileno(), self._pod_notices.fileno())
        return (*notices, *((eyes,) if eyes is not None else ()))

    def due(self) -> float:
        """Until when to wait, by CLOCK_MONOTONIC, in seconds."""
        sampling = self._sampling.due() if self._sampling is not None else float("inf")
        ends = min(self._period_ends, self._glimpses.due)
        return min(self._looks.due(), ends, self._read_at, sampling)

    def step(self) -> None:
        """Whatever is due."""
        self._hear()
        now = time.monotonic()
        if self._known.nodes and now >= self._looks.due():
            self._look()
        self._read()
        self._read_at = now + READ_S
        if self._sampling is not None:
            self._sampling.tend(now)
            if self._sampling.trouble is not None:
                self._trouble(self._sampling.trouble)
        self._glimpses.tend(now, self._eyes, self._known)
        if now >= self._period_ends:
            self._end_period(now)

    def _look(self) -> None:
        """Read the tables anew, attach where devices are others now, say the state."""
        began = time.monotonic()
        try:
            state, mirror = tables.read(self.node, self._known, self._mirror, self._pods)
        except FlantraceError as error:
            self._trouble(error)
            self._looks.had(time.monotonic(), time.monotonic() - began)
            return
        took = time.monotonic() - began
        known, vteps = self._known, vteps_of(state)
        gone = (self._vteps or {}).keys() - vteps.keys()
        self._vteps, self._netns, self._mirror = vteps, state.netns, mirror
        if self._teller is None or self._teller.learnt > MOST_LEARNT:
            self._teller = Teller(state)
            self._teller.hold(known.leases())
        self._teller.see(state)
        pods = (one for one in state.links if not self._teller.is_nodes(one))
        self._pods_netns = frozenset(one.peer_netnsid for one in pods)
        self._hold()
        found, _ = points(state, peers=self._few_peers(), pods=())
        self._look_at(found)
        self._looks.had(time.monotonic(), took)
        if gone:
            self._looks.want_not_before(time.monotonic() + ANEW_S)
            return
        self._say(self._judged(state, mirror, int((began - ODD_S) * 1e9)))

    def _judged(self, state: NodeState, mirror: Mirror, settled: int) -> NodeState:
        """The state without what flanneld may have written half: what is odd since `settled` only.

        If it stays so there is another look. Of thousands of peers some are always being written.
        """
        if not self._told_state:
            self._told_state, settled = True, time.monotonic_ns()
        odd = mirror.odd()
        self._odd = {peer: since for peer, since in odd.items() if since <= settled}
        self._leftovers = mirror.leftovers
        self._compare(mirror)
        unsettled = odd.keys() - self._odd.keys()
        leases_of = self._known.leases_of
        named = mirror.named(mirror.settled(state, settled), leases_of)
        leases = [lease for peer in unsettled for lease in leases_of(peer)]
        return without_promised(named, leases, unsettled)

    def _look_at(self, found: Iterable[AttachedPoint], *, fresh: bool = False) -> None:
        """`fresh`: the programs are others than before. They miss nothing from now on."""
        before = self._eyes.watched()
        self._eyes.look_at(tuple(found), self._netns)
        watched = self._eyes.watched()
        if watched and (fresh or watched != before):
            self._say(Ready(points=watched, attach=WATCH, drops=False, reasons=False))

    def _few_peers(self) -> tuple[Ip, ...]:
        """Underlay addresses of some peers, spread over all."""
        ips = [
            lease.public_ip
            for lease in self._known.leases()
            if lease.node != self.node and lease.public_ip is not None
        ]
        return tuple(ips[:: max(len(ips) // A_FEW, 1)][:A_FEW])

    def _hold(self) -> None:
        """Bring the programs up to date. Before the first look nothing is held."""
        if self._vteps is None:
            return
        vteps: dict[int, Link | None] = {4: None, 6: None, **self._vteps}
        held = self._known.held(self.node, vteps)
        if held is None or time.monotonic() < self._again:
            return
        try:
            fresh = self._eyes.hold(held)
        except FlantraceError as error:
            self._trouble(error)
            self._again = time.monotonic() + AGAIN_S
            return
        if fresh and self._eyes.holding is not None and self._sampling is not None:
            self._sampling.follow(self._eyes.holding)
            self._look_at(self._eyes.points, fresh=True)

    def _learn(self, changes: Iterable[LeaseChange]) -> None:
        names = {one.node for change in changes for one in change if one is not None}
        now = {name: self._known.leases_of(name) for name in names}
        # as the programs have it: what peers ignore is nobody's
        self._whose.hold({name: filter(promises, leases) for name, leases in now.items()})
        if self._mirror is not None:
            self._mirror.hold(time.monotonic_ns(), now)
        if self._teller is not None:
            self._teller.hold(lease for leases in now.values() for lease in leases)

    def _hear(self) -> None:
        """The kernel's news."""
        if self._pod_notices.read(self._pods_netns):
            self._looks.want_for_pods(time.monotonic())
        notices, lost = self._notices.read()
        if lost:
            self._looks.want(time.monotonic())
        if self._mirror is None or self._teller is None:
            return
        happened = []
        for notice in notices:
            event = self._teller.news(notice.time_ns, notice.gone, notice.entry)
            self._mirror.apply(notice.time_ns, notice.gone, notice.entry)
            if event is not None:
                happened.append(event)
            if event is not None or not isinstance(notice.entry, Route):
                self._call(notice)
        self._compare(self._mirror)
        if happened:
            self._say(News(happened=tuple(one.of(self.node) for one in happened)))

    def _compare(self, mirror: Mirror) -> None:
        """Entries that are unlike the leases since the last look, and such as are right again."""
        odd = mirror.odd()
        fresh = (since for peer, since in odd.items() if since > self._odd.get(peer, -1))
        self._looks.unsettled = min(fresh, default=float("inf")) / 1e9 + ODD_S
        if self._odd.keys() - odd.keys() or mirror.leftovers < self._leftovers:
            self._odd = {peer: since for peer, since in self._odd.items() if peer in odd}
            self._leftovers = mirror.leftovers
            self._looks.want(time.monotonic() + SETTLE_S)

    def _call(self, notice: Notice) -> None:
        """Whether a change is worth a look at once: flanneld's own writing is not."""
        mirror = self._mirror
        if mirror is None or mirror.promises(notice.entry) or mirror.follows(notice.entry):
            return
        if mirror.concerns(notice.entry):
            pods = isinstance(notice.entry, Link) and not self._is_nodes(notice.entry)
            self._looks.want(notice.time_ns / 1e9 + (POD_SETTLES_S if pods else SETTLE_S))

    def _is_nodes(self, link: Link) -> bool:
        return self._teller is None or self._teller.is_nodes(link)

    def _read(self) -> None:
        """The programs' records."""
        one_in = self._sampling.one_in if self._sampling is not None else 0
        if self._telling.tell(self._eyes.records(), one_in, self._known.vxlan_ports):
            self._looks.want(time.monotonic() + SETTLE_S)

    def _end_period(self, now: float) -> None:
        late = now - self._period_ends > PERIOD_S
        self._period_ends = now + PERIOD_S if late else self._period_ends + PERIOD_S
        self._say(counted(self.node, self._eyes, self._telling, self._sampling))

    def _trouble(self, error: FlantraceError) -> None:
        """Say it once."""
        if error.what not in self._said:
            self._said.add(error.what)
            self._say(Problem(what=error.what, hint=error.hint))
