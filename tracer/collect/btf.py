"""The running kernel's types (BTF): where a member of a struct lies, what an enum's values are.

Through libbpf where it is installed (11 ms for all of vmlinux), else by a scan in plain Python
(80 ms and more). Format: Documentation/bpf/btf.rst of the kernel.
"""

import ctypes
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

VMLINUX = Path("/sys/kernel/btf/vmlinux")

STRUCT, UNION, ENUM, TYPEDEF, FUNC_PROTO, ENUM64 = 4, 5, 6, 8, 13, 19
_PTR, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG = 2, 9, 10, 11, 18
_MODIFIERS = frozenset({TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG})

_TYPE = struct.Struct("=III")
_MEMBER = struct.Struct("=III")
_HEADER = struct.Struct("=HBBIIIII")
_MAGIC = 0xEB9F
_TAIL = {1: 4, 3: 12, 14: 4, 17: 4}
"""Bytes behind a type of this kind, whatever its vlen: INT, ARRAY, VAR, DECL_TAG."""
_PER_VLEN = {STRUCT: 12, UNION: 12, ENUM: 8, FUNC_PROTO: 8, 15: 12, ENUM64: 12}
"""Bytes behind a type of this kind for each of its vlen; 15 is DATASEC."""


class _Source(Protocol):
    """Where types come from."""

    def find(self, name: str, kind: int) -> int | None:
        """Id of the type."""

    def raw(self, number: int) -> bytes:
        """The type with what follows it; longer is allowed."""

    def text(self, offset: int) -> str:
        """A string of the string section."""


class Btf:
    """Types by name. Look-ups answer None for what this kernel does not have."""

    def __init__(self, source: _Source) -> None:
        self._source = source

    def offset(self, name: str, *path: str) -> int | None:
        """Byte offset of a member, through nested structs: `offset("net", "ns", "inum")`."""
        number = self._source.find(name, STRUCT)
        total = 0
        for member in path:
            if number is None:
                return None
            found = self._member(number, member)
            if found is None:
                return None
            bits, number = found
            total += bits
        return total // 8

    def values(self, name: str) -> dict[str, int]:
        """An enum's values; empty where there is no such enum."""
        number = self._source.find(name, ENUM)
        if number is None:
            return {}
        raw, _, vlen, _ = self._type(number)
        size = _PER_VLEN[ENUM]
        pairs = (struct.unpack_from("=Ii", raw, 12 + size * i) for i in range(vlen))
        return {self._source.text(text): value for text, value in pairs}

    def arguments(self, typedef: str) -> int | None:
        """How many arguments the function has to which this typedef points."""
        number = self._source.find(typedef, TYPEDEF)
        while number is not None:
            _, kind, vlen, target = self._type(number)
            if kind == FUNC_PROTO:
                return vlen
            if kind not in _MODIFIERS and kind != _PTR:
                return None
            number = target
        return None

    def _type(self, number: int) -> tuple[bytes, int, int, int]:
        """(raw, kind, vlen, size or type)."""
        raw = self._source.raw(number)
        _, info, size = _TYPE.unpack_from(raw)
        return raw, info >> 24 & 31, info & 0xFFFF, size

    def _member(self, number: int, name: str) -> tuple[int, int] | None:
        """(bit offset, type id), looking into anonymous structs and unions as C does."""
        raw, kind, vlen, target = self._type(number)
        while kind in _MODIFIERS:
            raw, kind, vlen, target = self._type(target)
        if kind not in (STRUCT, UNION):
            return None
        bitfields = _TYPE.unpack_from(raw)[1] >> 31
        for i in range(vlen):
            text, member, bits = _MEMBER.unpack_from(raw, 12 + 12 * i)
            if bitfields:
                bits &= 0xFFFFFF
            label = self._source.text(text)
            if label == name:
                return bits, member
            inside = None if label else self._member(member, name)
            if inside is not None:
                return bits + inside[0], inside[1]
        return None


