"""That something changes in a pod's network, heard outside of it: in another network namespace.

The kernel tells of all namespaces that have a number here (net/netlink/af_netlink.c,
NETLINK_LISTEN_ALL_NSID); the end of a veth gives one to that of its other end.
"""

import socket
import struct
from collections.abc import Container

from tracer.collect.closing import Closing

_SOL_NETLINK = 270
_LISTEN_ALL_NSID = 8
_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
"""include/uapi/linux/rtnetlink.h: links, addresses and routes of both families."""
_NUMBER = struct.Struct("=i")


class PodNotices(Closing):
    """A socket that hears of it, where CAP_NET_BROADCAST lets it; else it hears nothing."""

    def __init__(self) -> None:
        """OSError: rtnetlink is refused."""
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        try:
            self._socket.setsockopt(_SOL_NETLINK, _LISTEN_ALL_NSID, 1)
            self._socket.bind((0, _GROUPS))
        except PermissionError:
            pass
        except OSError:
            self._socket.close()
            raise
        self._socket.setblocking(False)

    def close(self) -> None:
        """Hear nothing more."""
        self._socket.close()

    def fileno(self) -> int:
        """For select and poll: readable when there is news, of this namespace as well."""
        return self._socket.fileno()

    def read(self, numbers: Container[int | None]) -> bool:
        """Whether there is news since the last call of one of the namespaces with these numbers.

        True as well where some may have been lost.
        """
        told = False
        while True:
            try:
                # a notice need not be whole: all that counts is where it comes from
                _, told_of, _, _ = self._socket.recvmsg(16, socket.CMSG_SPACE(_NUMBER.size))
            except BlockingIOError:
                return told
            except OSError:
                told = True
                continue
            for level, kind, data in told_of:
                if (level, kind) == (_SOL_NETLINK, _LISTEN_ALL_NSID):
                    told = told or _NUMBER.unpack(data)[0] in numbers
