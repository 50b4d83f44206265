"""pcapng: several interfaces, each with its own link type and clock, and statistics.

python-pcapng reads blocks, numbers and options. Its block objects are passed by: their times are
floating-point numbers, a packet's flags cost 20 us, and an option that it does not know, given
twice, raises KeyError.
"""

import contextlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pcapng.exceptions import PcapngException
from pcapng.structs import (
    SECTION_HEADER_MAGIC,
    read_block_data,
    read_bytes_padded,
    read_int,
    read_section_header,
)

from tracer.capture.frame import FileReport, Frame
from tracer.capture.stream import Damaged, Stream
from tracer.model.observation import Direction

_INTERFACE, _OLD_PACKET, _SIMPLE, _STATISTICS, _ENHANCED = 1, 2, 3, 5, 6

_IF_NAME, _IF_TSRESOL, _IF_FILTER, _IF_TSOFFSET = 2, 9, 11, 14
_EPB_FLAGS = 2
_ISB_IFDROP, _ISB_OSDROP = 5, 7

_DIRECTIONS = {1: Direction.IN, 2: Direction.OUT}
_SECOND = 1_000_000_000
_LATEST = (1 << 32) * _SECOND - 1
"""In 2106, as far as pcap's 32 bits of seconds go, and gzip's."""
_MOST = 1 << 16
"""Interfaces of a section: no capture has as many, and each costs memory."""


@dataclass
class _Interface:
    link_type: int
    snap_length: int
    name: str | None = None
    per_second: int = 1_000_000
    """Ticks of its clock."""
    offset_ns: int = 0

    def time_ns(self, high: int, low: int) -> int:
        """Since 1970; what no clock can have said is cut to what it can."""
        time = ((high << 32) + low) * _SECOND // self.per_second + self.offset_ns
        return min(max(0, time), _LATEST)


def frames(stream: Stream, report: FileReport) -> Iterator[Frame]:
    """Every packet block of every section. Damaged: the blocks do not follow each other."""
    order, interfaces = "<", list[_Interface]()
    while not stream.at_end:
        began = stream.tell()
        try:
            kind = read_int(stream, 32, False, order)
            if kind == SECTION_HEADER_MAGIC:
                order, interfaces = read_section_header(stream)["endianness"], []
                continue
            body = read_block_data(stream, order)
        except (PcapngException, struct.error, RuntimeError) as error:
            end = "it ends in the middle of a block" if stream.at_end else str(error)
            raise Damaged(f"{end}, at byte {began}") from None
        try:
            frame = _block(kind, body, order, interfaces, report)
        except (PcapngException, struct.error, LookupError, ValueError, OverflowError):
            report.unreadable += 1
            continue
        if frame is not None:
            yield frame


def _block(
    kind: int, body: bytes, order: str, interfaces: list[_Interface], report: FileReport
) -> Frame | None:
    if kind == _ENHANCED:
        number, high, low, kept, length = struct.unpack_from(f"{order}5I", body)
        return _packet(interfaces[number], (high, low), kept, length, body, order)
    if kind == _INTERFACE:
        if len(interfaces) >= _MOST:
            raise Damaged(f"more than {_MOST} interfaces")
        interfaces.append(_interface(body, order, report))
    elif kind == _STATISTICS:
        number = struct.unpack_from(f"{order}I", body)[0]
        if number < len(interfaces):
            _count(body, order, number, report)
    elif kind == _SIMPLE:
        length = struct.unpack_from(f"{order}I", body)[0]
        one = interfaces[0]
        kept = min(length, one.snap_length or length, len(body) - 4)
        return Frame(None, body[4 : 4 + kept], length, one.link_type, one.name)
    elif kind == _OLD_PACKET:
        number, _, high, low, kept, length = struct.unpack_from(f"{order}2H4I", body)
        return _packet(interfaces[number], (high, low), kept, length, body, order)
    return None


def _packet(
    one: _Interface, ticks: tuple[int, int], kept: int, length: int, body: bytes, order: str
) -> Frame:
    """Packet blocks old and new have their data after 20 bytes, then options."""
    end = 20 + kept
    if end > len(body):
        raise ValueError("more data than the block has")
    rest = body[end + -kept % 4 :]
    flags = _options(rest, order).get(_EPB_FLAGS, b"") if rest else b""
    way = struct.unpack(f"{order}I", flags)[0] & 3 if len(flags) == 4 else 0
    return Frame(
        time_ns=one.time_ns(*ticks),
        data=body[20:end],
        length=length,
        link_type=one.link_type,
        ifname=one.name,
        direction=_DIRECTIONS.get(way, Direction.UNKNOWN),
    )


def _interface(body: bytes, order: str, report: FileReport) -> _Interface:
    """Never fails for its options: packets count interfaces by their order."""
    link_type, _, snap_length = struct.unpack(f"{order}HHI", body[:8].ljust(8, b"\0"))
    options = _options(body[8:], order)
    name = options.get(_IF_NAME, b"").decode("utf-8", "replace").strip("\0")
    if name:
        report.names.add(name)
    if options.get(_IF_FILTER):
        report.filters.add(options[_IF_FILTER][1:].decode("utf-8", "replace").strip("\0"))
    resolution = (options.get(_IF_TSRESOL) or b"\x06")[0]
    offset = options.get(_IF_TSOFFSET, b"")
    return _Interface(
        link_type=link_type,
        snap_length=snap_length,
        name=name or None,
        per_second=(2 if resolution & 0x80 else 10) ** (resolution & 0x7F),
        offset_ns=struct.unpack(f"{order}q", offset)[0] * _SECOND if len(offset) == 8 else 0,
    )


def _count(body: bytes, order: str, interface: int, report: FileReport) -> None:
    """The last word of each interface counts: the numbers only grow."""
    options = _options(body[12:], order)
    for code in (_ISB_IFDROP, _ISB_OSDROP):
        if len(options.get(code, b"")) == 8:
            report.dropped[(interface, code)] = struct.unpack(f"{order}Q", options[code])[0]


def _options(data: bytes, order: str) -> dict[int, bytes]:
    """Code -> the first value of each, as far as they can be read."""
    found: dict[int, bytes] = {}
    stream = io.BytesIO(data)
    with contextlib.suppress(PcapngException):
        while code := read_int(stream, 16, False, order):
            found.setdefault(code, read_bytes_padded(stream, read_int(stream, 16, False, order)))
    return found
