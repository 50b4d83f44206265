"""What the dynamic linker reads of a shared object: its name, and what it asks of others.

Format: the System V gABI, chapters 4 and 5. 64-bit little-endian only, which is what Debian's
amd64, arm64, ppc64el and riscv64 are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
DYNAMIC = struct.Struct("<qQ")
SYMBOL = struct.Struct("<IBBHQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")

PT_LOAD, PT_DYNAMIC, PT_GNU_STACK = 1, 2, 0x6474E551
DT_NULL, DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB = 0, 1, 4, 5, 6
DT_STRSZ, DT_SYMENT, DT_SONAME = 10, 11, 14
_SHT_DYNSYM = 11
MAGIC = b"\x7fELF\x02\x01\x01"


class Shared(NamedTuple):
    """One shared object, or a program that is linked to some."""

    machine: int
    soname: str | None
    needed: tuple[str, ...]


class Symbols(NamedTuple):
    """Names in a shared object's dynamic symbol table."""

    defined: frozenset[str]
    asked: frozenset[str]
    """To be found in another one."""


def shared(data: bytes) -> Shared | None:
    """What a file asks of the dynamic linker; None: it is no such file."""
    if not data.startswith(MAGIC):
        return None
    header = HEADER.unpack_from(data)
    segments = list(_table(data, SEGMENT, header[5], header[10]))
    tags = list(_tags(data, segments))
    one = dict(tags)
    if DT_STRTAB not in one:
        return None
    texts = _offset(segments, one[DT_STRTAB])
    return Shared(
        machine=header[2],
        soname=_text(data, texts + one[DT_SONAME]) if DT_SONAME in one else None,
        needed=tuple(_text(data, texts + value) for tag, value in tags if tag == DT_NEEDED),
    )


def symbols(data: bytes) -> Symbols:
    """The names that an object defines for others, and asks for."""
    header = HEADER.unpack_from(data)
    sections = list(_table(data, _SECTION, header[6], header[12]))
    defined: set[str] = set()
    asked: set[str] = set()
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind != _SHT_DYNSYM:
            continue
        texts = sections[link][4]
        for text, _, _, section, _, _ in SYMBOL.iter_unpack(data[offset : offset + size]):
            (defined if section else asked).add(_text(data, texts + text))
    return Symbols(frozenset(defined), frozenset(asked - {""}))


def _table(data: bytes, form: struct.Struct, start: int, count: int) -> Iterator[tuple[int, ...]]:
    return (form.unpack_from(data, start + form.size * number) for number in range(count))


def _tags(data: bytes, segments: list[tuple[int, ...]]) -> Iterator[tuple[int, int]]:
    for kind, _, offset, _, _, size, _, _ in segments:
        if kind == PT_DYNAMIC:
            for tag, value in DYNAMIC.iter_unpack(data[offset : offset + size]):
                if tag == DT_NULL:
                    return
                yield tag, value


def _offset(segments: list[tuple[int, ...]], address: int) -> int:
    """Where in the file the byte lies that is loaded at that address."""
    for kind, _, offset, start, _, size, _, _ in segments:
        if kind == PT_LOAD and start <= address < start + size:
            return offset + address - start
    return address


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()
