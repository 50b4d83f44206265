"""Traffic of which each packet can be told from all others, for the lab's tests.

`python varied.py PORT` answers, UDP and TCP alike; `python varied.py PORT DESTINATION...` asks: ten
times a second a datagram with a number, and a TCP connection with a line each way. Ends when its
standard input does. Prints nothing.
"""

import contextlib
import select
import socket
import sys

EVERY_S = 0.1


def opened() -> socket.socket:
    """For datagrams."""
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def answer(port: int) -> None:
    """Until nobody listens to us any more."""
    datagrams = opened()
    datagrams.bind(("", port))
    streams = socket.create_server(("", port))
    while True:
        ready, _, _ = select.select([sys.stdin, datagrams, streams], [], [])
        if sys.stdin in ready:
            return
        if datagrams in ready:
            data, sender = datagrams.recvfrom(2048)
            datagrams.sendto(b"answer to " + data, sender)
        if streams in ready:
            connection, _ = streams.accept()
            with connection, contextlib.suppress(OSError):
                connection.settimeout(1)
                connection.sendall(b"answer to " + connection.recv(2048))


def ask(port: int, destinations: list[str]) -> None:
    """Whoever does not answer is asked again."""
    number = 0
    while not select.select([0], [], [], EVERY_S)[0]:
        number += 1
        for to in destinations:
            with contextlib.suppress(OSError), opened() as datagram:
                datagram.sendto(f"question {number:08}".encode(), (to, port))
            with contextlib.suppress(OSError), socket.create_connection((to, port), 0.2) as stream:
                stream.sendall(f"line {number:08}".encode())
                stream.recv(2048)


if __name__ == "__main__":
    if sys.argv[2:]:
        ask(int(sys.argv[1]), sys.argv[2:])
    else:
        answer(int(sys.argv[1]))
