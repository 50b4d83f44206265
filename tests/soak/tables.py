"""flanneld's entries on one node, by netlink: a change takes less than a process needs to start.

The same as tracer/lab/flanneld.py has `ip` and `bridge` write.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator

from tests.kernel.overlay import inside
from tracer.lab.flanneld import Peer

_REQUEST, _ACK, _REPLACE, _CREATE = 0x1, 0x4, 0x100, 0x400
_NEW_ROUTE, _NEW_NEIGHBOUR = 24, 28
"""RTM_NEW...; RTM_DEL... is one more."""
_PERMANENT, _SELF, _AF_BRIDGE, _ONLINK = 0x80, 0x2, 7, 0x4
_MAIN, _BOOT, _UNICAST, _NOWHERE = 254, 3, 1, 255
_ERROR = 2
_AT_ONCE = 100
"""Peers of one message; a larger one would not fit into the socket."""


class Tables:
    """Of one node's device."""

    def __init__(self, node: str, device: str) -> None:
        with inside(node):
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            self._index = socket.if_nametoindex(device)
        self._number = 0

    def write(self, peers: Iterable[Peer]) -> None:
        """Neighbour, FDB entry, route of each: as EventAdded."""
        every = [self._entries(peer) for peer in peers]
        flags = _REPLACE | _CREATE
        for first in range(0, len(every), _AT_ONCE):
            part = every[first : first + _AT_ONCE]
            for which in range(3):
                kind = _NEW_ROUTE if which == 2 else _NEW_NEIGHBOUR
                self._do(kind, flags, (entries[which] for entries in part))

    def remove(self, peer: Peer) -> None:
        """The three of one: as EventRemoved."""
        neighbour, fdb, _ = self._entries(peer)
        self._do(_NEW_NEIGHBOUR + 1, 0, (neighbour, fdb))
        self._do(_NEW_ROUTE + 1, 0, (self._route(peer, scope=_NOWHERE, kind=0, protocol=0),))

    def remove_fdb(self, peer: Peer) -> None:
        """One entry alone."""
        self._do(_NEW_NEIGHBOUR + 1, 0, (self._entries(peer)[1],))

    def _entries(self, peer: Peer) -> tuple[bytes, bytes, bytes]:
        mac = bytes.fromhex(peer.vtep_mac.replace(":", ""))
        return (
            self._neighbour(socket.AF_INET, 0, peer.vtep_ip, mac),
            self._neighbour(_AF_BRIDGE, _SELF, peer.public_ip, mac),
            self._route(peer, scope=0, kind=_UNICAST, protocol=_BOOT),
        )

    def _neighbour(self, family: int, flags: int, ip: str, mac: bytes) -> bytes:
        """struct ndmsg, NDA_DST, NDA_LLADDR."""
        head = struct.pack("=BxHiHBB", family, 0, self._index, _PERMANENT, flags, 0)
        return head + _attribute(1, socket.inet_aton(ip)) + _attribute(2, mac)

    def _route(self, peer: Peer, *, scope: int, kind: int, protocol: int) -> bytes:
        """struct rtmsg, RTA_DST, RTA_OIF, RTA_GATEWAY."""
        net, _, length = peer.pod_cidr.partition("/")
        head = struct.pack(
            "=8BI", socket.AF_INET, int(length), 0, 0, _MAIN, protocol, scope, kind, _ONLINK
        )
        gateway = socket.inet_aton(peer.vtep_ip)
        return (
            head
            + _attribute(1, socket.inet_aton(net))
            + _attribute(4, struct.pack("=i", self._index))
            + _attribute(5, gateway)
        )

    def _do(self, kind: int, flags: int, bodies: Iterable[bytes]) -> None:
        """OSError: what the kernel refused. It tells of each that fails, and of the last anyhow."""
        *most, last = bodies
        message = b"".join(self._message(kind, flags, body) for body in most)
        message += self._message(kind, flags | _ACK, last)
        self._socket.send(message)
        for number, code in self._answers():
            if code:
                raise OSError(-code, os.strerror(-code), errno.errorcode.get(-code))
            if number == self._number:
                return

    def _message(self, kind: int, flags: int, body: bytes) -> bytes:
        self._number += 1
        return struct.pack("=IHHII", 16 + len(body), kind, flags | _REQUEST, self._number, 0) + body

    def _answers(self) -> Iterator[tuple[int, int]]:
        """Number of the message, and the kernel's code."""
        while True:
            data = self._socket.recv(1 << 16)
            while data:
                length, kind, _, number, _ = struct.unpack_from("=IHHII", data)
                if kind == _ERROR:
                    yield number, struct.unpack_from("=i", data, 16)[0]
                data = data[(length + 3) & ~3 :]


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
