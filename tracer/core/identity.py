"""Which packet is it? An identity that survives routing, MAC rewriting and encapsulation."""

from tracer.model.packet import Inner, InnerId, Packet

ECHO_REQUEST = {("icmp", 8), ("icmpv6", 128)}
ECHO_REPLY = {("icmp", 0), ("icmpv6", 129)}


def identity(packet: Packet) -> InnerId | None:
    """Identity of what one pod said to another; None: nothing of it could be read.

    A retransmitted segment has the identity of the first one, a retransmitted SYN too.
    """
    return None if packet.inner is None else identity_of(packet.inner)


def identity_of(inner: Inner) -> InnerId:
    """Identity of one inner packet."""
    return InnerId(src=inner.src, dst=inner.dst, protocol=inner.protocol, token=_token(inner))


def about(quoted: InnerId, whole: InnerId) -> bool:
    """Is `quoted`, taken from an ICMP error that may quote eight bytes only, the packet `whole`?"""
    return (quoted.src, quoted.dst, quoted.protocol) == (
        whole.src,
        whole.dst,
        whole.protocol,
    ) and (
        whole.token == quoted.token
        or (quoted.protocol in ("tcp", "udp") and whole.token.startswith(quoted.token + " "))
    )


def _token(inner: Inner) -> str:
    if inner.tcp_seq is not None:
        return f"{inner.src_port}>{inner.dst_port} seq {inner.tcp_seq}{_empty_mark(inner)}"
    if inner.src_port is not None:
        token = f"{inner.src_port}>{inner.dst_port} id {inner.ip_id or 0}"
        return f"{token} {inner.payload_digest}" if inner.payload_digest else token
    if inner.icmp_type is not None:
        return _icmp_token(inner)
    return f"id {inner.ip_id or 0}"


def _empty_mark(inner: Inner) -> str:
    """A segment without payload shares its sequence number with the data that follows it.

    Data segments get no mark: GSO and GRO move their flags from one segment to another.
    """
    flags = inner.tcp_flags or ""
    if "S" in flags:
        return " SYN"
    if inner.payload_length != 0:
        return ""
    return " RST" if "R" in flags else " FIN" if "F" in flags else " ACK"


def _icmp_token(inner: Inner) -> str:
    kind = (inner.protocol, inner.icmp_type or 0)
    if kind in ECHO_REQUEST:
        return f"request id {inner.icmp_id} seq {inner.icmp_seq}"
    if kind in ECHO_REPLY:
        return f"reply id {inner.icmp_id} seq {inner.icmp_seq}"
    token = f"type {inner.icmp_type} code {inner.icmp_code}"
    if inner.quoted is not None:
        return f"{token} about {inner.quoted.protocol} {inner.quoted.token}"
    return f"{token} id {inner.ip_id or 0}"
