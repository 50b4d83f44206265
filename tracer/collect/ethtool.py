"""What a device's driver says of itself (SIOCETHTOOL). Asks only, changes nothing."""

import array
import contextlib
import fcntl
import socket
import struct
from collections.abc import Iterator

_SIOCETHTOOL = 0x8946
_GDRVINFO, _GTXCSUM = 0x3, 0x16
_DRVINFO_SIZE = 196
_VALUE_SIZE = 8


class Ethtool:
    """Answers by a device's name, in the namespace in which it was opened.

    By ioctl and not from /sys, which may belong to another namespace than we are in.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def driver(self, ifname: str) -> str | None:
        """The name of its driver; None: it says nothing."""
        info = self._ask(ifname, _GDRVINFO, _DRVINFO_SIZE)
        return info[4:36].split(b"\0")[0].decode("ascii", "replace") or None if info else None

    def tx_checksum(self, ifname: str) -> bool | None:
        """Whether it computes checksums of what it sends: `tx-checksumming` of `ethtool -k`.

        True if any of the checksum features is on (net/ethtool/ioctl.c, ETHTOOL_GTXCSUM).
        """
        answer = self._ask(ifname, _GTXCSUM, _VALUE_SIZE)
        return any(answer[4:]) if answer else None

    def _ask(self, ifname: str, command: int, size: int) -> bytes | None:
        """The kernel's answer, which begins with the command; None: it has none."""
        data = array.array("B", struct.pack("=I", command) + bytes(size - 4))
        request = struct.pack("16sP16x", ifname.encode()[:15], data.buffer_info()[0])
        try:
            fcntl.ioctl(self._socket, _SIOCETHTOOL, request)
        except OSError:
            return None
        return data.tobytes()


@contextlib.contextmanager
def ethtool() -> Iterator[Ethtool]:
    """The namespace of the calling thread, asked through one socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        yield Ethtool(sock)
