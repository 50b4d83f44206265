"""Traffic under which the watch stands: one TCP stream, small datagrams, and some to every peer.

    python -m tests.soak.load LEASES

Runs beside the lab (in its mount namespace). Says `sending`; at the end of stdin, what it sent.
"""

import json
import random
import select
import socket
import sys
import threading
import time

from tests.kernel.overlay import inside
from tests.soak.peers import GOING, Peer
from tests.soak.wide import widen
from tracer.lab import journal

STREAM_BYTES_S = 6_000_000
COUNTED_A_S, SMALL_A_S, PEERS_A_S = 500, 1000, 200
TICK_S = 0.02
SMALL = bytes(30)


class Load:
    """Between the lab's pods: pod-a's node is the watched one."""

    def __init__(self, leases: int) -> None:
        widen()
        plan = journal.present().plan
        self._pods = {pod.name: pod.ip for node in plan for pod in node.pods}
        self._leases = leases
        self._ending = threading.Event()
        self.sent = dict.fromkeys(("stream", "counted", "small", "peers", "answers", "failed"), 0)
        self._threads = [
            threading.Thread(target=act, daemon=True)
            for act in (self._take, self._stream, self._counted, self._small, self._peers)
        ]

    def begin(self) -> None:
        """In threads."""
        with inside("pod-b"):
            self._server = socket.create_server((self._pods["pod-b"], 7000))
        for thread in self._threads:
            thread.start()

    def end(self) -> dict[str, int]:
        """Send no more. How much it was: bytes of the stream, datagrams of the others."""
        self._ending.set()
        for thread in self._threads[1:]:
            thread.join(10)
        return self.sent

    def _take(self) -> None:
        connection, _ = self._server.accept()
        buffer = bytearray(1 << 18)
        with connection:
            while connection.recv_into(buffer):
                pass

    def _stream(self) -> None:
        chunk = bytes(int(STREAM_BYTES_S * TICK_S))
        with inside("pod-a"):
            sock = socket.create_connection((self._pods["pod-b"], 7000), 30)
        with sock:
            while not self._ending.wait(TICK_S):
                sock.sendall(chunk)
                self.sent["stream"] += len(chunk)

    def _counted(self) -> None:
        """Nobody else sends anything to that node: the watch must count exactly these."""
        self._datagrams("pod-a", "pod-c", "counted", COUNTED_A_S)

    def _small(self) -> None:
        self._datagrams("pod-b", "pod-a", "small", SMALL_A_S)

    def _datagrams(self, source: str, to: str, what: str, a_second: int) -> None:
        with inside(source):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with inside(to):
            sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sink.bind((self._pods[to], 9))
        with sock, sink:
            while not self._ending.wait(TICK_S):
                for _ in range(int(a_second * TICK_S)):
                    self._send(sock, (self._pods[to], 9), what)
                _drained(sink)

    def _peers(self) -> None:
        dice = random.Random(11)
        pods = [Peer(number).pod for number in range(self._leases) if number not in GOING]
        with inside("pod-a"):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            while not self._ending.wait(TICK_S):
                for _ in range(int(PEERS_A_S * TICK_S)):
                    self._send(sock, (dice.choice(pods), 7), "peers")
                self.sent["answers"] += _drained(sock)

    def _send(self, sock: socket.socket, to: tuple[str, int], what: str) -> None:
        try:
            sock.sendto(SMALL, to)
            self.sent[what] += 1
        except OSError:
            self.sent["failed"] += 1


def _drained(sock: socket.socket) -> int:
    count = 0
    while select.select([sock], [], [], 0)[0]:
        try:
            sock.recv(2048)
        except OSError:
            continue
        count += 1
    return count


def main() -> None:
    """Until stdin ends."""
    load = Load(int(sys.argv[1]))
    load.begin()
    time.sleep(1)
    print("sending", flush=True)
    sys.stdin.read()
    print(json.dumps(load.end()), flush=True)


if __name__ == "__main__":
    main()
