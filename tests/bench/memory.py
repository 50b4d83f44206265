"""Memory of a watch that holds 5,000 leases, and where it goes.

    .venv/bin/python -m tests.bench.memory [--leases N] [--changes N]

Needs root. One node out of real kernel objects, with three entries for each of its peers; an API
server beside it, in a process of its own; and the watch, as `flantrace watch --here` runs it. A
benchmark and no test: prints a table, and fails when the target is missed.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, NamedTuple

from tests.apiserver import Server
from tests.kernel.overlay import MACS, ip

LEASES, CHANGES = 5000, 200
MOST_MB = 80
PREFIX = "flannel.alpha.coreos.com"
CONF = '{"Network": "10.224.0.0/11", "Backend": {"Type": "vxlan"}}'
SETTLES_S = 6.0

_FIRST_SUBNET, _FIRST_UNDERLAY = int(IPv4Address("10.224.1.0")), int(IPv4Address("172.16.0.1"))
_IMAGES = [
    {"names": [f"registry.example/team/image-{number}@sha256:{number:064x}"], "sizeBytes": 10**8}
    for number in range(40)
]
"""Most of a real Node object: some 6 KB that nobody here reads."""


def subnet(number: int) -> str:
    """The first three bytes of a node's pod subnet, with their dots."""
    return str(IPv4Address(_FIRST_SUBNET + (number << 8))).rpartition(".")[0]


def underlay(number: int) -> str:
    """A node's address."""
    return str(IPv4Address(_FIRST_UNDERLAY + number))


def mac(number: int, change: int = 0) -> str:
    """A node's VTEP's; that of the first is what the kernel has."""
    return MACS[1] if number == 0 else f"02:c0:{change:02x}:00:{number >> 8:02x}:{number & 255:02x}"


def annotations(number: int, change: int = 0) -> dict[str, str]:
    """What flannel writes to a Node object."""
    return {
        f"{PREFIX}/backend-data": json.dumps({"VNI": 1, "VtepMAC": mac(number, change)}),
        f"{PREFIX}/backend-type": "vxlan",
        f"{PREFIX}/kube-subnet-manager": "true",
        f"{PREFIX}/public-ip": underlay(number),
    }


def node_object(number: int, change: int = 0) -> dict[str, Any]:
    """A Node object."""
    return {
        "annotations": annotations(number, change),
        "spec": {"podCIDR": f"{subnet(number)}.0/24", "podCIDRs": [f"{subnet(number)}.0/24"]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": underlay(number)}],
            "images": _IMAGES,
        },
    }


def serve(folder: str, leases: int) -> None:
    """The API server. A line of stdin gives a lease its next MAC."""
    server = Server(Path(folder))
    for number in range(leases):
        server.add("nodes", f"node-{number:04d}", **node_object(number))
    server.add("configmaps", "kube-flannel-cfg", "kube-flannel", data={"net-conf.json": CONF})
    server.start()
    print(server.kubeconfig, flush=True)
    api = server.api
    for line in sys.stdin:
        number, change = map(int, line.split())
        patch = {"metadata": {"annotations": annotations(number, change)}}
        path = f"/api/v1/nodes/node-{number:04d}"
        status, _ = api.call("PATCH", path, patch, "application/merge-patch+json")
        assert status == 200
        print("changed", flush=True)
    server.stop()


def entries(number: int) -> str:
    """How to a peer's pods."""
    net = subnet(number)
    return f"route add {net}.0/24 via {net}.0 dev flannel.1 onlink\n" + neighbour(number)


def neighbour(number: int, change: int = 0, verb: str = "add") -> str:
    """A peer's VTEP."""
    words = f"{subnet(number)}.0 lladdr {mac(number, change)} dev flannel.1 nud permanent"
    return f"neigh {verb} {words}"


def forwarding(number: int, change: int = 0, verb: str = "add") -> str:
    """Where a peer's VTEP is."""
    return f"fdb {verb} {mac(number, change)} dev flannel.1 dst {underlay(number)} self permanent"


def bridge(name: str, *commands: str) -> None:
    """Run commands of iproute2's bridge in a namespace."""
    words = ["bridge", "-n", name, "-batch", "-"]
    subprocess.run(words, input="\n".join(commands), text=True, check=True, timeout=60)


