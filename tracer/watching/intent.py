"""What the API says, on its way to the diagnosis and to the nodes."""

import queue
import time
from collections.abc import Callable, Iterable, Iterator

from tracer import __version__
from tracer.core.vigil import Vigil
from tracer.model.cluster import NetConf, Node
from tracer.model.message import PROTOCOL, Hold
from tracer.model.record import Record
from tracer.watching.cluster import CONF, FLANNEL, NODES, PODS, Told

TOLD_S = 0.1
"""Changes of the API are handed to the nodes together, this long after the first."""

MOST_BESIDE = 16
"""Of more nodes that are watched together no glimpses are wanted: what is lost shows later."""

RUNNING = ("Pending", "Running")


class Options(Record, frozen=True, kw_only=True):
    """How to watch."""

    one_in: int | None = None
    """One packet in so many is a sample; 0: none; None: as many as may cost `most`."""
    most: float = 0.01
    """The part of one CPU that the programs may take."""


class Intent:
    """Changes come in from the threads that follow; one thread takes them out."""

    def __init__(self, vigil: Vigil, options: Options, wake: Callable[[], None]) -> None:
        """`wake`: there is something to take."""
        self._vigil = vigil
        self._options = options
        self._wake = wake
        self._told: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self._fresh: dict[str, Node] = {}
        self._gone: set[str] = set()
        self._conf: NetConf | None = None
        self._often = False
        self.due = float("inf")
        """When the nodes are to be told, by CLOCK_MONOTONIC, in seconds."""

    def hear(self, told: Told) -> None:
        """One change."""
        self._told.put(told)
        self._wake()

    def take(self) -> None:
        """Bring the diagnosis up to date."""
        fresh: dict[str, Node] = {}
        gone: set[str] = set()
        conf: NetConf | None = None
        while not self._told.empty():
            what, change = self._told.get_nowait()
            if what == NODES and change.now is not None:
                fresh[change.now.name] = change.now
                gone.discard(change.now.name)
            elif what == NODES:
                gone.add(change.before.name)
                fresh.pop(change.before.name, None)
            elif what == CONF:
                conf = change.now or conf
            elif what == FLANNEL:
                self._vigil.learn_flannel(change.time_ns, change.before, change.now)
            elif what == PODS:
                self._vigil.learn_pod(change.time_ns, change.before, change.now)
                self._want()
        if fresh or gone or conf is not None:
            self._vigil.learn(time.monotonic_ns(), fresh.values(), gone, conf)
            self._fresh |= fresh
            self._gone = (self._gone | gone) - fresh.keys()
            self._conf = conf or self._conf
            self._want()

    def look_often(self, often: bool) -> None:
        """Whether something is wrong: then nodes are to look often."""
        if often is not self._often:
            self._often = often
            self.due = 0.0

    def orders(self) -> Iterator[Hold]:
        """What is new, for each node."""
        for node in self._vigil.nodes:
            yield self._hold(node, self._fresh.values(), self._gone, self._conf)
        self._fresh, self._gone, self._conf = {}, set(), None
        self.due = float("inf")

    def whole(self, node: str) -> Hold:
        """Everything, for a watch that begins."""
        known = self._vigil.known
        return self._hold(node, known.nodes.values(), (), known.conf_text)

    def _beside(self, node: str) -> tuple[str, ...]:
        others = tuple(one for one in self._vigil.nodes if one != node)
        return others if len(others) <= MOST_BESIDE else ()

    def _want(self) -> None:
        self.due = min(self.due, time.monotonic() + TOLD_S)

    def _hold(
        self, node: str, nodes: Iterable[Node], gone: Iterable[str], conf: NetConf | None
    ) -> Hold:
        return Hold(
            protocol=PROTOCOL,
            version=__version__,
            node=node,
            nodes=tuple(nodes),
            gone=tuple(gone),
            net_conf=conf,
            pods=tuple(
                ip
                for pod in self._vigil.pods(node)
                if not pod.host_network and pod.phase in RUNNING
                for ip in pod.ips
            ),
            one_in=self._options.one_in,
            most=self._options.most,
            beside=self._beside(node),
            often=self._often,
        )