class Libbpf:
    """vmlinux BTF held by libbpf. Kept for the process's life: freeing 5 MB buys nothing."""

    def __init__(self) -> None:
        """Raises OSError where libbpf or the kernel's BTF is missing."""
        lib = ctypes.CDLL("libbpf.so.1", use_errno=True)
        lib.btf__load_vmlinux_btf.restype = ctypes.c_void_p
        lib.btf__find_by_name_kind.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32]
        lib.btf__type_by_id.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        lib.btf__type_by_id.restype = ctypes.c_void_p
        lib.btf__name_by_offset.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        lib.btf__name_by_offset.restype = ctypes.c_char_p
        lib.libbpf_set_print(None)
        self._lib = lib
        self._btf = lib.btf__load_vmlinux_btf()
        if not self._btf:
            raise OSError(ctypes.get_errno(), f"libbpf cannot load {VMLINUX}")

    def find(self, name: str, kind: int) -> int | None:
        """Id of the type."""
        number = int(self._lib.btf__find_by_name_kind(self._btf, name.encode(), kind))
        return number if number > 0 else None

    def raw(self, number: int) -> bytes:
        """The type with what follows it."""
        address = self._lib.btf__type_by_id(self._btf, number)
        if not address:
            return bytes(12)
        info = _TYPE.unpack(ctypes.string_at(address, 12))[1]
        behind = _PER_VLEN.get(info >> 24 & 31, 0) * (info & 0xFFFF)
        return ctypes.string_at(address, 12 + behind)

    def text(self, offset: int) -> str:
        """A string of the string section."""
        return (self._lib.btf__name_by_offset(self._btf, offset) or b"").decode()


class Scan:
    """The same from the file's bytes."""

    def __init__(self, data: bytes) -> None:
        """Raises ValueError when this is not BTF of this machine's byte order."""
        if len(data) < _HEADER.size:
            raise ValueError("BTF is cut off")
        magic, _, _, length, types, types_length, texts, texts_length = _HEADER.unpack_from(data)
        if magic != _MAGIC:
            raise ValueError("not BTF")
        self._types = data[length + types : length + types + types_length]
        self._texts = data[length + texts : length + texts + texts_length]
        self._starts = [0, *self._walk()]

    def find(self, name: str, kind: int) -> int | None:
        """Id of the type."""
        wanted = name.encode()
        for number, start in enumerate(self._starts[1:], 1):
            text, info, _ = _TYPE.unpack_from(self._types, start)
            if info >> 24 & 31 == kind and self._texts.startswith(wanted + b"\0", text):
                return number
        return None

    def raw(self, number: int) -> bytes:
        """The type and everything behind it, up to the longest there can be."""
        if number == 0:
            return bytes(12)
        start = self._starts[number]
        vlen = _TYPE.unpack_from(self._types, start)[1] & 0xFFFF
        return self._types[start : start + 12 + 12 * vlen]

    def text(self, offset: int) -> str:
        """A string of the string section."""
        return self._texts[offset : self._texts.index(b"\0", offset)].decode()

    def _walk(self) -> Iterator[int]:
        start, end = 0, len(self._types)
        types, unpack = self._types, struct.Struct("=I").unpack_from
        while start + 12 <= end:
            yield start
            (info,) = unpack(types, start + 4)
            kind = info >> 24 & 31
            start += 12 + _TAIL.get(kind, 0) + _PER_VLEN.get(kind, 0) * (info & 0xFFFF)


def load() -> Btf | None:
    """The running kernel's BTF; None on a kernel built without it."""
    try:
        return Btf(Libbpf())
    except (OSError, AttributeError):  # no libbpf.so.1, no BTF, or a libbpf without these calls
        pass
    try:
        return Btf(Scan(VMLINUX.read_bytes()))
    except (OSError, ValueError):
        return None
