"""A BPF map by its descriptor, read and written by the bpf() system call."""

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator

from tracer.collect.syscall import (
    MAP_DELETE_ELEM,
    MAP_GET_NEXT_KEY,
    MAP_LOOKUP_BATCH,
    MAP_LOOKUP_ELEM,
    MAP_UPDATE_ELEM,
    address,
    bpf,
    possible_cpus,
)

_ELEMENT = struct.Struct("=IxxxxQQQ")
"""map_fd, key, value, flags of `union bpf_attr`."""
_BATCH = struct.Struct("=QQQQIIQQ")
"""in_batch, out_batch, keys, values, count, map_fd, elem_flags, flags."""
PIECE = 128
"""Elements of an array that are read at once."""


class Map:
    """One map. Takes the descriptor over; keys and values are bytes of its own sizes."""

    def __init__(self, fd: int, value: int, *, per_cpu: bool = False) -> None:
        """`value`: bytes of an element; of a per-CPU map on each CPU, a multiple of 8."""
        self._fd = fd
        self.value_size = value * (possible_cpus() if per_cpu else 1)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def fileno(self) -> int:
        """The descriptor, which stays the map's."""
        return self._fd

    def put(self, key: bytes, value: bytes) -> None:
        """Write one element. Raises OSError; E2BIG: the map is full."""
        buffers = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value)
        bpf(MAP_UPDATE_ELEM, _ELEMENT.pack(self._fd, address(buffers[0]), address(buffers[1]), 0))

    def remove(self, key: bytes) -> None:
        """Delete one element. Raises OSError; ENOENT: there is none."""
        buffer = ctypes.create_string_buffer(key, len(key))
        bpf(MAP_DELETE_ELEM, _ELEMENT.pack(self._fd, address(buffer), 0, 0))

    def get(self, key: bytes) -> bytes:
        """One element; of a per-CPU map, that of every CPU in a row. Raises OSError."""
        buffer = ctypes.create_string_buffer(key, len(key))
        value = ctypes.create_string_buffer(self.value_size)
        bpf(MAP_LOOKUP_ELEM, _ELEMENT.pack(self._fd, address(buffer), address(value), 0))
        return value.raw

    def items(self, key_size: int) -> Iterator[tuple[bytes, bytes]]:
        """Every element of a hash map. One that goes meanwhile may be left out."""
        key = ctypes.create_string_buffer(key_size)
        after = ctypes.create_string_buffer(key_size)
        place = 0
        while True:
            try:
                bpf(MAP_GET_NEXT_KEY, _ELEMENT.pack(self._fd, place, address(after), 0))
            except OSError:  # ENOENT: that was the last
                return
            key.raw, place = after.raw, address(key)
            with contextlib.suppress(OSError):
                yield after.raw, self.get(after.raw)

    def first(self, count: int) -> Iterator[bytes]:
        """The first elements of an array."""
        for piece in self.pieces(count):
            yield from self.parts(piece)

    def pieces(self, count: int) -> Iterator[bytes]:
        """The same, PIECE elements with each system call, which lie in a row.

        One by one where the kernel cannot do that, as below 5.13 for per-CPU arrays.
        """
        keys = ctypes.create_string_buffer(4 * PIECE)
        values = ctypes.create_string_buffer(self.value_size * PIECE)
        place = ctypes.create_string_buffer(4)
        for begun in range(0, count, PIECE):
            wanted = min(PIECE, count - begun)
            request = _BATCH.pack(
                address(place) if begun else 0, address(place), address(keys), address(values),
                wanted, self._fd, 0, 0,
            )  # fmt: skip
            try:
                bpf(MAP_LOOKUP_BATCH, request)
            except OSError:
                indices = range(begun, begun + wanted)
                yield b"".join(self.get(struct.pack("=I", index)) for index in indices)
            else:
                yield ctypes.string_at(values, self.value_size * wanted)

    def parts(self, piece: bytes) -> Iterator[bytes]:
        """The elements of a piece."""
        size = self.value_size
        return (piece[start : start + size] for start in range(0, len(piece), size))
