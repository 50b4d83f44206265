"""Everything around the watch that changes: leases, tables, pods, flanneld.

    python -m tests.soak.world LEASES CHANGES_A_MINUTE

Runs beside the lab (in its mount namespace). Says `ready`, then one line for each line of stdin:
`go`, `fault`, `repair`, `end`.
"""

import itertools
import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from tests.soak.answering import Answering, route
from tests.soak.peers import GOING, MOVED, RENEWED, Peer
from tests.soak.tables import Tables
from tests.soak.wide import widen
from tracer.lab import cni, flanneld, journal, objects, overlay
from tracer.lab.faults.writing import now, restarted_flannel
from tracer.lab.rest import Api

NODE, DEVICE = "node-a", "flannel.1"
BEFORE_S, AFTER_S = 0.05, 0.004
"""Between what happens on a node and its lease, and from the lease to the tables elsewhere."""
RESTART_EACH_S, POD_EACH_S, POD_AWAY_S = 60.0, 15.0, 2.0
AT_ONCE = 250
"""Entries' peers that a flanneld which restarts writes before it looks at what has changed."""
KUBELET = "example.org/kubelet"
"""Holds a pod that is to go until its network is gone."""


class World:
    """Of one lab. `peers` is as the nodes are; their leases follow."""

    def __init__(self, leases: int, a_minute: int) -> None:
        widen()
        self._plan = journal.present().plan
        self._peers = [Peer(number) for number in range(leases)]
        self._gone: set[int] = set()
        self._changing: set[int] = set()
        """Such as have a new device and have not published it: no route leads from there yet."""
        self._every_s = 60 / a_minute
        self._dice = random.Random(7)
        self._tables = Tables(NODE, DEVICE)
        self._writing = threading.Lock()
        self._ending = threading.Event()
        self._counts = dict.fromkeys(("changes", "late", "restarts", "pods"), 0)
        self._broken = ""
        """A node whose entries no flanneld puts right."""
        self._slowest_s = 0.0
        """From a lease to the tables."""
        self._failed: list[str] = []
        self._threads: list[threading.Thread] = []

    def begin(self) -> None:
        """All leases, and the watched node's tables with them."""
        route(self._plan)
        api = Api()
        for peer in self._peers:
            api.create(
                peer.node() | {"metadata": {"name": peer.name, "annotations": peer.published()}}
            )
        api.close()
        self._write(peer.lease for peer in self._peers)
        self._answering = Answering(self._answers)

    def _answers(self, number: int) -> Peer | None:
        return self._peers[number] if number not in self._changing else None

    def go(self) -> None:
        """Change."""
        for act in (self._change, self._restart, self._renew_pod):
            self._threads.append(threading.Thread(target=self._safely, args=(act,), daemon=True))
        for thread in self._threads:
            thread.start()

    def end(self) -> dict[str, object]:
        """Change no more. What was done."""
        self._ending.set()
        for thread in self._threads:
            thread.join(30)
        answering = {"answered": self._answering.answered, "lost": self._answering.lost}
        slowest = {"slowest": f"{self._slowest_s:.2f} s"}
        return {**self._counts, **answering, **slowest, "failed": self._failed}

    def fault(self, *, there: bool) -> None:
        """node-b's FDB entry is gone, or there again."""
        (other,) = (
            peer
            for peer in overlay.healthy_peers(self._plan[0], self._plan)
            if peer.node == "node-b"
        )
        self._broken = "" if there else other.node
        if there:
            self._write([other])
        else:
            with self._writing:
                self._tables.remove_fdb(other)

    def _safely(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # the report tells it; a thread's traceback nobody reads
            self._failed.append(repr(error))

    def _pause(self, until: float) -> bool:
        """Whether to go on."""
        return not self._ending.wait(max(0.0, until - time.monotonic()))

    def _change(self) -> None:
        kinds = itertools.cycle((self._renew, self._move, self._leave, self._move, self._come))
        due = time.monotonic()
        while self._pause(due):
            if time.monotonic() - due > 1:
                self._counts["late"] += 1
            api = Api()  # the server closes a connection on which nothing is asked for 5 s
            next(kinds)(api)
            api.close()
            self._counts["changes"] += 1
            due += self._every_s

    def _renew(self, api: Api) -> None:
        """A VTEP is made anew, with its other MAC; the old FDB entry stays, as flanneld has it."""
        peer = self._peers[self._dice.choice(RENEWED)]
        self._publish(api, peer._replace(renewed=not peer.renewed))

    def _move(self, api: Api) -> None:
        """A node gets another address."""
        peer = self._peers[self._dice.choice(MOVED)]
        self._publish(api, peer._replace(moved=not peer.moved))

    def _publish(self, api: Api, peer: Peer) -> None:
        self._changing.add(peer.number)
        self._peers[peer.number] = peer
        time.sleep(BEFORE_S)
        change = {
            "metadata": {"annotations": peer.published()},
            "status": {"addresses": peer.addresses()},
        }
        began = time.monotonic()
        api.patch("Node", peer.name, change, part="/status")
        time.sleep(AFTER_S)
        self._changing.discard(peer.number)
        self._write([peer.lease])
        self._slowest_s = max(self._slowest_s, time.monotonic() - began)

    def _leave(self, api: Api) -> None:
        """A node is drained, and deleted."""
        number = self._dice.choice([one for one in GOING if one not in self._gone])
        self._gone.add(number)
        peer = self._peers[number]
        began = time.monotonic()
        api.delete(peer.node())
        time.sleep(AFTER_S)
        with self._writing:
            self._tables.remove(peer.lease)
        self._slowest_s = max(self._slowest_s, time.monotonic() - began)

    def _come(self, api: Api) -> None:
        """A node joins, with a name and a MAC of its own: its kubelet, then its flanneld."""
        left = self._peers[next(iter(self._gone))]
        peer = self._peers[left.number] = left._replace(joined=left.joined + 1)
        api.create(peer.node())
        self._ending.wait(self._every_s / 2)
        self._publish(api, peer)
        self._gone.discard(peer.number)

    def _restart(self) -> None:
        """flanneld is started again: on the watched node it writes every entry once more."""
        due = time.monotonic() + RESTART_EACH_S / 2
        names: Iterator[str] = itertools.cycle((NODE, "node-b"))
        while self._pause(due):
            name = next(names)
            restarted_flannel(name)
            if name == NODE:
                for first in range(0, len(self._peers), AT_ONCE):
                    self._write(self._leases()[first : first + AT_ONCE])
            self._counts["restarts"] += 1
            due += RESTART_EACH_S

    def _leases(self) -> list[flanneld.Peer]:
        there = [peer.lease for peer in self._peers if peer.number not in self._gone]
        others = overlay.healthy_peers(self._plan[0], self._plan)
        return [*(one for one in others if one.node != self._broken), *there]

    def _renew_pod(self) -> None:
        """A pod of the watched node goes, and comes back."""
        node = self._plan[0]
        pod, vteps = node.pods[-1], overlay.healthy_vteps(node)
        due = time.monotonic() + POD_EACH_S
        while self._pause(due):
            self._hold_pod(pod.name, KUBELET)
            api = Api()
            api.delete(objects.pod(pod, node, now()))
            cni.delete_pod(node, pod, vteps)
            self._hold_pod(pod.name)
            time.sleep(POD_AWAY_S)
            cni.forget_reservations(node)
            cni.add_pod(node, pod, vteps)
            api.create(objects.pod(pod, node, now()))
            api.close()
            self._counts["pods"] += 1
            due += POD_EACH_S

    def _hold_pod(self, name: str, *finalizers: str) -> None:
        api = Api()
        change = {"metadata": {"finalizers": list(finalizers) or None}}
        api.patch("Pod", name, change, namespace="default")
        api.close()

    def _write(self, leases: Iterable[flanneld.Peer]) -> None:
        with self._writing:
            self._tables.write(leases)


def main() -> None:
    """Until stdin ends."""
    leases, a_minute = map(int, sys.argv[1:])
    world = World(leases, a_minute)
    world.begin()
    print("ready", flush=True)
    for line in sys.stdin:
        word = line.strip()
        if word == "go":
            world.go()
        elif word in ("fault", "repair"):
            world.fault(there=word == "repair")
        elif word == "end":
            print(json.dumps(world.end()), flush=True)
            return
        print("done", flush=True)


if __name__ == "__main__":
    main()
