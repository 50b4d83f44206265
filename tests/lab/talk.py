"""Steady traffic for the lab's tests: echo requests of small and of full size, twenty a second.

`python talk.py DESTINATION...`. Ends when its standard input does. Prints nothing.
"""

import os
import select
import socket
import struct
import sys

from ping import opened, request  # type: ignore[import-not-found,unused-ignore]

EVERY_S = 0.05
SMALL, FULL = 56, 1422
"""Bytes of payload; the larger one fills the overlay's MTU of 1450 (of IPv6 20 bytes less)."""
FULL_EACH = 5


def main() -> None:
    """Send until nobody listens."""
    sockets = {to: opened(":" in to) for to in sys.argv[1:]}
    number = 0
    while not select.select([0], [], [], EVERY_S)[0]:
        number += 1
        for to, raw in sockets.items():
            size = FULL - 20 * (":" in to) if number % FULL_EACH == 0 else SMALL
            # a flow of its own each second: firewalls let go on what they know
            flow = (os.getpid() + number // 20) & 0xFFFF
            packet = request(128 if ":" in to else 8, flow, size)
            try:
                raw.sendto(packet, (to, 0))
            except OSError:
                continue  # what the kernel says at once is for others to find out
            while select.select([raw], [], [], 0)[0]:
                try:
                    raw.recv(65535)
                except (OSError, struct.error):
                    break


if __name__ == "__main__":
    socket.setdefaulttimeout(1)
    main()
