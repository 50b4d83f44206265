"""Bytes of a frame -> Packet: Ethernet, VLAN tags, ARP, IP, VXLAN one level deep.

Never raises: what is cut off or malformed is said in the Packet.
"""

from struct import unpack_from

from tracer.core.identity import identity_of
from tracer.core.network import IpHeader, Unreadable, ip_header, ip_text
from tracer.core.transport import ICMPV6, NAMES, OTHER, UDP, Transport, digest, transport
from tracer.model.observation import Device, Direction, Observation
from tracer.model.packet import Arp, Inner, InnerId, Mac, Outer, Packet

IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
VLAN_TAGS = {0x8100, 0x88A8}
_PODS_VIEW = {Device.POD, Device.BRIDGE, Device.VTEP}
_DIGESTED = {4: 32, 6: 24}
"""Payload bytes in the digest. IPv6 in IPv6 leaves room for 24 of the 160 captured."""


class _Frame:
    """One decoding: the bytes, and which UDP ports mean VXLAN."""

    def __init__(self, data: bytes, ports: frozenset[int], wire_length: int) -> None:
        self.data = data
        self.ports = ports
        self.wire_length = wire_length


def decode(observation: Observation, vxlan_ports: frozenset[int]) -> Packet:
    """One observation's headers as far as they can be read. Never raises."""
    frame = _Frame(observation.headers, ports_here(observation, vxlan_ports), observation.length)
    if observation.ethernet:
        return _ethernet(frame, 0, observation)
    return _network(frame, 0, observation.ethertype, None, observation)


def ports_here(observation: Observation, ports: frozenset[int]) -> frozenset[int]:
    """On the pods' side of the VTEP a datagram to the VXLAN port is the pods' own affair.

    Not so for freed ones: dropped in OUTPUT, it has outer headers, and still flannel.1 as device.
    """
    pods_view = observation.device in _PODS_VIEW and observation.direction is not Direction.FREED
    return frozenset() if pods_view else ports


def _ethernet(frame: _Frame, at: int, observation: Observation | None) -> Packet:
    """A frame at `at`. `observation` None: inside VXLAN, where no second level is followed."""
    data = frame.data
    if len(data) < at + 14:
        return Packet(truncated=True)
    macs = (data[at + 6 : at + 12].hex(":"), data[at : at + 6].hex(":"))
    ethertype = unpack_from("!H", data, at + 12)[0]
    at += 14
    while ethertype in VLAN_TAGS:
        if len(data) < at + 4:
            return Packet(src_mac=macs[0], dst_mac=macs[1], truncated=True)
        ethertype = unpack_from("!H", data, at + 2)[0]
        at += 4
    return _network(frame, at, ethertype, macs, observation)


def _network(
    frame: _Frame,
    at: int,
    ethertype: int | None,
    macs: tuple[Mac, Mac] | None,
    observation: Observation | None,
) -> Packet:
    """ARP or IP at `at`; `observation` as in `_ethernet`."""
    src_mac, dst_mac = macs or (None, None)
    if ethertype == ARP:
        arp, why, truncated = _arp(frame.data, at)
        return Packet(
            arp=arp, src_mac=src_mac, dst_mac=dst_mac, truncated=truncated, undecodable=why
        )
    if ethertype not in (IPV4, IPV6, None):
        why = f"ethertype {ethertype:#06x}"
        return Packet(src_mac=src_mac, dst_mac=dst_mac, undecodable=why)
    header = ip_header(frame.data, at, max(0, frame.wire_length - at))
    if isinstance(header, Unreadable):
        return Packet(
            src_mac=src_mac,
            dst_mac=dst_mac,
            truncated=header.why is None,
            undecodable=header.why,
        )
    behind = behind_ip(frame.data, header)
    question = _discovery(frame.data, header, behind, src_mac)
    if question is not None:
        return Packet(arp=question, src_mac=src_mac, dst_mac=dst_mac)
    if observation is not None and is_vxlan(frame.data, header, behind, frame.ports, observation):
        return _encapsulated(frame, header, behind, macs)
    inner, truncated = _inner(frame, header, behind, macs)
    return Packet(inner=inner, src_mac=src_mac, dst_mac=dst_mac, truncated=truncated)


def _arp(data: bytes, at: int) -> tuple[Arp | None, str | None, bool]:
    """(the ARP packet, why it is none, whether it is cut off)."""
    if len(data) < at + 28:
        return None, None, True
    hardware, protocol, mac_size, ip_size, operation = unpack_from("!HHBBH", data, at)
    if (hardware, protocol, mac_size, ip_size) != (1, IPV4, 6, 4) or operation not in (1, 2):
        return None, "ARP of another kind than Ethernet and IPv4", False
    arp = Arp(
        operation="who-has" if operation == 1 else "is-at",
        sender_mac=data[at + 8 : at + 14].hex(":"),
        sender_ip=ip_text(data[at + 14 : at + 18]),
        target_ip=ip_text(data[at + 24 : at + 28]),
    )
    return arp, None, False


