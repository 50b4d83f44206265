"""Classic pcap. dpkt knows the headers of all its variants.

Its own reader is not used: it gives no packet's original length, without which a cut frame cannot
be told from a short one, and it believes every length that it reads.
"""

from collections.abc import Iterator
from typing import Any

from dpkt import pcap

from tracer.capture.frame import Frame
from tracer.capture.stream import Stream
from tracer.model.observation import Direction

MAGICS = frozenset(magic.to_bytes(4, "big") for magic in pcap.MAGIC_TO_PKT_HDR)
"""Either byte order; micro- and nanoseconds; with and without Kuznetzov's longer header."""

_NANO = {pcap.TCPDUMP_MAGIC_NANO, pcap.PMUDPCT_MAGIC_NANO}
_BIG = {pcap.TCPDUMP_MAGIC, pcap.TCPDUMP_MAGIC_NANO, pcap.MODPCAP_MAGIC}
_LINK_TYPE = 0x03FFFFFF
"""The bits above tell the length of a frame check sequence (libpcap, pcap-common.h)."""
_OUTGOING = 4
"""PACKET_OUTGOING (linux/if_packet.h)."""


def frames(stream: Stream) -> Iterator[Frame]:
    """Every record. Damaged: the last one is cut off, or claims an impossible length."""
    raw = stream.whole(pcap.FileHdr.__hdr_len__)
    magic = int.from_bytes(raw[:4], "big")
    head = (pcap.FileHdr if magic in _BIG else pcap.LEFileHdr)(raw)
    record = pcap.MAGIC_TO_PKT_HDR[magic]
    size, unit = record.__hdr_len__, 1 if magic in _NANO else 1000
    link_type = head.linktype & _LINK_TYPE
    while not stream.at_end:
        packet = record(stream.whole(size))
        yield Frame(
            time_ns=packet.tv_sec * 1_000_000_000 + packet.tv_usec * unit,
            data=stream.whole(packet.caplen),
            length=packet.len,
            link_type=link_type,
            ifindex=getattr(packet, "ifindex", None),
            direction=_direction(packet),
        )


def _direction(packet: Any) -> Direction:
    kind = getattr(packet, "pkt_type", None)
    if kind is None:
        return Direction.UNKNOWN
    return Direction.OUT if kind == _OUTGOING else Direction.IN
