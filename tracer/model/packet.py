"""A packet as its headers say it was: what the pods said, and what the underlay carried.

Addresses are strings in their canonical form: MACs in lower-case colon form, IPs as
`ipaddress` prints them. `None` means *not known* (cut off or not decodable), never *empty*.
"""

from typing import TypeAlias

from tracer.model.record import Record

Mac: TypeAlias = str
Ip: TypeAlias = str
Net: TypeAlias = str


class InnerId(Record, frozen=True, kw_only=True):
    """Identity that survives routing, MAC rewriting and encapsulation.

    Left out on purpose: MACs (rewritten per hop), TTL and IP checksum (change per hop), the
    layer-4 checksum (CHECKSUM_PARTIAL on the sender, final on the receiver).
    """

    src: Ip
    dst: Ip
    protocol: str
    token: str
    """icmp: kind+id+seq | udp: ports+ip id+payload digest | tcp: ports+seq (SYNs and
    segments without payload marked) | ICMP errors: type+code+what they are about."""


class Arp(Record, frozen=True, kw_only=True):
    """An ARP request or reply, or IPv6's neighbour solicitation or advertisement.

    On flannel's VTEP it means that a neighbour entry was missing.
    """

    operation: str
    """`who-has` or `is-at`."""
    sender_mac: Mac
    sender_ip: Ip
    target_ip: Ip


class Inner(Record, frozen=True, kw_only=True):
    """What one pod said to another."""

    src_mac: Mac | None
    dst_mac: Mac | None
    src: Ip
    dst: Ip
    ttl: int
    protocol: str
    """`icmp`, `icmpv6`, `tcp`, `udp`, or the protocol's number in decimal."""
    ip_id: int | None
    dont_fragment: bool
    ip_length: int
    """Bytes of the IP packet by its own header. No word on the MTU when `gso_size` is set."""
    src_port: int | None = None
    dst_port: int | None = None
    tcp_seq: int | None = None
    tcp_flags: str | None = None
    """Letters of the set flags in wire order, such as `S`, `SA`, `R`, `PA`."""
    payload_length: int | None = None
    payload_digest: str | None = None
    """blake2s over the first 32 payload bytes (IPv6: 24, what fits everywhere), 16 hex digits."""
    icmp_type: int | None = None
    icmp_code: int | None = None
    icmp_id: int | None = None
    icmp_seq: int | None = None
    icmp_mtu: int | None = None
    """The next-hop MTU of "fragmentation needed" or "packet too big"."""
    quoted: InnerId | None = None
    """For an ICMP error: the packet that it is about."""


class Outer(Record, frozen=True, kw_only=True):
    """What the underlay carries around the inner frame."""

    src_mac: Mac | None
    dst_mac: Mac | None
    src: Ip
    dst: Ip
    src_port: int
    dst_port: int
    vni: int | None
    """None: a UDP datagram to the VXLAN port whose VXLAN header is cut off or malformed."""
    fragment: bool = False
    """This is a piece of an outer packet that IP fragmented."""


class Packet(Record, frozen=True, kw_only=True):
    """One frame, as far as it could be decoded."""

    outer: Outer | None = None
    inner: Inner | None = None
    arp: Arp | None = None
    src_mac: Mac | None = None
    dst_mac: Mac | None = None
    """The outermost Ethernet addresses, where the capture begins with Ethernet."""
    truncated: bool = False
    """The capture ends before the headers do."""
    undecodable: str | None = None
    """Why the rest could not be read, in words."""
