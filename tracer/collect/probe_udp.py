"""UDP probes: one datagram each, from a source port of its own."""

import select
import socket

from tracer.collect.flight import (
    IP_HEADER,
    Answer,
    Launch,
    Terms,
    bind_source,
    payload,
    prepare,
    queued_error,
    quietly_closed,
    report_errors,
)

_UDP_HEADER = 8
_SMALL_PAYLOAD = 32
_BUFFER = 65536


class DatagramFlights:
    """Datagrams; answered by a datagram or by "port unreachable"."""

    def __init__(self, given: Terms, first_seq: int) -> None:
        self._terms = given
        self._first_seq = first_seq
        self._header = IP_HEADER[given.family] + _UDP_HEADER
        self._sockets: dict[int, socket.socket] = {}

    def files(self) -> dict[int, int]:
        """See Flights."""
        return {sock.fileno(): select.EPOLLIN for sock in self._sockets.values()}

    def launch(self, seq: int) -> Launch:
        """See Flights."""
        given = self._terms
        room = _SMALL_PAYLOAD if given.size is None else given.size - self._header
        data = payload(seq, room)
        sock = given.inside(self._open)
        try:
            port = bind_source(sock, given.src, given.id + seq - self._first_seq)
            sock.sendto(data, (given.dst, given.port))
        except BaseException:
            sock.close()
            raise
        self._sockets[seq] = sock
        return Launch(size=self._header + len(data), src_port=port)

    def answers(self) -> list[Answer]:
        """See Flights."""
        found = (self._answer(seq, sock) for seq, sock in self._sockets.items())
        return [answer for answer in found if answer is not None]

    def forget(self, seq: int) -> None:
        """See Flights."""
        sock = self._sockets.pop(seq, None)
        if sock is not None:
            quietly_closed(sock)

    def close(self) -> None:
        """See Flights."""
        for seq in list(self._sockets):
            self.forget(seq)

    def _answer(self, seq: int, sock: socket.socket) -> Answer | None:
        queued = queued_error(sock, self._terms.family)
        if queued is not None:
            return Answer(seq=seq, reply=queued[0], origin=queued[1])
        try:
            _, sender = sock.recvfrom(_BUFFER)
        except OSError:
            return None  # nothing yet; errors come by the queue
        return Answer(seq=seq, reply="datagram", origin=str(sender[0]).partition("%")[0])

    def _open(self) -> socket.socket:
        given = self._terms
        sock = socket.socket(given.family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        prepare(sock, given)
        report_errors(sock, given.family)
        return sock
