"""What a watch costs in packets a second: UDP of 64 B at the highest rate, and one TCP stream.

    .venv/bin/python -m tests.bench.rates [--seconds S] [--runs N]

Needs root. Two nodes with a pod each (tests/kernel/overlay.py), and on the bridge, the VTEP and the
uplink of both: nothing, an empty program at every hook, a watch with 5,000 peers, or tcpdump. By
turns; medians are compared, and the spread is printed. kernel.bpf_stats_enabled has to be 0.
"""

import argparse
import contextlib
import os
import select
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from tests.bench.held import peers
from tests.kernel.overlay import POD2, Overlay, inside
from tests.kernel.test_holding_on_devices import held
from tracer.collect import bpf, hooks
from tracer.collect.holding import Holding
from tracer.collect.shape import shape
from tracer.core.held import Held
from tracer.model.observation import Device

SECONDS, RUNS = 2.0, 10
PART_OF_TCPDUMP = 0.25
SAMPLE = 64

Way = Callable[[Overlay, int], contextlib.AbstractContextManager[None]]
"""What hangs on the three devices of a node meanwhile."""

DEVICES = {Device.BRIDGE, Device.VTEP, Device.UPLINK}


@contextlib.contextmanager
def nothing(_overlay: Overlay, _number: int) -> Iterator[None]:
    """The floor of floors."""
    yield


@contextlib.contextmanager
def empty(overlay: Overlay, number: int) -> Iterator[None]:
    """An empty program in both directions."""
    text = "int empty(struct __sk_buff *ctx) { return -1; }"
    module = bpf.compile_source(text, [])
    program = bpf.load(module, "empty", "SCHED_CLS")
    with inside(overlay.node(number)):
        attached = hooks.Hooks(program, program)
        for point in overlay.points(number):
            if point.device in DEVICES:
                attached.attach(point.ifindex)
    yield
    attached.close()
    module.cleanup()


def leases_of(number: int) -> Held:
    """5,000 peers, the other node among them."""
    found = held(number)
    others = (peer for peer in peers() if "." in peer.subnet and ".244." not in peer.subnet)
    return replace(found, networks=("10.224.0.0/11",), peers=(*found.peers, *others))


def watch(overlay: Overlay, number: int, ready: int, enough: int) -> int:
    """One packet in 64 a sample, taken from the ring, until `enough` ends. Lost records."""
    leases = leases_of(number)
    with inside(overlay.node(number)):
        holding = Holding(shape(leases), 2 * len(leases.peers))
        holding.hold(leases)
        holding.sample(SAMPLE)
        for point in overlay.points(number):
            holding.attach(point)
        os.write(ready, b"!")
        while enough not in select.select([holding.fileno(), enough], [], [])[0]:
            for _ in holding.records():
                pass
        return holding.lost()


@contextlib.contextmanager
def watched(overlay: Overlay, number: int) -> Iterator[None]:
    """Held against 5,000 leases by a process of its own, as a watch is one."""
    (listen, ready), (enough, end) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(end)
        os._exit(min(watch(overlay, number, ready, enough), 1))
    os.close(enough)
    os.read(listen, 1)
    yield
    os.close(end)
    assert os.waitpid(pid, 0)[1] == 0, "a record found no room"
    for fd in (listen, ready):
        os.close(fd)


@contextlib.contextmanager
def tcpdump(overlay: Overlay, number: int) -> Iterator[None]:
    """The usual tool, on the same devices."""
    names = [point.ifname for point in overlay.points(number) if point.device in DEVICES]
    enter = ["ip", "netns", "exec", overlay.node(number)]
    running = [
        subprocess.Popen(
            [*enter, "tcpdump", "-i", name, "-s", "128", "-w", "/dev/null"],
            stderr=subprocess.PIPE,
        )
        for name in names
    ]
    for one in running:
        assert one.stderr is not None
        while b"listening" not in one.stderr.readline():
            assert one.poll() is None, "tcpdump does not run"
    yield
    for one in running:
        one.send_signal(signal.SIGINT)
        one.communicate()


WAYS: dict[str, Way] = {
    "nothing": nothing, "empty": empty, "watch": watched, "tcpdump": tcpdump,
}  # fmt: skip


_TAKES = """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("0.0.0.0", 9))
print(flush=True)
while True:
    sock.recv(100)
"""


@contextlib.contextmanager
def taker(overlay: Overlay) -> Iterator[None]:
    """A process in pod2 that takes every datagram: else they are dropped, which costs as well."""
    enter = ["ip", "netns", "exec", overlay.pod(2)]
    words = [*enter, sys.executable, "-c", _TAKES]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.kill()


def udp_rate(overlay: Overlay, seconds: float) -> float:
    """Packets of 64 bytes a second that pod1 gets rid of; the sender bears the whole way."""
    with inside(overlay.pod(1)):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.connect((POD2, 9))
        payload, send = bytes(64 - 42), sock.send
        sent, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(200):
                send(payload)
            sent += 200
        return sent / seconds


def tcp_rate(overlay: Overlay, seconds: float) -> float:
    """Gigabits a second of one stream from pod1 to pod2."""

    def send(sending: socket.socket) -> None:
        block, end = bytes(1 << 18), time.monotonic() + seconds
        while time.monotonic() < end:
            sending.sendall(block)

    return overlay.stream(send, segment=1398) * 8 / seconds / 1e9


def measure(
    overlay: Overlay, rate: Callable[[Overlay, float], float], seconds: float, runs: int
) -> dict[str, list[float]]:
    """Each way by turns."""
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(runs):
        for name, way in WAYS.items():
            with way(overlay, 1), way(overlay, 2):
                found[name].append(rate(overlay, seconds))
    return found


def table(found: dict[str, list[float]], unit: str, scale: float) -> dict[str, float]:
    """Print medians and spread; the medians."""
    middle = {name: statistics.median(values) for name, values in found.items()}
    for name, values in found.items():
        low, high = min(values) / scale, max(values) / scale
        print(f"{name:10} {middle[name] / scale:8.2f} {unit}   ({low:.2f} - {high:.2f})")
    return middle


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--runs", type=int, default=RUNS)
    words = parser.parse_args([] if __name__ != "__main__" else None)
    stats = Path("/proc/sys/kernel/bpf_stats_enabled").read_text().strip()
    print(f"Linux {os.uname().release}, bpf_stats_enabled {stats}, {words.runs} runs by turns")
    overlay = Overlay()
    try:
        overlay.up()
        overlay.send(b"so that every neighbour is known")
        print("UDP, 64 B")
        with taker(overlay):
            udp = table(measure(overlay, udp_rate, words.seconds, words.runs), "k/s", 1e3)
        print("TCP, one stream")
        table(measure(overlay, tcp_rate, words.seconds, words.runs), "Gb/s", 1)
    finally:
        overlay.down()
    ours, theirs = udp["empty"] - udp["watch"], udp["empty"] - udp["tcpdump"]
    part = ours / theirs if theirs > 0 else float("nan")
    print(f"of tcpdump's cost beyond the empty program: {part:.2f}   at most {PART_OF_TCPDUMP}")
    return 0 if part <= PART_OF_TCPDUMP else 1


if __name__ == "__main__":
    sys.exit(main())
