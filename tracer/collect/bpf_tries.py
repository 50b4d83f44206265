"""Small BPF programs of our own that tell what the kernel allows, one thing at a time.

Written in BPF's own instructions: they need neither BCC nor LLVM. Everything is a file descriptor
that is closed at once.
"""

import contextlib
import ctypes
import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator, Sequence

from tracer.collect.hooks import open_raw_tracepoint
from tracer.collect.syscall import LINK_CREATE, MAP_CREATE, PROG_LOAD, address, bpf
from tracer.errors import NotSupported
from tracer.model.health import Try

_RING_BUFFER = 27
_SCHED_CLS, _RAW_TRACEPOINT = 3, 17
_TCX_INGRESS = 46
_PROBE_READ_KERNEL = 113

_LOG_BYTES = 4096

_NEXT = -1
"""TCX_NEXT, TC_ACT_UNSPEC: as if the program were not there."""


def _instruction(code: int, to: int = 0, of: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhi", code, to | of << 4, offset, value)


def _set(register: int, value: int) -> bytes:
    return _instruction(0xB7, register, value=value)


def _copy(to: int, of: int) -> bytes:
    return _instruction(0xBF, to, of)


def _load(to: int, of: int, offset: int) -> bytes:
    """Eight bytes from where the register `of` points to."""
    return _instruction(0x79, to, of, offset)


_EXIT = _instruction(0x95)
_PASS = (_set(0, _NEXT), _EXIT)
_END = (_set(0, 0), _EXIT)

_READS_MEMORY = (
    _load(3, 1, 0),  # kfree_skb's first argument, the packet
    _copy(1, 10),
    _instruction(0x07, 1, value=-8),  # room on the stack
    _set(2, 8),
    _instruction(0x85, value=_PROBE_READ_KERNEL),
    *_END,
)
_READS_REASON = (_load(0, 1, 16), *_END)
"""The tracepoint's third argument."""


def ring() -> Try:
    """Make a ring buffer."""

    def make() -> str:
        attributes = struct.pack("=IIII", _RING_BUFFER, 0, 0, os.sysconf("SC_PAGE_SIZE"))
        os.close(bpf(MAP_CREATE, attributes)[0])
        return ""

    return tried(make)


def device_program() -> Try:
    """Load a program for devices."""
    return tried(lambda: _loaded(_SCHED_CLS, _PASS, lambda _program: ""))


def memory_program() -> Try:
    """Load one that reads the kernel's memory."""
    return tried(lambda: _loaded(_RAW_TRACEPOINT, _READS_MEMORY, lambda _program: ""))


def tcx() -> Try:
    """Attach one to the loopback device as a tcx link (Linux 6.6)."""

    def attach(program: int) -> str:
        ifindex = socket.if_nametoindex("lo")
        os.close(bpf(LINK_CREATE, struct.pack("=IIII", program, ifindex, _TCX_INGRESS, 0))[0])
        return ""

    return tried(lambda: _loaded(_SCHED_CLS, _PASS, attach))


def drops() -> Try:
    """Attach one to where the kernel frees packets."""
    return tried(lambda: _loaded(_RAW_TRACEPOINT, _END, _traced))


def reasons() -> Try:
    """The same with one that reads the reason: the kernel refuses where there is none."""
    return tried(lambda: _loaded(_RAW_TRACEPOINT, _READS_REASON, _traced))


def _traced(program: int) -> str:
    os.close(open_raw_tracepoint(program, "kfree_skb"))
    return ""


def tried(what: Callable[[], str]) -> Try:
    """Do it, and keep what was said."""
    try:
        return Try(worked=True, said=what())
    except OSError as error:
        return Try(worked=False, said=error.strerror or str(error))
    except NotSupported as error:
        return Try(worked=False, said=error.what)


def _loaded(kind: int, program: Sequence[bytes], use: Callable[[int], str]) -> str:
    with _program(kind, b"".join(program)) as descriptor:
        return use(descriptor)


@contextlib.contextmanager
def _program(kind: int, code: bytes) -> Iterator[int]:
    """A loaded program's descriptor. OSError: with the verifier's last word, where it has one."""
    instructions = ctypes.create_string_buffer(code, len(code))
    licence = ctypes.create_string_buffer(b"GPL")
    log = ctypes.create_string_buffer(_LOG_BYTES)
    attributes = struct.pack(
        "=IIQQIIQ", kind, len(code) // 8, address(instructions), address(licence),
        1, _LOG_BYTES, address(log),
    )  # fmt: skip
    try:
        descriptor, _ = bpf(PROG_LOAD, attributes)
    except OSError as error:
        said = [line for line in log.value.decode(errors="replace").splitlines() if line]
        words = [line for line in said if not line.startswith(("processed", "0:", "func#"))]
        if words and error.errno != errno.EPERM:
            raise OSError(error.errno, f"{error.strerror}: {words[-1]}") from error
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)
