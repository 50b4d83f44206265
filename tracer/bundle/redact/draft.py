"""A frame while it is rewritten: read from what it was, written into what it will be."""

from tracer.bundle.redact.addresses import Addresses
from tracer.bundle.redact.macs import Macs


class Draft:
    """One frame. Every write stays inside; a field that is cut off at the end is zeroed."""

    def __init__(self, raw: bytes, addresses: Addresses, macs: Macs) -> None:
        self.raw = raw
        self._out = bytearray(raw)
        self._addresses, self._macs = addresses, macs

    def first(self, length: int) -> bytes:
        """The frame as far as it is kept."""
        return bytes(self._out[:length])

    def left(self, at: int) -> int:
        """Captured bytes from `at` on."""
        return max(0, len(self.raw) - at)

    def write(self, at: int, data: bytes) -> None:
        """Overwrite, up to the end of the capture."""
        data = data[: self.left(at)]
        self._out[at : at + len(data)] = data

    def zero(self, start: int, end: int) -> None:
        """Overwrite [start, end) with zeros."""
        self.write(start, bytes(max(0, end - start)))

    def mac(self, at: int) -> None:
        """Replace the MAC at `at`."""
        whole = self.left(at) >= 6
        self.write(at, self._macs.packed(self.raw[at : at + 6]) if whole else bytes(6))

    def address(self, at: int, size: int) -> None:
        """Replace the IP address of 4 or 16 bytes at `at`."""
        whole = self.left(at) >= size
        raw = self.raw[at : at + size]
        self.write(at, self._addresses.packed(raw) if whole else bytes(size))

    def checksum(self, start: int, end: int, at: int) -> None:
        """Compute the Internet checksum of [start, end) anew: right where it was right.

        One that was not computed (0) stays so; from a wrong one nobody shall compute what was.
        """
        was = self.raw[at : at + 2]
        if len(self.raw) < end or was == b"\0\0":
            self.zero(at, at + 2)
            return
        self.zero(at, at + 2)
        right = 0xFFFF - _sum(bytes(self._out[start:end]))
        if _sum(self.raw[start:end]) != 0xFFFF:
            right ^= 0x5555
        self.write(at, right.to_bytes(2, "big"))


def _sum(data: bytes) -> int:
    """Ones' complement sum of 16-bit words (RFC 1071)."""
    total = sum(data[::2]) * 256 + sum(data[1::2])
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total