def _discovery(data: bytes, header: IpHeader, behind: Transport, src_mac: Mac | None) -> Arp | None:
    """A neighbour solicitation or advertisement (RFC 4861): IPv6's ARP. None: it is neither."""
    at = header.payload_at
    operation = {135: "who-has", 136: "is-at"}.get(behind.icmp_type or 0)
    if header.protocol != ICMPV6 or at is None or operation is None or len(data) < at + 24:
        return None
    # A first option of type 1 or 2, one unit of eight bytes long, is a link-layer address.
    option = data[at + 24 : at + 32]
    told = option[2:].hex(":") if option[:2] in (b"\1\1", b"\2\1") and len(option) == 8 else src_mac
    if told is None:
        return None
    target = ip_text(data[at + 8 : at + 24])
    return Arp(operation=operation, sender_mac=told, sender_ip=header.src, target_ip=target)


def behind_ip(data: bytes, header: IpHeader) -> Transport:
    """The transport header, as far as this packet has one."""
    if header.payload_at is None:
        return Transport(truncated=True)
    if header.fragment_offset:
        return OTHER
    length = None if header.more_fragments else header.payload_length
    return transport(header.protocol, data, header.payload_at, length)


def is_vxlan(
    data: bytes, header: IpHeader, behind: Transport, ports: frozenset[int], seen: Observation
) -> bool:
    """A datagram is VXLAN by its port; `ports`: those of `ports_here`."""
    if header.protocol != UDP or behind.dst_port not in ports:
        return False
    return seen.device not in _PODS_VIEW or vni_of(data, behind) is not None


def vni_of(data: bytes, behind: Transport) -> int | None:
    """The VNI of the VXLAN header (RFC 7348), if its I flag says that there is one."""
    at = behind.payload_at
    if at is None or len(data) < at + 8 or not data[at] & 0x08:
        return None
    return int.from_bytes(data[at + 4 : at + 7], "big")


def _encapsulated(
    frame: _Frame, header: IpHeader, behind: Transport, macs: tuple[Mac, Mac] | None
) -> Packet:
    src_mac, dst_mac = macs or (None, None)
    vni = vni_of(frame.data, behind)
    outer = Outer(
        src_mac=src_mac,
        dst_mac=dst_mac,
        src=header.src,
        dst=header.dst,
        src_port=behind.src_port or 0,
        dst_port=behind.dst_port or 0,
        vni=vni,
        fragment=header.more_fragments,
    )
    start = behind.payload_at or 0
    if vni is None:
        cut = len(frame.data) < start + 8
        why = None if cut else "no VXLAN header: its VNI flag is not set"
        return Packet(outer=outer, src_mac=src_mac, dst_mac=dst_mac, truncated=cut, undecodable=why)
    inside = _ethernet(frame, start + 8, None)
    return Packet(
        outer=outer,
        inner=inside.inner,
        arp=inside.arp,
        src_mac=src_mac,
        dst_mac=dst_mac,
        truncated=inside.truncated,
        undecodable=inside.undecodable,
    )


def _inner(
    frame: _Frame, header: IpHeader, behind: Transport, macs: tuple[Mac, Mac] | None
) -> tuple[Inner, bool]:
    """The inner packet, and whether its headers are cut off."""
    inner = Inner(
        src_mac=macs[0] if macs else None,
        dst_mac=macs[1] if macs else None,
        src=header.src,
        dst=header.dst,
        ttl=header.ttl,
        protocol=NAMES.get(header.protocol, str(header.protocol)),
        ip_id=header.ip_id,
        dont_fragment=header.dont_fragment,
        ip_length=header.ip_length,
        src_port=behind.src_port,
        dst_port=behind.dst_port,
        tcp_seq=behind.tcp_seq,
        tcp_flags=behind.tcp_flags,
        payload_length=behind.payload_length,
        payload_digest=_payload_digest(frame.data, header, behind),
        icmp_type=behind.icmp_type,
        icmp_code=behind.icmp_code,
        icmp_id=behind.icmp_id,
        icmp_seq=behind.icmp_seq,
        icmp_mtu=behind.icmp_mtu,
        quoted=_quoted(frame, behind),
    )
    return inner, behind.truncated


def _payload_digest(data: bytes, header: IpHeader, behind: Transport) -> str | None:
    span = digested(data, header, behind)
    return digest(data, *span) if span is not None else None


def digested(data: bytes, header: IpHeader, behind: Transport) -> tuple[int, int] | None:
    """The payload bytes that tell one packet from another: [start, end). None: there are none."""
    at = behind.payload_at
    if at is None or header.payload_at is None:
        return None
    # Short frames are padded on the wire: what lies behind the IP packet is not its payload.
    end = min(len(data), header.payload_at + header.payload_length)
    if end <= at:
        return None
    return at, min(end, at + _DIGESTED[6 if ":" in header.src else 4])


def _quoted(frame: _Frame, behind: Transport) -> InnerId | None:
    """What an ICMP error is about: of a quoted VXLAN packet, the packet inside it."""
    at = behind.quote_at
    if at is None:
        return None
    header = ip_header(frame.data, at, 0)
    if isinstance(header, Unreadable):
        return None
    quoted = behind_ip(frame.data, header)._replace(quote_at=None)
    if (
        header.protocol == UDP
        and quoted.dst_port in frame.ports
        and vni_of(frame.data, quoted) is not None
    ):
        inside = _ethernet(frame, (quoted.payload_at or 0) + 8, None)
        if inside.inner is not None:
            return identity_of(inside.inner)
    return identity_of(_inner(frame, header, quoted, None)[0])
