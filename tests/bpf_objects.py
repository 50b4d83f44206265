"""BPF programs in the kernel, by the bpf system call and /proc: what `bpftool prog` lists."""

import contextlib
import ctypes
import os
import re
import struct
import time
from collections.abc import Iterable
from pathlib import Path

from tracer.collect.syscall import address, bpf, info

PROG_GET_NEXT_ID = 11
PROG_GET_FD_BY_ID = 13
OBJ_GET_INFO_BY_FD = 15
NAME_AT = 64
"""Offset of `name` in struct bpf_prog_info (include/uapi/linux/bpf.h)."""


_PROGRAM = re.compile(r"^prog_id:\s(\d+)$", re.MULTILINE)


def held_by(pid: int | str) -> set[int]:
    """Ids of the programs that a process has open or attached (proc(5), fdinfo)."""
    found: set[int] = set()
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            found |= set(map(int, _PROGRAM.findall(entry.read_text())))
    return found


def ids(programs: Iterable[int]) -> list[int]:
    """Of programs by their descriptors."""
    return [struct.unpack_from("=I", info(program, 8), 4)[0] for program in programs]


def gone(programs: Iterable[int], patience_s: float = 5) -> bool:
    """Whether the kernel has none of these ids any more: it frees after a grace period."""
    deadline = time.monotonic() + patience_s
    return all(_gone(number, deadline) for number in programs)


def _gone(number: int, deadline: float) -> bool:
    while True:
        try:
            fd, _ = bpf(PROG_GET_FD_BY_ID, struct.pack("=III", number, 0, 0))
        except FileNotFoundError:
            return True
        os.close(fd)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)


def programs() -> dict[int, str]:
    """All ids in the kernel, and their names."""
    found: dict[int, str] = {}
    number = 0
    while True:
        try:
            _, answer = bpf(PROG_GET_NEXT_ID, struct.pack("=III", number, 0, 0))
        except FileNotFoundError:
            return found
        number = struct.unpack_from("=I", answer, 4)[0]
        try:
            fd, _ = bpf(PROG_GET_FD_BY_ID, struct.pack("=III", number, 0, 0))
        except FileNotFoundError:
            continue
        try:
            info = ctypes.create_string_buffer(256)
            bpf(OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", fd, len(info), address(info)))
            found[number] = info.raw[NAME_AT : NAME_AT + 16].split(b"\0")[0].decode()
        finally:
            os.close(fd)
