"""Bytes of an untrusted file: never more memory than a packet may have, whatever a length says."""

import os
from typing import BinaryIO

LARGEST = 16 << 20
"""Bytes of one block. A packet has 256 KiB at most (tcpdump's largest snap length)."""


class Damaged(Exception):
    """The file does not go on as it should, in words."""


class Stream:
    """A file's bytes with an eye on its end. Reads as python-pcapng and we do it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._at = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes; fewer at the end. Damaged: nothing sensible is that long."""
        if not 0 <= size <= LARGEST:
            raise Damaged(f"at byte {self._at} it claims a length of {size} bytes")
        data = self._file.read(min(size, max(0, self._size - self._at)))
        self._at += len(data)
        return data

    def whole(self, size: int) -> bytes:
        """Exactly `size` bytes. Damaged: the file ends before."""
        data = self.read(size)
        if len(data) < size:
            at = self._at - len(data)
            raise Damaged(f"it ends in the middle of a packet, at byte {at}")
        return data

    def peek(self, size: int) -> bytes:
        """The first bytes of a file that was not read yet."""
        data = self._file.read(size)
        self._file.seek(0)
        return data

    def tell(self) -> int:
        """Bytes read so far."""
        return self._at

    @property
    def at_end(self) -> bool:
        """Nothing is left."""
        return self._at >= self._size
