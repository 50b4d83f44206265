"""What a watch costs in packets a second: UDP of 64 B at the highest rate, and one TCP stream.

    .venv/bin/python -m tests.bench.rates [--seconds S] [--runs N]

Needs root. Two nodes with a pod each (tests/kernel/overlay.py), and on the bridge, the VTEP and the
uplink of both: nothing, an empty program at every hook, a watch with 5,000 peers, or tcpdump. By
turns; medians are compared, and the spread is printed. kernel.bpf_stats_enabled has to be 0.

UDP is sent from every CPU at once: whatever works for a watch, or for tcpdump, takes its time from
the senders. So does whatever else the machine does, unless this runs before it:

    setsid -w sh -c 'echo -20 > /proc/self/autogroup; nice -n -20 .venv/bin/python -m ...'
"""

import argparse
import contextlib
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.bench import datagrams
from tests.bench.ways import Empty, Nothing, Tcpdump, Watched, Watcher, Way
from tests.kernel.overlay import Overlay

SECONDS, RUNS = 2.0, 10
SLICE_S = 0.25
PART_OF_TCPDUMP = 0.25
SAMPLES = (64, 1024)
"""One packet in so many."""
WATCH = f"watch 1/{SAMPLES[-1]}"
"""The command's default, which is judged."""

Found = dict[str, list[float]]
"""A figure of every run, by way."""


@contextlib.contextmanager
def all_ways(overlay: Overlay) -> Iterator[dict[str, Way]]:
    """By name, and none of them on."""
    watcher = Watcher(overlay)
    try:
        yield {
            "nothing": Nothing(),
            "empty": Empty(overlay),
            **{f"watch 1/{one_in}": Watched(watcher, one_in) for one_in in SAMPLES},
            "tcpdump": Tcpdump(overlay),
        }
    finally:
        watcher.close()


def tcp_rate(overlay: Overlay, seconds: float) -> float:
    """Gigabits a second of one stream from pod1 to pod2."""

    def send(sending: socket.socket) -> None:
        block, end = bytes(1 << 18), time.monotonic() + seconds
        while time.monotonic() < end:
            sending.sendall(block)

    return overlay.stream(send, segment=1398) * 8 / seconds / 1e9


def measure(
    ways: dict[str, Way], rate: Callable[[float], Sequence[float]], seconds: float, runs: int
) -> tuple[Found, ...]:
    """Each way by turns; every figure of `rate` by itself.

    A run is so many seconds of each, in slices by turns as well: a virtual machine's own speed
    changes from second to second by more than what is looked for.
    """
    slices = max(round(seconds / SLICE_S), 1)
    found: dict[str, list[list[float]]] = {name: [] for name in ways}
    rate(SLICE_S)
    for _ in range(runs):
        run: dict[str, list[Sequence[float]]] = {name: [] for name in ways}
        for number in range(slices):
            for name in ways if number % 2 else reversed(ways):
                ways[name].on()
                try:
                    run[name].append(rate(seconds / slices))
                finally:
                    ways[name].off()
        for name, rates in run.items():
            found[name].append([statistics.mean(figure) for figure in zip(*rates, strict=True)])
    figures = range(len(found["empty"][0]))
    return tuple(
        {name: [one[figure] for one in values] for name, values in found.items()}
        for figure in figures
    )


def table(found: Found, unit: str, scale: float) -> dict[str, float]:
    """Print medians and spread; the medians."""
    middle = {name: statistics.median(values) for name, values in found.items()}
    for name, values in found.items():
        low, high = min(values) / scale, max(values) / scale
        print(f"{name:12} {middle[name] / scale:8.2f} {unit}   ({low:.2f} - {high:.2f})")
    return middle


def part(found: Found, name: str) -> float:
    """What this way costs beyond the empty program, of what tcpdump does: medians of the runs'."""
    ours, theirs = (
        statistics.median(
            empty - other for empty, other in zip(found["empty"], found[one], strict=True)
        )
        for one in (name, "tcpdump")
    )
    return ours / theirs if theirs > 0 else float("nan")


def udp(overlay: Overlay, ways: dict[str, Way], seconds: float, runs: int) -> bool:
    """Is the target reached?"""
    with datagrams.taker(overlay):
        rates, by_cpu = measure(
            ways, lambda slice_s: datagrams.highest(overlay, slice_s), seconds, runs
        )
    print("UDP, 64 B, from every CPU")
    table(rates, "k/s", 1e3)
    print("the same, a second of one sender's CPU time")
    table(by_cpu, "k/s", 1e3)
    lost = 0
    for name, way in ways.items():
        if isinstance(way, Watched):
            print(
                f"{name} costs of what tcpdump costs: {part(rates, name):.2f}"
                f"   ({part(by_cpu, name):.2f} by CPU time)   at most {PART_OF_TCPDUMP}"
            )
            lost += way.lost
        if way.said():
            print(f"{name}: {way.said()}")
    return part(rates, WATCH) <= PART_OF_TCPDUMP and not lost


def tcp(overlay: Overlay, ways: dict[str, Way], seconds: float, runs: int) -> bool:
    """Is the watch within the noise of the empty program: not below its lower quartile?"""
    print("TCP, one stream")
    (rates,) = measure(ways, lambda slice_s: (tcp_rate(overlay, slice_s),), seconds, runs)
    middle = table(rates, "Gb/s", 1)
    noise = statistics.quantiles(rates["empty"], n=4)[0] if runs > 1 else 0.0
    print(
        f"{WATCH}: {middle[WATCH]:.2f}   at least {noise:.2f}, the empty program's lower quartile"
    )
    return middle[WATCH] >= noise


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
        with all_ways(overlay) as ways:
            reached = [one(overlay, ways, words.seconds, words.runs) for one in (udp, tcp)]
    finally:
        overlay.down()
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
