"""Capture files, frame by frame: which format, which reader, and what a file could not give."""

from collections.abc import Iterator
from pathlib import Path

from tracer.capture import pcap_in, pcapng_in
from tracer.capture.frame import FileReport, Frame
from tracer.capture.stream import Damaged, Stream
from tracer.errors import BadCapture

GZIP, PCAPNG = b"\x1f\x8b", b"\n\r\r\n"


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
