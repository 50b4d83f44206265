"""Frames to run the programs with, made byte by byte."""

import ipaddress
import struct

_MACS = bytes.fromhex("0242c00002020242c0000201")


def ipv4(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    length = 20 + len(payload)
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    return struct.pack("!BBHHHBBH", 0x45, 0, length, 7, 0, 64, protocol, 0) + addresses + payload


def ethernet(payload: bytes, ethertype: int = 0x0800) -> bytes:
    return _MACS + ethertype.to_bytes(2, "big") + payload


def echo(source: str, destination: str) -> bytes:
    """An ICMP echo request of 84 bytes, in Ethernet."""
    return ethernet(ipv4(source, destination, 1, struct.pack("!BBHHH", 8, 0, 0, 7, 1) + bytes(56)))


def tcp(source: str, destination: str) -> bytes:
    """A TCP segment without payload, in Ethernet."""
    segment = struct.pack("!HHIIBBHHH", 40000, 80, 1, 1, 5 << 4, 16, 512, 0, 0)
    return ethernet(ipv4(source, destination, 6, segment))


def vxlan(frame: bytes, port: int = 8472) -> bytes:
    """The frame on the underlay."""
    inside = bytes([8, 0, 0, 0, 0, 0, 1, 0]) + frame
    udp = struct.pack("!HHHH", 50000, port, 8 + len(inside), 0) + inside
    return ethernet(ipv4("192.0.2.11", "192.0.2.12", 17, udp))
