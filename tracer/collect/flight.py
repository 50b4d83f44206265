"""What the three kinds of probe have in common: their terms, their sockets, their answers."""

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Callable
from typing import Protocol, TypeVar

from msgspec import structs

from tracer.collect import words
from tracer.collect.icmp import describe
from tracer.collect.links import links
from tracer.collect.netlink import Netlink
from tracer.collect.netns import inside
from tracer.collect.routes import way_to
from tracer.model.message import Probe
from tracer.model.packet import Ip
from tracer.model.record import Record

T = TypeVar("T")

MARK = b"flantrace probe "
"""Begins every payload, so that who meets it in a capture knows whose it is."""

IP_HEADER: dict[int, int] = {socket.AF_INET: 20, socket.AF_INET6: 40}

_MTU_DISCOVER: dict[int, tuple[int, int]] = {
    socket.AF_INET: (socket.IPPROTO_IP, 10),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 23),
}
_PMTUDISC_PROBE = 3
_RECVERR: dict[int, tuple[int, int]] = {
    socket.AF_INET: (socket.IPPROTO_IP, 11),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25),
}
_V6_DONTFRAG = 62
_LAST_PORT = 65535
_EXTENDED_ERROR = struct.Struct("=IBBBxII")
_FROM_ICMP = (2, 3)


class Terms(Record, frozen=True, kw_only=True):
    """What holds for every probe of one order."""

    family: int
    id: int
    src: Ip
    dst: Ip
    port: int
    size: int | None
    """Bytes of the IP packet; None: the kind's own small size, without DF."""
    netns_fd: int | None

    def inside(self, action: Callable[[], T]) -> T:
        """What `action` returns in the namespace that the probes leave from."""
        return action() if self.netns_fd is None else inside(self.netns_fd, action)


class Launch(Record, frozen=True, kw_only=True):
    """A probe that is on its way."""

    size: int
    src_port: int | None = None


class Answer(Record, frozen=True, kw_only=True):
    """What came back for the probe `seq`."""

    seq: int
    reply: str | None = None
    origin: Ip | None = None
    error: str | None = None


class Flights(Protocol):
    """One kind of probe: sends, hears, forgets. Never waits."""

    def files(self) -> dict[int, int]:
        """Descriptor -> epoll events of the sockets that wait for something."""

    def launch(self, seq: int) -> Launch:
        """Send one. OSError: it did not leave."""

    def answers(self) -> list[Answer]:
        """All that came back since the last call."""

    def forget(self, seq: int) -> None:
        """No answer to this one counts any more."""

    def close(self) -> None:
        """Close all sockets."""


def terms(order: Probe, netns_fd: int | None) -> Terms:
    """An order as its kind needs it. OSError, ValueError: no such address, no way into the pod."""
    family, _ = words.packed_ip(order.dst)
    plain = Terms(
        family=family,
        id=order.id & 0xFFFF,
        src=order.src,
        dst=order.dst,
        port=order.port or 0,
        size=order.size,
        netns_fd=netns_fd,
    )
    if order.size != 0:
        return plain
    mtu = plain.inside(lambda: full_mtu(order.src, order.dst))
    return structs.replace(plain, size=mtu)


def full_mtu(src: Ip, dst: Ip) -> int:
    """Bytes of the largest IP packet that the way to `dst` takes: its route's MTU, or its device's.

    OSError: there is no way.
    """
    with Netlink() as netlink:
        way = way_to(netlink, dst, src)
        if way is not None and way.mtu:
            return way.mtu
        for link in links(netlink):
            if way is not None and link.ifindex == way.ifindex:
                return link.mtu
    raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))


def prepare(sock: socket.socket, given: Terms) -> None:
    """Non-blocking, from the order's source; of a given size: whole, or not at all (DF)."""
    sock.setblocking(False)
    if given.size is None:
        return
    sock.setsockopt(*_MTU_DISCOVER[given.family], _PMTUDISC_PROBE)
    if given.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _V6_DONTFRAG, 1)


def report_errors(sock: socket.socket, family: int) -> None:
    """Have ICMP errors put on the socket's error queue, with the address that sent them."""
    sock.setsockopt(*_RECVERR[family], 1)


def queued_error(sock: socket.socket, family: int) -> tuple[str, Ip] | None:
    """The next ICMP error of the queue, in words, and who sent it. None: the queue has none."""
    while True:
        try:
            _, controls, _, _ = sock.recvmsg(0, 512, socket.MSG_ERRQUEUE)
        except OSError:
            return None
        for level, kind, data in controls:
            if (level, kind) == _RECVERR[family] and len(data) >= _EXTENDED_ERROR.size:
                _, source, icmp_type, code, info, _ = _EXTENDED_ERROR.unpack_from(data)
                origin = _offender(data[_EXTENDED_ERROR.size :])
                if source in _FROM_ICMP and origin is not None:
                    return describe(family, icmp_type, code, info, origin), origin


def _offender(address: bytes) -> Ip | None:
    """The sockaddr behind the extended error: the address of the host that complained."""
    if len(address) < 16:
        return None
    family = struct.unpack_from("=H", address)[0]
    if family == socket.AF_INET:
        return words.ip(address[4:8])
    if family == socket.AF_INET6 and len(address) >= 24:
        return words.ip(address[8:24])
    return None


def bind_source(sock: socket.socket, address: Ip, port: int) -> int:
    """Bind to `port`, or where another has it, to any. Returns the port it got."""
    try:
        sock.bind((address, port if port <= _LAST_PORT else 0))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        sock.bind((address, 0))
    bound: int = sock.getsockname()[1]
    return bound


def payload(seq: int, length: int) -> bytes:
    """`length` bytes that no other probe of the order has."""
    begin = MARK + struct.pack("!I", seq)
    filler = bytes(index & 0xFF for index in range(max(0, length - len(begin))))
    return (begin + filler)[: max(0, length)]


def quietly_closed(sock: socket.socket) -> None:
    """Close, whatever state the socket is in."""
    with contextlib.suppress(OSError):
        sock.close()
