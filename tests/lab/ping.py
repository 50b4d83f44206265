"""A small ping for the lab's tests: prints `echo reply`, an ICMP error, or `nothing`.

`python ping.py DESTINATION [PAYLOAD_BYTES] [SECONDS]`. The machine may have no ping of its own.
"""

import os
import socket
import struct
import sys
import time


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = int(sum(struct.unpack(f"!{len(data) // 2}H", data)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ping(destination: str, size: int, seconds: float) -> str:
    ident = os.getpid() & 0xFFFF
    payload = bytes(range(256)) * (size // 256 + 1)
    body = struct.pack("!BBHHH", 8, 0, 0, ident, 1) + payload[:size]
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, DO: Don't Fragment
        try:
            raw.sendto(body, (destination, 0))
        except OSError as error:
            return error.strerror or repr(error)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            raw.settimeout(left)
            try:
                packet, source = raw.recvfrom(65535)
            except TimeoutError:
                break
            header = (packet[0] & 15) * 4
            kind, code = packet[header : header + 2]
            if kind == 0 and packet[header + 4 : header + 6] == struct.pack("!H", ident):
                return "echo reply"
            if kind in (3, 11):
                return f"icmp {kind}/{code} from {source[0]}"
    return "nothing"


if __name__ == "__main__":
    words = [*sys.argv[1:], "56", "1"][:3] if len(sys.argv) < 4 else sys.argv[1:4]
    if len(sys.argv) == 3:
        words = [sys.argv[1], sys.argv[2], "1"]
    print(ping(words[0], int(words[1]), float(words[2])))
