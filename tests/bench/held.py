"""What holding a packet against the leases costs, by BPF_PROG_TEST_RUN, in one run with the floors.

    .venv/bin/python -m tests.bench.held [--repeat N]

Needs root. 5,000 peers; IPv4 and IPv6; where subnets are told by number, where all have one length,
and where they have several, that of the packet being the last that is tried. A benchmark and no
test: prints a table, and fails when a target is missed.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from msgspec.structs import replace

from tests import packets as p
from tests.bench.hooks import PEERS, floors, frame, run_ns
from tracer.collect import bpf
from tracer.collect.holding import Holding
from tracer.collect.shape import shape
from tracer.core.held import Held, HeldOwn, HeldPeer

REPEAT = 400_000
ROUNDS = 12
SAMPLE = 1 << 31
"""One packet in so many is a sample: none of this run is, and every one is asked."""

MAC, OWN_MAC = "02:c0:00:00:00:01", "02:9d:00:00:00:01"
NEAR, FAR, NEAR6, FAR6 = "192.0.2.11", "192.0.2.12", "2001:db8::11", "2001:db8::12"
POD, POD6 = "10.236.0.5", "fd00:0:0:ffff::5"
PEER, PEER6 = "10.240.7.7", "fd00:0:0:7::7"

TARGETS = {
    "inner": 1.5,
    "uplink": 2.5,
    "inner, several lengths": 3.0,
    "uplink, several lengths": 4.0,
    "no peer": 0.2,
    "sampling adds": 0.3,
}
"""At most so many times *count*."""


def peers() -> Iterator[HeldPeer]:
    """5,000 in each family; PEER and PEER6 are two of them."""
    four, six = int(IPv4Address("10.236.1.0")), int(IPv6Address("fd00::"))
    for number in range(PEERS):
        yield HeldPeer(
            node=f"n{number}", subnet=f"{IPv4Address(four + (number << 8))}/24", vtep_mac=MAC,
            public_ip=FAR, plain=False,
        )  # fmt: skip
        yield HeldPeer(
            node=f"n{number}", subnet=f"{IPv6Address(six + (number << 64))}/64", vtep_mac=MAC,
            public_ip=FAR6, plain=False,
        )  # fmt: skip


LONGER = {2: ("10.224.0.0/26", "fd00:0:1::/72"), 3: ("10.224.1.0/28", "fd00:0:2::/80")}
"""Subnets that are longer than all others, by how many lengths there are with them."""
BY = {0: "", 1: ", one length", 2: ", two lengths", 3: ", three lengths"}
"""How many look-ups there are; 0: by number."""


def held(lengths: int) -> Held:
    """So that there are so many look-ups."""
    own = HeldOwn(
        family=4, subnet="10.236.0.0/24", vtep_ip="10.236.0.0", mac=OWN_MAC, local=NEAR, vni=1,
        port=p.PORT,
    )  # fmt: skip
    own6 = replace(
        own, family=6, subnet="fd00:0:0:ffff::/64", vtep_ip="fd00:0:0:ffff::", local=NEAR6
    )
    more = [
        HeldPeer(node="longer", subnet=subnet, vtep_mac=MAC, public_ip=None, plain=False)
        for count, subnets in LONGER.items()
        if count <= lengths
        for subnet in subnets
    ]
    return Held(
        networks=("10.0.0.0/7", "fd00::/16") if lengths else ("10.224.0.0/11", "fd00::/48"),
        ports=(4789, p.PORT),
        own=(own, own6),
        peers=(*peers(), *more),
    )


def inner(source: str, destination: str) -> bytes:
    """A bare TCP segment as flannel.1 makes it."""
    segment = p.tcp(40000, 80, 1, p.ACK)
    if ":" in source:
        return p.ethernet(p.ipv6(source, destination, p.TCP, segment), p.IPV6)
    return p.ethernet(p.ipv4(source, destination, p.TCP, segment))


def on_underlay(inside: bytes, *, six: bool = False) -> bytes:
    """The frame as the uplink sees it."""
    datagram = p.udp(50000, p.PORT, p.vxlan(inside))
    if six:
        return p.ethernet(p.ipv6(NEAR6, FAR6, p.UDP, datagram), p.IPV6)
    return p.ethernet(p.ipv4(NEAR, FAR, p.UDP, datagram))


Case = tuple[int, bytes, str]
"""A program, a packet, and which target is meant."""


def cases(holding: Holding, lengths: int) -> dict[str, Case]:
    """By name."""
    by, several = BY[lengths], ", several lengths" if lengths > 1 else ""
    four, six, far = inner(POD, PEER), inner(POD6, PEER6), inner(POD, "198.51.100.7")
    run = holding.program
    return {
        f"bridge, IPv4{by}": (run("from_pod"), four, f"inner{several}"),
        f"bridge, IPv6{by}": (run("from_pod"), six, f"inner{several}"),
        f"VTEP, IPv4{by}": (run("vtep_out"), four, f"inner{several}"),
        f"VTEP, IPv6{by}": (run("vtep_out"), six, f"inner{several}"),
        f"uplink, IPv4{by}": (run("uplink_out"), on_underlay(four), f"uplink{several}"),
        f"uplink, IPv6{by}": (run("uplink_out"), on_underlay(six, six=True), f"uplink{several}"),
        f"no peer, VTEP{by}": (run("vtep_out"), far, "no peer"),
        f"no peer, uplink{by}": (run("uplink_out"), far, "no peer"),
    }


def measure(repeat: int) -> tuple[dict[str, float], dict[str, str]]:
    """Nanoseconds by case, the best of interleaved rounds, and the target of each."""
    floor = floors()
    plain = frame("10.244.1.9", "10.244.2.9")
    all_cases: dict[str, Case] = {
        name: (bpf.load(floor, name, "SCHED_CLS"), plain, "") for name in ("empty", "count")
    }
    wholes = []
    for lengths in BY:
        leases = held(lengths)
        wholes.append(Holding(shape(leases), 2 * len(leases.peers)))
        wholes[-1].hold(leases)
        all_cases |= cases(wholes[-1], lengths)
    results: dict[str, list[int]] = {}
    for _ in range(ROUNDS):
        for one in wholes:
            one.sample(0)
        for name, (program, data, _) in all_cases.items():
            results.setdefault(name, []).append(run_ns(program, data, repeat))
        for one in wholes:
            one.sample(SAMPLE)
        for name, (program, data, target) in all_cases.items():
            if target.startswith(("inner", "uplink")):
                results.setdefault(f"{name}, sampling", []).append(run_ns(program, data, repeat))
    for one in wholes:
        # the last kind: the kernel frees each run's packet in the end
        assert not any(any(counted.deviations[:-1]) for counted in one.counted())
        one.close()
    targets = {name: target for name, (_, _, target) in all_cases.items()}
    return {name: min(values) for name, values in results.items()}, targets


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=REPEAT)
    costs, targets = measure(parser.parse_args().repeat)
    over = {name: ns - costs["empty"] for name, ns in costs.items()}
    print(f"Linux {os.uname().release}, {os.cpu_count()} CPUs, best of {ROUNDS} interleaved rounds")
    print(f"{'program':38} {'ns a run':>9} {'over empty':>11} {'ratio':>7}  target")
    missed = False
    for name, ns in costs.items():
        line = f"{name:38} {ns:9.0f} {over[name]:11.0f}"
        unsampled = name.removesuffix(", sampling")
        if unsampled != name:
            ratio, limit = (ns - costs[unsampled]) / over["count"], TARGETS["sampling adds"]
            line += f" {ratio:+7.2f}  adds at most {limit} of count"
        elif limit := TARGETS.get(targets[name], 0.0):
            ratio = over[name] / over["count"]
            line += f" {ratio:7.2f}  at most {limit} of count"
        else:
            print(line)
            continue
        missed = missed or ratio > limit
        print(line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