class Node:
    """A network namespace with the tables of a node that has so many peers."""

    def __init__(self, leases: int) -> None:
        self.name = f"fm{os.getpid()}"
        ip(f"netns add {self.name}")
        ip(
            "link set lo up",
            "link add eth0 type veth peer name far",
            f"addr add {underlay(0)}/12 dev eth0",
            "link set eth0 up",
            "link set far up",
            "link add cni0 type bridge",
            f"addr add {subnet(0)}.1/24 dev cni0",
            "link set cni0 up",
            f"link add flannel.1 address {mac(0)} mtu 1450 type vxlan id 1"
            f" local {underlay(0)} dev eth0 dstport 8472 nolearning",
            f"addr add {subnet(0)}.0/32 dev flannel.1",
            "link set flannel.1 up",
            *(entries(number) for number in range(1, leases)),
            ns=self.name,
        )
        bridge(self.name, *(forwarding(number) for number in range(1, leases)))
        self._changes = [0] * leases
        self._next = 1
        forward = "net.ipv4.ip_forward=1"
        words = ["ip", "netns", "exec", self.name, "sysctl", "-q", "-w", forward]
        subprocess.run(words, check=True)

    def follow(self, server: "subprocess.Popen[str]", count: int) -> None:
        """So many leases get another MAC, and the tables follow, as flanneld writes them."""
        for _ in range(count):
            number, before = self._next, self._changes[self._next]
            self._changes[number] = now = before + 1
            self._next = number % (len(self._changes) - 1) + 1
            go(server, f"{number} {now}")
            told(server)
            ip(neighbour(number, now, "replace"), ns=self.name)
            bridge(self.name, forwarding(number, now), forwarding(number, before, "del"))

    def runs(self, module: str, *words: str) -> "subprocess.Popen[str]":
        """A module in there."""
        command = ["ip", "netns", "exec", self.name, sys.executable, "-m", module]
        return subprocess.Popen(
            [*command, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def remove(self) -> None:
        """With all that is in it."""
        subprocess.run(["ip", "netns", "del", self.name], check=True)


class Used(NamedTuple):
    """Memory of one process, in MB."""

    resident: float
    proportional: float
    """Of what others share, its part."""
    own: float
    """Anonymous: what nothing but the process itself holds."""


def used(pid: int) -> Used:
    """At this moment."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kb = {words[0]: int(words[1]) for words in map(str.split, lines)}
    return Used(*(kb[f"{name}:"] / 1024 for name in ("Rss", "Pss", "Anonymous")))


def told(process: "subprocess.Popen[str]") -> str:
    """Its next line."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, "it has ended"
    return line


def go(process: "subprocess.Popen[str]", line: str = "") -> None:
    """Let it go on."""
    assert process.stdin is not None
    print(line, file=process.stdin, flush=True)


def measure(leases: int, changes: int) -> dict[str, Used]:
    """By what was reached."""
    found: dict[str, Used] = {}
    node = Node(leases)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        stack.callback(node.remove)
        server = stack.enter_context(
            node.runs("tests.bench.memory", "--serve", folder, "--leases", str(leases))
        )
        stack.callback(server.kill)
        words = (told(server), "node-0000", str(leases))
        watching = stack.enter_context(node.runs("tests.bench.watching", *words))
        stack.callback(watching.kill)
        for _ in range(2):
            said = told(watching)
            found[said] = used(watching.pid)
            go(watching)
        said = told(watching)
        time.sleep(SETTLES_S)
        found[said] = used(watching.pid)
        for number in range(1, 3):
            node.follow(server, changes)
            time.sleep(SETTLES_S)
            found[f"after {number * changes} changes"] = used(watching.pid)
    return found


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leases", type=int, default=LEASES)
    parser.add_argument("--changes", type=int, default=CHANGES)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    words = parser.parse_args([] if __name__ != "__main__" else None)
    if words.serve is not None:
        serve(words.serve, words.leases)
        return 0
    found = measure(words.leases, words.changes)
    print(f"{words.leases} leases; MB{'resident':>32} {'PSS':>7} {'own':>7}")
    for name, one in found.items():
        print(f"{name:36} {one.resident:8.1f} {one.proportional:7.1f} {one.own:7.1f}")
    most = max(one.resident for one in found.values())
    print(f"at most {MOST_MB} MB resident: {most:.1f}")
    return 0 if most <= MOST_MB else 1


if __name__ == "__main__":
    sys.exit(main())
