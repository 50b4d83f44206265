"""What hangs on the three devices of both nodes meanwhile: nothing, an empty program, a watch,
tcpdump. Each is made once, and put on and off by turns."""

import os
import re
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Protocol

from msgspec.structs import replace

from tests.bench.held import peers
from tests.kernel.overlay import Overlay, inside
from tests.kernel.test_holding_on_devices import held
from tracer.collect import bpf, hooks
from tracer.core.held import Held
from tracer.errors import FlantraceError
from tracer.model.observation import AttachedPoint, Device
from tracer.watching.eyes import Eyes

DEVICES = {Device.BRIDGE, Device.VTEP, Device.UPLINK}
NODES = (1, 2)
COUNTS_EVERY_S = 1.0


class Way(Protocol):
    """Of both nodes."""

    def on(self) -> None:
        """From now on."""

    def off(self) -> None:
        """Until now."""

    def said(self) -> str:
        """What it lost; nothing, if it cannot."""


class Nothing:
    """The floor of floors."""

    def on(self) -> None:
        """Nothing."""

    def off(self) -> None:
        """Nothing."""

    def said(self) -> str:
        """Nothing."""
        return ""


class Empty(Nothing):
    """An empty program in both directions."""

    def __init__(self, overlay: Overlay) -> None:
        text = "int empty(struct __sk_buff *ctx) { return -1; }"
        self._module = bpf.compile_source(text, [])
        program = bpf.load(self._module, "empty", "SCHED_CLS")
        self._overlay = overlay
        self._hooks = {number: hooks.Hooks(program, program) for number in NODES}

    def on(self) -> None:
        """Attach."""
        for number, attached in self._hooks.items():
            with inside(self._overlay.node(number)):
                for point in points(self._overlay, number):
                    attached.attach(point.ifindex)

    def off(self) -> None:
        """Detach."""
        for attached in self._hooks.values():
            attached.close()


class Watcher:
    """A process on each node that watches as `flantrace watch` does (tracer/watching/eyes.py)."""

    def __init__(self, overlay: Overlay) -> None:
        self._sockets: list[socket.socket] = []
        self._pids: list[int] = []
        for number in NODES:
            ours, its = socket.socketpair()
            pid = os.fork()
            if pid == 0:
                for one in (ours, *self._sockets):
                    one.close()
                try:
                    _watch(overlay, number, its)
                finally:
                    os._exit(1)
            its.close()
            self._sockets.append(ours)
            self._pids.append(pid)
        for one in self._sockets:
            assert one.recv(100) == b"ready", "the watch does not run"

    def ask(self, words: bytes) -> list[int]:
        """Both answer: records that they have taken, records lost, ms of their CPU time."""
        for one in self._sockets:
            one.sendall(words)
        answers = [one.recv(100) for one in self._sockets]
        return [int(word) for answer in answers for word in answer.split()]

    def close(self) -> None:
        """They end."""
        for one, pid in zip(self._sockets, self._pids, strict=True):
            one.close()
            os.waitpid(pid, 0)


class Watched:
    """Everything held against 5,000 leases, one packet in so many a sample."""

    def __init__(self, watcher: Watcher, one_in: int) -> None:
        self._watcher = watcher
        self._one_in = one_in
        self.taken = self.lost = self._worked_ms = 0

    def on(self) -> None:
        """Attach."""
        self._before = self._watcher.ask(str(self._one_in).encode())

    def off(self) -> None:
        """Detach."""
        now = self._watcher.ask(b"off")
        taken, lost, worked_ms = (sum(now[n::3]) - sum(self._before[n::3]) for n in range(3))
        self.taken += taken
        self.lost += lost
        self._worked_ms += worked_ms

    def said(self) -> str:
        """Records."""
        return f"{self.taken} records taken, {self.lost} lost, {self._worked_ms / 1e3:.2f} s of CPU"


class Tcpdump:
    """The usual tool, on the same devices."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._running: list[subprocess.Popen[bytes]] = []
        self._taken = self._lost = 0
        self._worked_s = 0.0

    def on(self) -> None:
        """Start one for each device, and wait until it listens."""
        for number in NODES:
            enter = ["ip", "netns", "exec", self._overlay.node(number)]
            for point in points(self._overlay, number):
                words = ["tcpdump", "-i", point.ifname, "-s", "128", "-w", "/dev/null"]
                self._running.append(subprocess.Popen([*enter, *words], stderr=subprocess.PIPE))
        for one in self._running:
            assert one.stderr is not None
            while b"listening" not in one.stderr.readline():
                assert one.poll() is None, "tcpdump does not run"

    def off(self) -> None:
        """End them; they say what they lost."""
        while self._running:
            one = self._running.pop()
            one.send_signal(signal.SIGINT)
            assert one.stderr is not None
            said = one.stderr.read().decode()
            _, _, used = os.wait4(one.pid, 0)
            one.returncode = 0
            one.stderr.close()
            self._worked_s += used.ru_utime + used.ru_stime
            self._taken += _number(r"(\d+) packets? captured", said)
            self._lost += _number(r"(\d+) packets? dropped by kernel", said)

    def said(self) -> str:
        """Packets."""
        return f"{self._taken} packets taken, {self._lost} lost, {self._worked_s:.2f} s of CPU"


def points(overlay: Overlay, number: int) -> list[AttachedPoint]:
    """The three devices of a node."""
    return [point for point in overlay.points(number) if point.device in DEVICES]


def leases_of(number: int) -> Held:
    """5,000 peers, the other node among them."""
    found = held(number)
    others = (peer for peer in peers() if "." in peer.subnet and ".244." not in peer.subnet)
    return replace(found, networks=("10.224.0.0/11",), peers=(*found.peers, *others))


def _watch(overlay: Overlay, number: int, parent: socket.socket) -> None:
    """Until the parent closes its end."""
    with inside(overlay.node(number)):
        there, netns = points(overlay, number), overlay.inode(overlay.node(number))
        eyes = Eyes(f"node{number}", _fails)
        eyes.hold(leases_of(number))
        assert eyes.holding is not None
        eyes.look_at((), netns)
        parent.sendall(b"ready")
        for words in _questions(eyes, parent):
            worked_ms = time.process_time_ns() // 1_000_000
            if words == b"off":
                eyes.look_at((), netns)
            else:
                eyes.holding.sample(int(words))
                eyes.look_at(there, netns)
                worked_ms = time.process_time_ns() // 1_000_000
            for _ in eyes.records():
                pass
            parent.sendall(f"{eyes.taken} {eyes.lost()[0]} {worked_ms}".encode())


def _questions(eyes: Eyes, parent: socket.socket) -> Iterator[bytes]:
    """Reads records when it is time, and counters once a second; yields what is asked meanwhile."""
    due = time.monotonic()
    while True:
        wanted = max(due - time.monotonic(), 0)
        records = eyes.fileno()
        assert records is not None
        ready = select.select([records, parent.fileno()], [], [], wanted)[0]
        for _ in eyes.records():
            pass
        if time.monotonic() >= due:
            eyes.counts()
            eyes.drops()
            due = time.monotonic() + COUNTS_EVERY_S
        if parent.fileno() in ready:
            words = parent.recv(100)
            if not words:
                return
            yield words


def _fails(error: FlantraceError) -> None:
    raise error


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found is not None, text
    return int(found[1])
