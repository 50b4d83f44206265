"""Capture files, frame by frame: which format, which reader, and what a file could not give."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tracer.capture.stream import Damaged, Stream
from tracer.errors import BadCapture
from tracer.model.observation import Direction

GZIP, PCAPNG = b"\x1f\x8b", b"\n\r\r\n"


class Frame(NamedTuple):
    """One packet as the capture has it. `data` begins where the link type says."""

    time_ns: int | None
    """Since 1970, by the capturing node's clock; None: the block carries no time."""
    data: bytes
    length: int
    """Bytes of the whole packet; `data` may hold fewer."""
    link_type: int
    ifname: str | None = None
    ifindex: int | None = None
    direction: Direction = Direction.UNKNOWN


@dataclass
class FileReport:
    """What a file says beside its frames, known once it was read to its end."""

    count: int = 0
    damage: str | None = None
    """Why reading ended before the file did, in words."""
    unreadable: int = 0
    """Blocks that could not be read, between others that could."""
    dropped: dict[tuple[int, int], int] = field(default_factory=dict)
    """Packets that the capturing system dropped, by interface and cause; empty: it says nothing."""
    names: set[str] = field(default_factory=set)
    """Interfaces that the file names, those without a frame too."""
    filters: set[str] = field(default_factory=set)
    """Capture filters that the file names."""


def frames(path: Path, report: FileReport) -> Iterator[Frame]:
    """The frames of a pcap or pcapng file, in the file's order, read as they are taken.

    Fills `report`. A file that ends early gives what was whole. BadCapture: it is no capture.
    """
    try:
        with path.open("rb") as file:
            stream = Stream(file)
            try:
                for frame in _reader(stream, path, report):
                    report.count += 1
                    yield frame
            except Damaged as damaged:
                report.damage = str(damaged)
    except OSError as error:
        raise BadCapture(
            f"cannot read {path.name}: {error.strerror or error}",
            where=str(path),
            hint="pass a file that tcpdump -w wrote",
        ) from None


def _reader(stream: Stream, path: Path, report: FileReport) -> Iterator[Frame]:
    from tracer.capture import pcap_in, pcapng_in

    magic = stream.peek(4)
    if magic in pcap_in.MAGICS:
        return pcap_in.frames(stream)
    if magic == PCAPNG:
        return pcapng_in.frames(stream, report)
    hint = "pass a file that tcpdump -w wrote (pcap or pcapng)"
    if magic[:2] == GZIP:
        hint = f"unpack it first: gunzip {path.name}"
    what = "it is empty" if not magic else "it is neither pcap nor pcapng"
    raise BadCapture(f"{path.name} is no capture: {what}", where=str(path), hint=hint)
