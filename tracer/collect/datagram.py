"""The underlay's test: one UDP datagram to the VXLAN port and one to each other port, all alike."""

import os
import socket
import struct

from tracer.collect import words
from tracer.model.message import Datagram

UNUSED_VNI = 16777214
_VXLAN = struct.Struct("!B3xI")
_VNI_IS_VALID = 0x08
_ETHERTYPE_LOCAL = 0x88B5
"""IEEE 802 local experimental: no protocol takes it."""
_FROM, _TO = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
_SHORTEST_PAYLOAD = 46


def send(order: Datagram, vni: int = UNUSED_VNI) -> tuple[str, ...]:
    """Send the datagrams; returns what could not be sent, in words.

    They are well-formed VXLAN of a network that nobody has: firewalls on the way treat them as
    the overlay's, and the receiver drops them before any device of its counts them.
    """
    try:
        family, _ = words.packed_ip(order.src)
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    except (OSError, ValueError) as error:
        return (f"no test datagram from {order.src}: {error}",)
    with sock:
        try:
            sock.bind((order.src, order.src_port))
        except OSError as error:
            return (f"no test datagram from {order.src} port {order.src_port}: {error.strerror}",)
        return tuple(text for port in order.ports for text in _send(sock, order.dst, port, vni))


def _send(sock: socket.socket, dst: str, port: int, vni: int) -> tuple[str, ...]:
    try:
        sock.sendto(_frame(vni), (dst, port))
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        return (f"no test datagram to {dst} port {port}: {why}",)
    return ()


def _frame(vni: int) -> bytes:
    ethernet = _TO + _FROM + struct.pack("!H", _ETHERTYPE_LOCAL)
    text = b"flantrace underlay test".ljust(_SHORTEST_PAYLOAD, b"\0")
    return _VXLAN.pack(_VNI_IS_VALID, vni << 8) + ethernet + text
