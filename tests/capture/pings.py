"""Echo requests in a row: `python pings.py DESTINATION COUNT`. The lab has no ping of its own."""

import os
import socket
import struct
import sys
import time


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ping(destination: str, count: int) -> int:
    """Send all, 50 ms apart, and wait a moment. How many answers came."""
    ident = os.getpid() & 0xFFFF
    answers: set[int] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        for seq in range(1, count + 1):
            body = struct.pack("!BBHHH", 8, 0, 0, ident, seq) + bytes(range(56))
            body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
            raw.sendto(body, (destination, 0))
            until = time.monotonic() + (0.05 if seq < count else 0.3)
            while (left := until - time.monotonic()) > 0 and len(answers) < count:
                raw.settimeout(left)
                try:
                    packet = raw.recv(65535)
                except OSError:
                    continue
                header = (packet[0] & 15) * 4
                kind, _, _, mine, number = struct.unpack_from("!BBHHH", packet, header)
                if (kind, mine) == (0, ident):
                    answers.add(number)
    return len(answers)


if __name__ == "__main__":
    print(ping(sys.argv[1], int(sys.argv[2])))
