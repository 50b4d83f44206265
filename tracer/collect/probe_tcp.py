"""TCP probes: a connect() each, from a source port of its own, ended with a reset."""

import errno
import os
import select
import socket
import struct

from tracer.collect.flight import (
    Answer,
    Launch,
    Terms,
    bind_source,
    prepare,
    queued_error,
    quietly_closed,
    report_errors,
)

_SYN_SIZE: dict[int, int] = {socket.AF_INET: 60, socket.AF_INET6: 80}
"""Bytes of Linux' SYN: with MSS, SACK, timestamps and window scale."""
_LINGER_RESET = struct.pack("ii", 1, 0)
"""close() sends RST: neither side keeps a connection of ours in TIME_WAIT."""


class ConnectFlights:
    """Half a handshake each: SYN-ACK and RST both prove that the way there and back works."""

    def __init__(self, given: Terms, first_seq: int) -> None:
        self._terms = given
        self._first_seq = first_seq
        self._sockets: dict[int, socket.socket] = {}

    def files(self) -> dict[int, int]:
        """See Flights."""
        return {sock.fileno(): select.EPOLLOUT for sock in self._sockets.values()}

    def launch(self, seq: int) -> Launch:
        """See Flights."""
        given = self._terms
        sock = given.inside(self._open)
        try:
            port = bind_source(sock, given.src, given.id + seq - self._first_seq)
            code = sock.connect_ex((given.dst, given.port))
            if code not in (0, errno.EINPROGRESS, errno.ECONNREFUSED):
                raise OSError(code, os.strerror(code))
        except BaseException:
            sock.close()
            raise
        self._sockets[seq] = sock
        return Launch(size=_SYN_SIZE[given.family], src_port=port)

    def answers(self) -> list[Answer]:
        """See Flights."""
        found: list[Answer] = []
        poll = select.poll()
        by_file = {sock.fileno(): seq for seq, sock in self._sockets.items()}
        for file in by_file:
            poll.register(file, select.POLLOUT)
        for file, _ in poll.poll(0):
            answer = self._answer(by_file[file])
            if answer is not None:
                found.append(answer)
        return found

    def forget(self, seq: int) -> None:
        """See Flights."""
        sock = self._sockets.pop(seq, None)
        if sock is not None:
            quietly_closed(sock)

    def close(self) -> None:
        """See Flights."""
        for seq in list(self._sockets):
            self.forget(seq)

    def _answer(self, seq: int) -> Answer | None:
        sock = self._sockets[seq]
        # an ICMP error looks like a refusal to SO_ERROR: the queue tells them apart
        queued = queued_error(sock, self._terms.family)
        if queued is not None:
            return Answer(seq=seq, reply=queued[0], origin=queued[1])
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == errno.ECONNREFUSED:
            return Answer(seq=seq, reply="RST", origin=self._terms.dst)
        if code:
            return Answer(seq=seq, error=os.strerror(code))
        try:
            sock.getpeername()
        except OSError:
            return None
        return Answer(seq=seq, reply="SYN-ACK", origin=self._terms.dst)

    def _open(self) -> socket.socket:
        given = self._terms
        sock = socket.socket(given.family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        prepare(sock, given)
        report_errors(sock, given.family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        return sock
