"""Echo probes over one raw socket."""

import select
import socket
import struct

from tracer.collect.flight import IP_HEADER, MARK, Answer, Launch, Terms, payload, prepare
from tracer.collect.icmp import KINDS, echo_request, read_echo

_ICMP_HEADER = 8
_SMALL_PAYLOAD = 56
_RAW_FILTER = (255, 1)
"""SOL_RAW, ICMP_FILTER: a mask of the types that we do not want."""
_V6_FILTER = (socket.IPPROTO_ICMPV6, 1)
_BUFFER = 65536


class EchoFlights:
    """ICMP or ICMPv6 echo requests, told apart by id and sequence number."""

    def __init__(self, given: Terms) -> None:
        self._terms = given
        self._waiting: dict[int, int] = {}
        self._socket = given.inside(self._open)
        self._header = IP_HEADER[given.family] + _ICMP_HEADER

    def files(self) -> dict[int, int]:
        """See Flights."""
        return {self._socket.fileno(): select.EPOLLIN}

    def launch(self, seq: int) -> Launch:
        """See Flights."""
        given = self._terms
        room = _SMALL_PAYLOAD if given.size is None else given.size - self._header
        data = payload(seq, room)
        message = echo_request(given.family, given.id, seq & 0xFFFF, data)
        self._socket.sendto(message, (given.dst, 0))
        self._waiting[seq & 0xFFFF] = seq
        return Launch(size=self._header + len(data))

    def answers(self) -> list[Answer]:
        """See Flights."""
        found: list[Answer] = []
        while True:
            try:
                packet, sender = self._socket.recvfrom(_BUFFER)
            except OSError:
                return found  # nothing more; or an error of the socket, whose ICMP comes as well
            answer = self._answer(packet, str(sender[0]).partition("%")[0])
            if answer is not None:
                found.append(answer)

    def forget(self, seq: int) -> None:
        """See Flights."""
        self._waiting.pop(seq & 0xFFFF, None)

    def close(self) -> None:
        """See Flights."""
        self._socket.close()

    def _answer(self, packet: bytes, sender: str) -> Answer | None:
        given = self._terms
        echo = read_echo(given.family, packet, sender)
        if echo is None or echo.id != given.id or echo.seq not in self._waiting:
            return None
        seq = self._waiting[echo.seq]
        if echo.error is not None:
            return (
                Answer(seq=seq, reply=echo.error, origin=sender) if echo.dst == given.dst else None
            )
        # another program's ping may share our id: a reply from elsewhere must carry our mark
        if sender != given.dst and not echo.payload.startswith(MARK):
            return None
        return Answer(seq=seq, reply="echo reply", origin=sender)

    def _open(self) -> socket.socket:
        given = self._terms
        v6 = given.family == socket.AF_INET6
        protocol = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
        sock = socket.socket(given.family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        try:
            prepare(sock, given)
            kinds = KINDS[given.family]
            wanted = (kinds.reply, *kinds.errors)
            if v6:
                sock.setsockopt(*_V6_FILTER, _v6_mask(wanted))
            else:
                blocked = 0xFFFFFFFF & ~sum(1 << kind for kind in wanted)
                sock.setsockopt(*_RAW_FILTER, struct.pack("=I", blocked))
            sock.bind((given.src, 0))
        except BaseException:
            sock.close()
            raise
        return sock


def _v6_mask(wanted: tuple[int, ...]) -> bytes:
    """struct icmp6_filter: 256 bits, a set one blocks that type."""
    mask = [0xFFFFFFFF] * 8
    for kind in wanted:
        mask[kind >> 5] &= ~(1 << (kind & 31))
    return struct.pack("=8I", *mask)
