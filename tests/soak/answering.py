"""What answers for the thousands of nodes: a socket behind the switch that sends back what it gets.

Each packet goes back as the peer's pod would answer, from the peer's own address and VTEP. What is
addressed to a MAC or an address that the peer has no more is lost, as there.
"""

import socket
import struct
import threading
from collections.abc import Callable
from ipaddress import IPv4Address

from tests.kernel.overlay import inside
from tests.soak.peers import UNDERLAY, Peer, number_of
from tracer.lab import paths, topology
from tracer.lab.plan import PlannedNode
from tracer.lab.shell import ip

PORT = 8472
_HEADER, _ETHERNET, _PROTOCOL, _UDP = 8, 14, 9, 17
_FROM = 8
"""struct in_pktinfo: the interface, the address it came to, the one in its header."""
_IP_PKTINFO = getattr(socket, "IP_PKTINFO", 8)


def route(nodes: tuple[PlannedNode, ...]) -> None:
    """The nodes reach all those addresses through the switch, which takes them for its own."""
    ip(
        paths.UNDERLAY,
        [
            f"address add {topology.ROUTER}/24 dev {topology.SWITCH}",
            "link set lo up",
            f"route add local {UNDERLAY} dev lo",
        ],
    )
    for node in nodes:
        ip(node.name, [f"route add {UNDERLAY} via {topology.ROUTER}"])


class Answering:
    """In a thread of its own."""

    def __init__(self, now: Callable[[int], Peer | None]) -> None:
        """`now`: a peer as it is; None: it answers to nobody."""
        self._now = now
        with inside(paths.UNDERLAY):
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind(("0.0.0.0", PORT))
        self.answered = self.lost = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            data, notes, _, sender = self._socket.recvmsg(2048, 256)
            to = next(note[2] for note in notes if note[1] == _IP_PKTINFO)[_FROM : _FROM + 4]
            answer = self._answer(data, str(IPv4Address(to)))
            if answer is None:
                self.lost += 1
                continue
            self.answered += 1
            source = [(socket.IPPROTO_IP, _IP_PKTINFO, struct.pack("=i", 0) + to + bytes(4))]
            self._socket.sendmsg([answer], source, 0, (sender[0], PORT))

    def _answer(self, data: bytes, to: str) -> bytes | None:
        start = _HEADER + _ETHERNET
        if len(data) < start + 28 or data[start + _PROTOCOL] != _UDP:
            return None
        peer = self._now(number_of(str(IPv4Address(data[start + 16 : start + 20]))))
        if peer is None or data[_HEADER : _HEADER + 6] != bytes.fromhex(peer.mac.replace(":", "")):
            return None
        if to != peer.address:
            return None
        frame = bytearray(data)
        _swap(frame, _HEADER, 6)
        _swap(frame, start + 12, 4)
        _swap(frame, start + 20, 2)
        # None: that of the packet may never have been completed on its way here.
        frame[start + 26 : start + 28] = bytes(2)
        return bytes(frame)


def _swap(frame: bytearray, at: int, size: int) -> None:
    """Two neighbouring fields. The IP header's checksum stays right."""
    first, second = frame[at : at + size], frame[at + size : at + 2 * size]
    frame[at : at + 2 * size] = second + first
