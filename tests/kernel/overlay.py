r"""Two nodes with a pod each, and flannel's tables between them, out of real kernel objects.

pod1 eth0 - vpod [cni0] flannel.1 - eth0 ====== eth0 - flannel.1 [cni0] vpod - eth0 pod2
            \__________ node1 __________/          \__________ node2 __________/
"""

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tracer.collect.bpf import Filter, Watch
from tracer.model.observation import AttachedPoint, Device, Direction, Observation

POD1, POD2 = "10.244.1.2", "10.244.2.2"
MACS = {1: "02:f1:00:00:00:01", 2: "02:f1:00:00:00:02"}
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def inside(name: str) -> Iterator[None]:
    """This thread in a named network namespace."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{name}") as there:
        assert _libc.setns(there.fileno(), _CLONE_NEWNET) == 0
        try:
            yield
        finally:
            assert _libc.setns(home.fileno(), _CLONE_NEWNET) == 0


def ip(*commands: str, ns: str | None = None) -> None:
    """Run iproute2 commands."""
    where = ["-n", ns] if ns else []
    subprocess.run(
        ["ip", *where, "-batch", "-"], input="\n".join(commands), text=True, check=True, timeout=20
    )


class Overlay:
    """The network; its namespaces are named after this process."""

    def __init__(self) -> None:
        self.names = [f"ft{os.getpid()}-{kind}{n}" for n in (1, 2) for kind in ("node", "pod")]

    def node(self, number: int) -> str:
        """Name of a node's namespace."""
        return self.names[2 * number - 2]

    def pod(self, number: int) -> str:
        """Name of a pod's namespace."""
        return self.names[2 * number - 1]

    def inode(self, name: str) -> int:
        """Of the namespace."""
        return os.stat(f"/run/netns/{name}").st_ino

    def up(self) -> None:
        """Build it."""
        ip(*(f"netns add {name}" for name in self.names))
        one, two = self.node(1), self.node(2)
        ip(f"link add eth0 netns {one} mtu 1500 type veth peer name eth0 netns {two}")
        for number in (1, 2):
            self._node_up(number, other=3 - number)

    def down(self) -> None:
        """Remove every namespace, and all that is in it."""
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def _node_up(self, number: int, other: int) -> None:
        node, pod = self.node(number), self.pod(number)
        ip(f"link add vpod netns {node} type veth peer name eth0 netns {pod}")
        ip(
            f"addr add 192.0.2.1{number}/24 dev eth0",
            "link set eth0 up",
            "link set lo up",
            "link add cni0 type bridge",
            f"addr add 10.244.{number}.1/24 dev cni0",
            "link set cni0 up",
            "link set vpod master cni0 up",
            ns=node,
        )
        self.vtep_up(number, other)
        ip(
            "link set lo up",
            f"addr add 10.244.{number}.2/24 dev eth0",
            "link set eth0 up",
            f"route add default via 10.244.{number}.1",
            ns=pod,
        )
        with inside(node):
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")

    def vtep_up(self, number: int, other: int, index: str = "") -> None:
        """Make flannel.1 with its tables; `index 7`: the number that it is to have."""
        node = self.node(number)
        ip(
            f"link add flannel.1 {index} address {MACS[number]} mtu 1450 type vxlan id 1"
            f" local 192.0.2.1{number} dev eth0 dstport 8472 nolearning",
            f"addr add 10.244.{number}.0/32 dev flannel.1",
            "link set flannel.1 up",
            f"route add 10.244.{other}.0/24 via 10.244.{other}.0 dev flannel.1 onlink",
            f"neigh add 10.244.{other}.0 lladdr {MACS[other]} dev flannel.1 nud permanent",
            ns=node,
        )
        fdb = f"fdb add {MACS[other]} dev flannel.1 dst 192.0.2.1{other} self permanent"
        subprocess.run(["bridge", "-n", node, *fdb.split()], check=True)

    def points(self, number: int) -> list[AttachedPoint]:
        """All devices of a node that packets pass."""
        kinds = {
            "vpod": Device.POD,
            "cni0": Device.BRIDGE,
            "flannel.1": Device.VTEP,
            "eth0": Device.UPLINK,
        }
        with inside(self.node(number)):
            return [
                AttachedPoint(device=kind, ifindex=socket.if_nametoindex(name), ifname=name)
                for name, kind in kinds.items()
            ]

    def filter(self, number: int) -> Filter:
        """The pods' packets on one node."""
        return Filter(
            pair=(POD1, POD2),
            vxlan_ports=(8472,),
            neighbours=(f"10.244.{3 - number}.0",),
            datagram_port=50999,
            netns=(self.inode(self.node(number)), self.inode(self.pod(number))),
        )

    def watch(self, number: int, *, prefer: str = "tcx", ring_bytes: int = 1 << 20) -> Watch:
        """Attach to all devices of a node."""
        with inside(self.node(number)):
            return Watch(
                f"node{number}",
                self.filter(number),
                self.points(number),
                prefer=prefer,
                ring_bytes=ring_bytes,
            )

    def send(self, payload: bytes, *, times: int = 1, ttl: int = 64, port: int = 9) -> None:
        """UDP datagrams from pod1 to pod2."""
        with inside(self.pod(1)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
            for _ in range(times):
                sock.sendto(payload, (POD2, port))

    def stream(self, send: Callable[[socket.socket], None], *, segment: int) -> int:
        """What `send` sends by TCP from pod1 to pod2, in segments of so many bytes; bytes taken."""
        with inside(self.pod(2)):
            listening = socket.create_server((POD2, 7000))
        with inside(self.pod(1)):
            sending = socket.socket()
        sending.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
        taken = 0

        def take() -> None:
            nonlocal taken
            connection, _ = listening.accept()
            buffer = bytearray(1 << 20)
            with connection:
                while count := connection.recv_into(buffer):
                    taken += count

        taker = threading.Thread(target=take)
        taker.start()
        with listening, sending:
            sending.connect((POD2, 7000))
            send(sending)
            sending.shutdown(socket.SHUT_WR)
            taker.join(30)
        assert not taker.is_alive()
        return taken

    def receiver(self) -> socket.socket:
        """A socket of pod2 on port 9."""
        with inside(self.pod(2)):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((POD2, 9))
        sock.settimeout(5)
        return sock


def udp_with(seen: list[Observation], payload: bytes) -> list[Observation]:
    """Those of the packets with this payload."""
    return [one for one in seen if payload in one.headers]


def way(seen: list[Observation]) -> list[tuple[str, Direction]]:
    """Where they were seen, in order."""
    return [(one.ifname, one.direction) for one in seen]
