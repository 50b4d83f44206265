"""What takes more than one field of a packet to be read."""

from collections.abc import Callable

from tracer.core.netfilter.addresses import Addresses
from tracer.core.netfilter.names import PACKET_TYPES, STATUS
from tracer.core.netfilter.packet import Packet


def packet_type(addresses: Addresses) -> Callable[[Packet], int | None]:
    """Unicast, broadcast or multicast, told by the destination as its sender told it by the MAC."""

    def read(packet: Packet) -> int | None:
        if packet.iif == "":
            return PACKET_TYPES["host"]
        if packet.dst is None:
            return None
        kind = addresses.kind(packet.family, packet.dst)
        return None if kind is None else PACKET_TYPES.get(kind, 0)

    return read


def has_status(packet: Packet, bits: int) -> bool | None:
    """One of some bits of the connection's status (enum ip_conntrack_status)."""
    new = packet.reply is False
    known: dict[str, bool | None] = {
        "snat": packet.snat,
        "dnat": packet.dnat,
        "confirmed": not new or None,
        "seen-reply": False if new else None,
        "assured": False if new else None,
    }
    answers = [known.get(word) for word, bit in STATUS.items() if bits & bit]
    if True in answers:
        return True
    return None if None in answers or not answers else False
