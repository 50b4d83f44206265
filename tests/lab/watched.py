"""A real watch beside a lab's traffic: what it says and counts, and how it is shown to live."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.bpf_objects import held_by
from tests.lab.universe import Universe
from tests.processes import children
from tracer.lab.paths import KUBECONFIG
from tracer.lab.plan import PlannedNode, planned

OWN = [sys.executable, "-m", "tracer"]
PATIENCE_S = 60
"""On a machine of two cores that does much else."""
NODE_PORT = 9469
TALK = str(Path(__file__).with_name("talk.py"))
A, B, C = planned(3)
OTHER_CLOCK = str(Path(__file__).with_name("other_clock.py"))
WRONG_MAC = "02:00:00:00:00:99"
MISTAKEN = "neigh-stale-one-node"
"""The finding of `mistaken`."""

ASK = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).read().decode())"
SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")

Found = TypeVar("Found")


def until(found: Callable[[], Found], what: str, patience_s: float = PATIENCE_S) -> Found:
    """The first answer that is true."""
    end = time.monotonic() + patience_s
    while not (answer := found()):
        assert time.monotonic() < end, what
        time.sleep(0.1)
    return answer


class Watch:
    """One that runs. `node` None: it was started beside the nodes, and joins agents on them."""

    def __init__(
        self,
        lab: Universe,
        node: str | None,
        folder: Path,
        words: Sequence[str],
        clock: Path | None = None,
        printing: int | None = None,
    ) -> None:
        """`clock`: a file that moves it (other_clock.py). `printing`: where to, if not to `out`."""
        self._lab, self.node = lab, node
        self.out, self.err = folder / "out", folder / "err"
        self._port = NODE_PORT if node is not None else _free_port()
        own = [sys.executable, OTHER_CLOCK, str(clock)] if clock is not None else OWN
        where, which = [], ["--lab"]
        if node is not None:
            where = [*OWN, "lab", "exec", node, "--", "env", f"KUBECONFIG={KUBECONFIG}"]
            which = ["--here", "--node", node]
        command = [
            *lab.inside, *where, *own, "watch", *which, "--json",
            "--metrics", f"127.0.0.1:{self._port}", *words,
        ]  # fmt: skip
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out if printing is None else printing,
                stderr=err,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of the watch itself: whatever starts it becomes it."""
        return self.process.pid

    def lines(self) -> list[dict[str, Any]]:
        """What turned."""
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def turned(self, turn: str) -> list[str]:
        """Rules, in the order in which that happened to them."""
        return [line["finding"]["rule"] for line in self.lines() if line["turn"] == turn]

    def said(self) -> str:
        """On stderr."""
        return self.err.read_text()

    def metrics(self) -> dict[str, float]:
        """`name{labels}` -> value; nothing: it does not answer."""
        url = f"http://127.0.0.1:{self._port}/metrics"
        ask = ["python3", "-ISc", ASK, url]
        inside = [f"--net=/run/netns/{self.node}"] if self.node is not None else []
        done = self._lab.run(["nsenter", *inside, "--", *ask] if inside else ask)
        found = map(SAMPLE.fullmatch, done.stdout.splitlines())
        return {f"{one[1]}{{{one[2] or ''}}}": float(one[3]) for one in found if one is not None}

    def sum(self, name: str, *labels: str) -> float:
        """Over all series of that name that have these labels (`peer="node-b"`)."""
        return sum(
            value
            for key, value in self.metrics().items()
            if key.startswith(f"{name}{{") and all(label in key for label in labels)
        )

    def counts(self, peer: str = B.name, hook: str = "vtep_out") -> float:
        """Packets."""
        return self.sum("flantrace_packets_total", f'peer="{peer}"', f'hook="{hook}"')

    def counts_on(self, peer: str = B.name, hook: str = "vtep_out") -> None:
        """Returns when some more packets were counted, both ways."""
        before = self.counts(peer, hook)
        until(lambda: self.counts(peer, hook) > before + 10, f"no packet is counted\n{self.said()}")

    def ready(self) -> "Watch":
        """Returns when it counts, and has looked at the tables."""
        until(
            lambda: self.ended() or self.sum("flantrace_packets_total") > 10,
            f"it never counts\n{self.said()}",
        )
        assert not self.ended(), self.said()
        return self

    def ended(self) -> bool:
        """By itself."""
        return self.process.poll() is not None

    def finds(self, rule: str = MISTAKEN) -> None:
        """A fault in node-a's tables opens, and closes when it is mended; nothing else opens."""
        before = self.turned("opened")
        mistaken(self._lab)
        try:
            until(lambda: rule in self.turned("opened")[len(before) :], f"not found: {self.told()}")
        finally:
            mended(self._lab)
        closed = before.count(rule) + 1
        until(lambda: self.turned("closed").count(rule) == closed, f"not closed: {self.told()}")
        assert self.turned("opened") == [*before, rule], self.told()

    def told(self) -> str:
        """For a test that fails."""
        return f"{self.out.read_text()}\n{self.said()}"

    def ends(self, number: int = signal.SIGTERM, within_s: float = PATIENCE_S) -> None:
        """Clean."""
        self.process.send_signal(number)
        assert self.process.wait(within_s) == 0, self.said()

    def files(self) -> int:
        """How many it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def agents(self) -> list[int]:
        """Process ids, in the order of their starts."""
        return [pid for pid in children(self.pid) if b"agent" in _words(pid)]

    def programs(self) -> set[int]:
        """Numbers of the BPF programs that it and its agents hold (proc(5), fdinfo)."""
        return set().union(*map(held_by, (self.pid, *children(self.pid))))

    def memory(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024


@contextmanager
def watching(
    lab: Universe,
    folder: Path,
    *words: str,
    node: str | None = A.name,
    clock: Path | None = None,
    printing: int | None = None,
) -> Iterator[Watch]:
    """One that counts already."""
    watch = Watch(lab, node, folder, words, clock, printing)
    try:
        yield watch.ready()
    finally:
        if not watch.ended():
            watch.process.send_signal(signal.SIGCONT)
            watch.process.terminate()
            try:
                watch.process.wait(PATIENCE_S)
            finally:
                watch.process.kill()
                watch.process.wait()


@contextmanager
def talking(lab: Universe, *pairs: tuple[str, Sequence[str]]) -> Iterator[None]:
    """Pods that send to addresses, and get answers."""
    started = [
        subprocess.Popen(
            [*lab.inside, *OWN, "lab", "exec", pod, "--", sys.executable, TALK, *to],
            stdin=subprocess.PIPE,
        )
        for pod, to in pairs
    ]
    try:
        yield
    finally:
        for one in started:
            one.communicate()


def mistaken(lab: Universe, peer: PlannedNode = B) -> None:
    """A fault: node-a sends to a MAC that nobody has."""
    _neighbour(lab, peer, WRONG_MAC)


def mended(lab: Universe, peer: PlannedNode = B) -> None:
    """The end of it."""
    _neighbour(lab, peer, peer.vtep_mac)


def _neighbour(lab: Universe, peer: PlannedNode, mac: str) -> None:
    device = ["dev", "flannel.1", "lladdr", mac, "nud", "permanent"]
    lab.output(["ip", "-n", A.name, "neigh", "replace", peer.vtep_ip, *device])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _words(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
