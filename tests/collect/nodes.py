"""Two nodes with an overlay between them, a pod on each: namespaces of this test run alone."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tracer.collect.netns import inside, opened

T = TypeVar("T")

NUMBER = {"a": 1, "b": 2}
POD = {"a": "10.244.1.5", "b": "10.244.2.5"}
POD6 = {"a": "fd00:1::5", "b": "fd00:2::5"}
UNDERLAY = {"a": "192.0.2.11", "b": "192.0.2.12"}


def run(*words: str, text: str = "") -> str:
    """A command's output; a failure shows its complaint."""
    done = subprocess.run(
        words, input=text, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


class Overlay:
    """Namespaces by short name: nodes `a` and `b`, pods `pod-a` and `pod-b`."""

    def __init__(self, mark: str) -> None:
        self._prefix = f"ft{os.getpid()}{mark}-"
        self._names: list[str] = []

    def netns(self, name: str) -> str:
        return self._prefix + name

    def add(self, name: str) -> None:
        run("ip", "netns", "add", self.netns(name))
        self._names.append(name)
        self.ip(name, "link set lo up")

    def remove(self) -> None:
        for name in self._names:
            subprocess.run(["ip", "netns", "del", self.netns(name)], check=False)

    def ip(self, name: str, command: str) -> None:
        run("ip", "-n", self.netns(name), *command.split())

    def batch(self, name: str, commands: str, family: str = "-4") -> None:
        run("ip", family, "-n", self.netns(name), "-batch", "-", text=commands.strip() + "\n")

    def bridge(self, name: str, command: str) -> None:
        run("bridge", "-n", self.netns(name), *command.split())

    def json(self, name: str, tool: str, command: str) -> list[dict[str, Any]]:
        text = run(tool, "-n", self.netns(name), "-j", *command.split())
        # iproute2 writes `{}` for a route of a kind that it skips
        return [one for one in json.loads(text or "[]") if one]

    def execute(self, name: str, *words: str) -> str:
        return run("ip", "netns", "exec", self.netns(name), *words)

    def inside(self, name: str, action: Callable[[], T]) -> T:
        with opened(f"/run/netns/{self.netns(name)}") as fd:
            return inside(fd, action)

    def inode(self, name: str) -> int:
        return os.stat(f"/run/netns/{self.netns(name)}").st_ino

    def ifindex(self, name: str, device: str) -> int:
        return int(self.json(name, "ip", f"link show dev {device}")[0]["ifindex"])


def add_pod(overlay: Overlay, node: str, pod: str, number: int, host: str = "veth0") -> None:
    """A pod of a node, wired as the bridge plugin does it."""
    overlay.add(pod)
    overlay.ip(
        node,
        f"link add {host} mtu 1450 type veth peer name eth0 mtu 1450 netns {overlay.netns(pod)}",
    )
    overlay.ip(node, f"link set {host} master cni0 up")
    overlay.ip(pod, "link set eth0 up")
    overlay.ip(pod, f"addr add 10.244.{number}.5/24 dev eth0")
    overlay.ip(pod, f"addr add fd00:{number}::5/64 dev eth0 nodad")
    overlay.ip(pod, f"route add default via 10.244.{number}.1")
    overlay.ip(pod, f"route add default via fd00:{number}::1")


def _add_node(overlay: Overlay, node: str) -> None:
    number = NUMBER[node]
    for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
        overlay.execute(node, "sysctl", "-qw", f"{name}=1")
    overlay.ip(node, f"addr add {UNDERLAY[node]}/24 dev eth0")
    overlay.ip(node, "link set eth0 up")
    vxlan = f"type vxlan id 1 local {UNDERLAY[node]} dev eth0 dstport 8472 nolearning"
    overlay.ip(node, f"link add flannel.1 mtu 1450 address 02:f1:00:00:00:0{number} {vxlan}")
    overlay.ip(node, f"addr add 10.244.{number}.0/32 dev flannel.1")
    overlay.ip(node, f"addr add fd00:{number}::/128 dev flannel.1 nodad")
    overlay.ip(node, "link set flannel.1 up")
    overlay.ip(node, "link add cni0 mtu 1450 type bridge")
    overlay.ip(node, f"addr add 10.244.{number}.1/24 dev cni0")
    overlay.ip(node, f"addr add fd00:{number}::1/64 dev cni0 nodad")
    overlay.ip(node, "link set cni0 up")


def _add_peer(overlay: Overlay, node: str, peer: str) -> None:
    number, mac = NUMBER[peer], f"02:f1:00:00:00:0{NUMBER[peer]}"
    overlay.bridge(node, f"fdb append {mac} dev flannel.1 dst {UNDERLAY[peer]}")
    for net, ip in (
        (f"10.244.{number}.0/24", f"10.244.{number}.0"),
        (f"fd00:{number}::/64", f"fd00:{number}::"),
    ):
        overlay.ip(node, f"neigh add {ip} lladdr {mac} dev flannel.1 nud permanent")
        overlay.ip(node, f"route add {net} via {ip} dev flannel.1 onlink")


@contextmanager
def overlay(mark: str) -> Iterator[Overlay]:
    """The two nodes, up, with all their entries; gone afterwards."""
    made = Overlay(mark)
    try:
        made.add("a")
        made.add("b")
        made.ip("a", f"link add eth0 type veth peer name eth0 netns {made.netns('b')}")
        for node in ("a", "b"):
            _add_node(made, node)
        _add_peer(made, "a", "b")
        _add_peer(made, "b", "a")
        for node in ("a", "b"):
            add_pod(made, node, f"pod-{node}", NUMBER[node])
        yield made
    finally:
        made.remove()
