"""The consumer's side of a BPF ring buffer, straight from its shared memory.

One page holds the consumer's position, the next the producer's, then the data, mapped twice in a
row, so that no record is ever broken (kernel/bpf/ringbuf.c). A record is an 8-byte header, whose
first word is its length with two flag bits, then the payload, padded to 8 bytes.
"""

import mmap
import os
import select
import struct
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from tracer.collect.alarm import Alarm

_BUSY = 1 << 31
_DISCARDED = 1 << 30
_LENGTH = _DISCARDED - 1
_HEADER = 8
_WORD = struct.Struct("=I")
_FLAGS_AT = 3 if sys.byteorder == "little" else 0
"""In the header: both flags are in this byte, and of a length below 16 MB nothing is."""

LOOK_AGAIN_NS = 2_000_000
"""The programs wake us for the first record of half this time; those after it we look for."""


class Ring:
    """A ring buffer map, read by this process alone. Costs no system call but for the wait."""

    def __init__(self, fd: int, size: int, record: int = 0, every_ns: int = 0) -> None:
        """`fd`: the map's, which is taken over and closed with the object; `size` in bytes.

        `record`: bytes of a payload, where all are of one size, which makes reading faster; or 0.
        `every_ns`: look so often without being woken, since the programs wake us for few records;
        0: they wake us for each, or for one just before it.
        """
        self._step = _step(record) if record else 0
        self._fd = fd
        self._every_ns = every_ns
        page = mmap.PAGESIZE
        weakref.finalize(self, os.close, fd)
        self._mask = size - 1
        self._consumer = memoryview(mmap.mmap(fd, page)).cast("Q")
        shared = mmap.mmap(fd, page + 2 * size, prot=mmap.PROT_READ, offset=page)
        self._producer = memoryview(shared)[:8].cast("Q")
        self._data = memoryview(shared)[page:]
        self._barrier = threading.Lock()
        self._alarm = Alarm()
        self._ready = select.epoll()
        # by edge: of a ring that always holds something, only the programs' waking counts
        self._ready.register(fd, select.EPOLLIN | (select.EPOLLET if every_ns else 0))
        self._ready.register(self._alarm, select.EPOLLIN)

    def fileno(self) -> int:
        """For select, poll and epoll: readable when it is time for drain() or look()."""
        return self._ready.fileno()

    def drain(self) -> Iterator[memoryview]:
        """Payloads of all records that are complete, each once, in the kernel's order."""
        woken = self._woken()
        took = False
        while chunk := self.chunk():
            took = True
            view = memoryview(chunk)
            start = 0
            while start < len(chunk):
                (word,) = _WORD.unpack_from(chunk, start)
                length = word & _LENGTH
                if not word & _DISCARDED:
                    yield view[start + _HEADER : start + _HEADER + length]
                start += _step(length)
        self._rest(woken=woken, took=took)

    @contextmanager
    def look(self) -> Iterator[memoryview]:
        """batch(), for who waits for fileno(): then it is readable when the next look is due."""
        woken = self._woken()
        with self.batch() as records:
            yield records
        self._rest(woken=woken, took=len(records) > 0)

    def chunk(self) -> bytes:
        """All complete records, headers included, in one piece; their room is free again."""
        with self.batch() as records:
            return bytes(records)

    @contextmanager
    def batch(self) -> Iterator[memoryview]:
        """All complete records, headers included, where they lie; their room is free afterwards.

        Records of one size form an array: a field is every so manieth byte of it (the step of a
        memoryview), which Python copies and counts without a loop of its own.
        """
        begin = self._consumer[0]
        produced = self._producer[0]
        self._order()
        offset = begin & self._mask
        count = self._complete(offset, produced - begin)
        self._order()
        yield self._data[offset : offset + count]
        self._order()
        self._consumer[0] = begin + count

    def _woken(self) -> bool:
        """By a program, since the last look; asked where that is not the rule."""
        if not self._every_ns:
            return False
        return any(fd == self._fd for fd, _ in self._ready.poll(0))

    def _rest(self, *, woken: bool, took: bool) -> None:
        """Look again soon after what we were woken for: others right after it do not wake us."""
        if self._every_ns:
            self._alarm.set(LOOK_AGAIN_NS if woken else self._every_ns)
            return
        waiting = self._producer[0] != self._consumer[0]
        self._alarm.set(LOOK_AGAIN_NS if took or waiting else 0)

    def _complete(self, offset: int, available: int) -> int:
        """Bytes up to the first record that is still being written."""
        if self._step and available and self._all_complete(offset, available):
            return available
        count = 0
        while count < available:
            (word,) = _WORD.unpack_from(self._data, offset + count)
            if word & _BUSY:
                break
            count += _step(word & _LENGTH)
        return count

    def _all_complete(self, offset: int, available: int) -> bool:
        """No flag is set in any header of records of one size: the last byte of each first word."""
        flags = bytes(self._data[offset + _FLAGS_AT : offset + available : self._step])
        return flags.count(0) == len(flags)

    def _order(self) -> None:
        """Python has no memory barrier; taking a lock holds one.

        The kernel's side stores with release: a header that says complete has its payload behind
        it only for a reader that loads in that order. x86_64 does so by itself, aarch64 does not.
        """
        with self._barrier:
            pass


def _step(length: int) -> int:
    return (length + _HEADER + 7) & ~7
