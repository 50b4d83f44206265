"""A small ping for the lab's tests: prints `echo reply`, an ICMP error, or `nothing`.

`python ping.py DESTINATION [PAYLOAD_BYTES] [SECONDS]`. The machine may have no ping of its own.
"""

import os
import socket
import struct
import sys
import time

V4_DONT_FRAGMENT = (socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, DO
V6_DONT_FRAGMENT = (socket.IPPROTO_IPV6, 62, 1)  # IPV6_DONTFRAG


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = int(sum(struct.unpack(f"!{len(data) // 2}H", data)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def request(kind: int, ident: int, size: int) -> bytes:
    """Over IPv6 the kernel fills in the checksum."""
    payload = bytes(range(256)) * (size // 256 + 1)
    body = struct.pack("!BBHHH", kind, 0, 0, ident, 1) + payload[:size]
    return body[:2] + struct.pack("!H", checksum(body)) + body[4:]


def opened(v6: bool) -> socket.socket:
    family = socket.AF_INET6 if v6 else socket.AF_INET
    raw = socket.socket(
        family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
    )
    raw.setsockopt(*(V6_DONT_FRAGMENT if v6 else V4_DONT_FRAGMENT))
    return raw


def ping(destination: str, size: int, seconds: float) -> str:
    v6 = ":" in destination
    reply, errors = (129, (1, 2, 3)) if v6 else (0, (3, 11))
    ident = os.getpid() & 0xFFFF
    with opened(v6) as raw:
        try:
            raw.sendto(request(128 if v6 else 8, ident, size), (destination, 0))
        except OSError as error:
            return error.strerror or repr(error)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            raw.settimeout(left)
            try:
                packet, source = raw.recvfrom(65535)
            except TimeoutError:
                break
            # IPv4's raw sockets hand out the IP header as well.
            header = 0 if v6 else (packet[0] & 15) * 4
            kind, code = packet[header : header + 2]
            if kind == reply and packet[header + 4 : header + 6] == struct.pack("!H", ident):
                return "echo reply"
            if kind in errors:
                return f"icmp {kind}/{code} from {source[0]}"
    return "nothing"


if __name__ == "__main__":
    words = [*sys.argv[1:], "56", "1"][:3] if len(sys.argv) < 4 else sys.argv[1:4]
    if len(sys.argv) == 3:
        words = [sys.argv[1], sys.argv[2], "1"]
    print(ping(words[0], int(words[1]), float(words[2])))
