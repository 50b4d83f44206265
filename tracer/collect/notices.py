"""What changes in a node's network, as the kernel tells it: rtnetlink's multicast groups."""

import errno
import socket
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from tracer.collect import links, neighbours, routes
from tracer.collect.closing import Closing
from tracer.collect.netlink import AF_BRIDGE, messages
from tracer.model.state import Address, FdbEntry, Link, Neighbour, Route, Rule

Entry: TypeAlias = Link | Address | Route | Rule | Neighbour | FdbEntry

_GROUPS = 0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x40000
"""include/uapi/linux/rtnetlink.h: link, neigh, addresses, routes and rules of both families."""

_SO_RCVBUFFORCE = 33
_ROOM = 4 << 20
"""Bytes that wait to be read: a few ten thousand notices, as when all routes go at once."""
_DATAGRAM = 1 << 16


class Notice(NamedTuple):
    """One entry that came, changed, or went."""

    time_ns: int
    """CLOCK_MONOTONIC, when it was read; the kernel puts none in it."""
    gone: bool
    entry: Entry


class Notices(Closing):
    """A socket that hears of every change. It stays in the namespace in which it was opened."""

    def __init__(self, room: int = _ROOM) -> None:
        """`room`: bytes that may wait. OSError: what the kernel refused with."""
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        try:
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, room)
            except PermissionError:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            self._socket.bind((0, _GROUPS))
            self._socket.setblocking(False)
        except OSError:
            self._socket.close()
            raise

    def close(self) -> None:
        """Hear nothing more."""
        self._socket.close()

    def fileno(self) -> int:
        """For select and poll: readable when there is news."""
        return self._socket.fileno()

    def read(self) -> tuple[list[Notice], bool]:
        """The news since the last call, in the kernel's order, and whether some of it got lost.

        Where some is lost the whole state has to be read anew: the kernel had no room left for it.
        """
        found: list[Notice] = []
        lost = False
        while True:
            try:
                data = self._socket.recv(_DATAGRAM)
            except BlockingIOError:
                return found, lost
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                lost = True
                continue
            now = time.monotonic_ns()
            for kind, _, _, payload in messages(data):
                found += [Notice(now, gone, entry) for gone, entry in _told(kind, payload)]


def _told(kind: int, payload: bytes) -> Iterator[tuple[bool, Entry]]:
    first, gone = kind - kind % 4, kind % 4 == 1
    parse = _ENTRIES.get(first)
    if parse is not None and kind % 4 in (0, 1):
        for entry in parse(payload):
            yield gone, entry


def _one(entry: Entry | None) -> tuple[Entry, ...]:
    return () if entry is None else (entry,)


def _neighbour(payload: bytes) -> tuple[Entry, ...]:
    if payload[0] == AF_BRIDGE:
        return _one(neighbours.fdb_entry(payload))
    return _one(neighbours.neighbour(payload))


_ENTRIES: dict[int, Callable[[bytes], Iterator[Entry] | tuple[Entry, ...]]] = {
    16: lambda payload: () if payload[0] == AF_BRIDGE else (links.link(payload),),
    20: lambda payload: _one(neighbours.address(payload)),
    24: routes.routes_of,
    28: _neighbour,
    32: lambda payload: (routes.rule(payload),),
}
"""RTM_NEW...; RTM_DEL... is one more. A link's message of AF_BRIDGE is of its port, not of it."""
