"""The bpf() system call, by architecture: neither Python nor the C library has it."""

import ctypes
import os
import platform
import re
import struct
from functools import cache
from pathlib import Path

from tracer.errors import NotSupported

_NUMBERS = {
    "x86_64": 321,
    "aarch64": 280,
    "riscv64": 280,
    "loongarch64": 280,
    "ppc64le": 361,
    "s390x": 351,
}
"""From each architecture's table of system calls in the kernel's sources."""

MAP_CREATE = 0
MAP_LOOKUP_ELEM = 1
MAP_UPDATE_ELEM = 2
MAP_DELETE_ELEM = 3
MAP_GET_NEXT_KEY = 4
PROG_LOAD = 5
PROG_TEST_RUN = 10
OBJ_GET_INFO_BY_FD = 15
RAW_TRACEPOINT_OPEN = 17
MAP_LOOKUP_BATCH = 24
LINK_CREATE = 28
LINK_UPDATE = 29
ENABLE_STATS = 32

_ATTR = 144
"""Longer than any `union bpf_attr` used here; the kernel wants the rest to be zero."""

_libc = ctypes.CDLL(None, use_errno=True)


def number(machine: str | None = None) -> int:
    """bpf's number on this machine. Raises NotSupported."""
    name = machine or platform.machine()
    if name not in _NUMBERS:
        raise NotSupported(
            f"the number of the bpf system call on {name} is not known",
            where="tracer/collect/syscall.py",
            hint=f"flantrace knows {', '.join(_NUMBERS)}",
        )
    return _NUMBERS[name]


def bpf(command: int, attributes: bytes) -> tuple[int, bytes]:
    """(result, attributes as the kernel left them). Raises OSError."""
    attr = ctypes.create_string_buffer(attributes, _ATTR)
    result = int(_libc.syscall(number(), command, attr, _ATTR))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result, attr.raw


def info(fd: int, size: int) -> bytes:
    """What the kernel tells of a program or a link, cut to `size` bytes. Raises OSError.

    What a kernel is too old to tell is nought.
    """
    buffer = ctypes.create_string_buffer(size)
    bpf(OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", fd, size, address(buffer)))
    return buffer.raw


def address(buffer: "ctypes.Array[ctypes.c_char]") -> int:
    """Where a buffer lies, for a pointer field."""
    return ctypes.addressof(buffer)


@cache
def possible_cpus() -> int:
    """As many values has an element of a per-CPU map."""
    possible = Path("/sys/devices/system/cpu/possible").read_text()
    return int(re.findall(r"\d+", possible)[-1]) + 1


def per_cpu_counts(fd: int) -> tuple[int, ...]:
    """The counters at index 0 of a per-CPU array of u64, one for each possible CPU."""
    count = possible_cpus()
    values = ctypes.create_string_buffer(8 * count)
    key = ctypes.create_string_buffer(4)
    bpf(MAP_LOOKUP_ELEM, struct.pack("=IxxxxQQQ", fd, address(key), address(values), 0))
    return struct.unpack(f"={count}Q", values.raw)
