"""Libraries that are linked to and never called, replaced by ones that only have the names.

libLLVM is linked to the solver Z3, and by libxml2 to ICU and its data: 57 MB of which compiling a
BPF program calls nothing. Python loads libraries with RTLD_NOW, so every name that another object
asks for must be there. Whoever called one would meet a trap (SIGILL), not a wrong answer.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tools.image import elf
from tools.image.debian import objects
from tools.image.tree import Tree

HOLLOWED = ("libz3.so.", "libicuuc.so.")
NEEDED_NO_MORE = ("libicudata.so.",)
"""By the real ones of HOLLOWED alone."""

_TRAPS = {
    62: b"\x0f\x0b",  # x86_64: ud2
    183: b"\0\0\0\0",  # aarch64: udf #0
}
"""Machine, as in ELF's header -> an instruction that is undefined for good."""

_ALIGN = 0x10000
"""The largest page of any of these."""

_DYN, _READ, _WRITE, _RUN = 3, 4, 2, 1
_GLOBAL_FUNCTION = 1 << 4 | 2
_SEGMENTS = 4


def hollow(tree: Tree) -> None:
    """Do so in a tree. A machine whose trap is not known keeps the real ones."""
    needs = dict(objects(tree))
    for path, found in needs.items():
        if found.machine in _TRAPS and (found.soname or "").startswith(HOLLOWED):
            users = [other for other, one in needs.items() if found.soname in one.needed]
            data = stub(found.soname or "", _asked(tree, path, users), found.machine)
            tree.replace(path, tree[path]._replace(data=data))
    asked = {name for _, one in objects(tree) for name in one.needed}
    for path, _ in list(tree.sorted()):
        name = path.rpartition("/")[2]
        if name.startswith(NEEDED_NO_MORE) and not any(name.startswith(one) for one in asked):
            tree.remove(path)


def stub(soname: str, names: Sequence[str], machine: int) -> bytes:
    """A shared object of that name whose functions all are one trap."""
    texts, count, code = b"\0", len(names) + 1, _TRAPS[machine]
    starts = []
    for name in (soname, *names):
        starts.append(len(texts))
        texts += name.encode() + b"\0"
    # one bucket, whose chain is the whole table
    chain = [1, count, min(1, len(names)), 0, *range(2, count), 0][: 3 + count]
    table = struct.pack(f"<{len(chain)}I", *chain)
    symbols_at = elf.HEADER.size + _SEGMENTS * elf.SEGMENT.size
    hash_at = symbols_at + count * elf.SYMBOL.size
    texts_at = hash_at + len(table)
    code_at = _rounded(texts_at + len(texts))
    dynamic_at = _rounded(code_at + len(code))
    symbols = bytes(elf.SYMBOL.size) + b"".join(
        elf.SYMBOL.pack(start, _GLOBAL_FUNCTION, 0, 1, code_at, len(code)) for start in starts[1:]
    )
    tags = {
        elf.DT_SONAME: starts[0],
        elf.DT_HASH: hash_at,
        elf.DT_STRTAB: texts_at,
        elf.DT_SYMTAB: symbols_at,
        elf.DT_STRSZ: len(texts),
        elf.DT_SYMENT: elf.SYMBOL.size,
        elf.DT_NULL: 0,
    }
    dynamic = b"".join(elf.DYNAMIC.pack(*tag) for tag in tags.items())
    front = _front(machine, dynamic_at, len(dynamic))
    body = (front + symbols + table + texts).ljust(code_at, b"\0") + code
    return body.ljust(dynamic_at, b"\0") + dynamic


def _rounded(offset: int) -> int:
    return -(-offset // 16) * 16


def _front(machine: int, dynamic_at: int, size: int) -> bytes:
    """ELF's header and segments: all but the last part to be read and run, that one written."""
    written = dynamic_at + _ALIGN
    header = elf.HEADER.pack(
        elf.MAGIC, _DYN, machine, 1, 0, elf.HEADER.size, 0, 0,
        elf.HEADER.size, elf.SEGMENT.size, _SEGMENTS, 0, 0, 0,
    )  # fmt: skip
    segments = (
        (elf.PT_LOAD, _READ | _RUN, 0, 0, 0, dynamic_at, dynamic_at, _ALIGN),
        (elf.PT_LOAD, _READ | _WRITE, dynamic_at, written, written, size, size, _ALIGN),
        (elf.PT_DYNAMIC, _READ | _WRITE, dynamic_at, written, written, size, size, 8),
        (elf.PT_GNU_STACK, _READ | _WRITE, 0, 0, 0, 0, 0, 16),
    )
    return header + b"".join(elf.SEGMENT.pack(*segment) for segment in segments)


def _asked(tree: Tree, path: str, users: Sequence[str]) -> list[str]:
    """The names of a library's own that others ask for."""
    own = elf.symbols(tree[path].data).defined
    return sorted({name for user in users for name in elf.symbols(tree[user].data).asked & own})
