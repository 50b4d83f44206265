"""Frames as bytes, and what an agent says of them: the facts that the core's tests begin with."""

from ipaddress import ip_address
from struct import pack
from typing import Any

from msgspec.structs import replace

from tests.builders import CNI0, ETH0, FLANNEL, NUMBER, POD, VETH, mac, underlay, veth_name
from tracer.model.observation import Device, Direction, Drop, Observation

IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
PORT = 8472
CAPTURED = 160
"""Bytes of a frame that the programs hand over."""


def raw_mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ethernet(
    payload: bytes,
    ethertype: int = IPV4,
    *,
    src: str = "02:9d:00:00:00:01",
    dst: str = "02:c0:00:00:00:01",
    tags: tuple[int, ...] = (),
) -> bytes:
    """A frame; `tags`: the ethertypes of its VLAN tags, outermost first."""
    vlan = b"".join(pack("!HH", tag, 100 + n) for n, tag in enumerate(tags))
    return raw_mac(dst) + raw_mac(src) + vlan + pack("!H", ethertype) + payload


def ipv4(
    src: str,
    dst: str,
    protocol: int,
    payload: bytes,
    *,
    ttl: int = 64,
    ip_id: int = 1,
    df: bool = True,
    length: int | None = None,
    offset: int = 0,
    more: bool = False,
    options: bytes = b"",
) -> bytes:
    words = 5 + len(options) // 4
    total = words * 4 + len(payload) if length is None else length
    flags = (0x4000 if df else 0) | (0x2000 if more else 0) | offset // 8
    head = pack("!BBHHHBBH", 0x40 | words, 0, total, ip_id, flags, ttl, protocol, 0)
    return head + ip_address(src).packed + ip_address(dst).packed + options + payload


def ipv6(
    src: str, dst: str, protocol: int, payload: bytes, *, ttl: int = 64, length: int | None = None
) -> bytes:
    size = len(payload) if length is None else length
    head = pack("!IHBB", 0x60000000, size, protocol, ttl)
    return head + ip_address(src).packed + ip_address(dst).packed + payload


def udp(src_port: int, dst_port: int, payload: bytes) -> bytes:
    return pack("!HHHH", src_port, dst_port, 8 + len(payload), 0) + payload


def tcp(src_port: int, dst_port: int, seq: int, flags: int, payload: bytes = b"") -> bytes:
    return pack("!HHIIBBHHH", src_port, dst_port, seq, 0, 0x50, flags, 0, 0, 0) + payload


FIN, SYN, RST, ACK = 1, 2, 4, 16


def echo(ident: int, seq: int, *, reply: bool = False, size: int = 56, v6: bool = False) -> bytes:
    kind = (129 if reply else 128) if v6 else (0 if reply else 8)
    return pack("!BBHHH", kind, 0, 0, ident, seq) + bytes(size)


def icmp_error(kind: int, code: int, quoted: bytes, *, mtu: int = 0, v6: bool = False) -> bytes:
    return pack("!BBHI", kind, code, 0, mtu) + quoted if v6 else (
        pack("!BBHHH", kind, code, 0, 0, mtu) + quoted
    )  # fmt: skip


def vxlan(frame: bytes, vni: int = 1, flags: int = 0x08) -> bytes:
    return pack("!BxxxI", flags, vni << 8) + frame


def arp(target: str, sender: str, *, operation: int = 1) -> bytes:
    return (
        pack("!HHBBH", 1, IPV4, 6, 4, operation)
        + raw_mac("02:f1:00:00:00:01")
        + ip_address(sender).packed
        + bytes(6)
        + ip_address(target).packed
    )


def observed(headers: bytes, **overrides: Any) -> Observation:
    """A frame seen at node-a's uplink."""
    plain = Observation(
        node="node-a",
        device=Device.UPLINK,
        direction=Direction.OUT,
        ifindex=ETH0,
        ifname="eth0",
        netns=4026532001,
        skb=0x1000,
        time_ns=1,
        length=len(headers),
        gso_size=0,
        ethernet=True,
        headers=headers[:CAPTURED],
    )
    return replace(plain, **overrides)


_DEVICES = {
    Device.POD: VETH,
    Device.BRIDGE: CNI0,
    Device.VTEP: FLANNEL,
    Device.UPLINK: ETH0,
}


def _ifname(node: str, device: Device) -> str:
    names = {Device.BRIDGE: "cni0", Device.VTEP: "flannel.1", Device.UPLINK: "eth0"}
    return names.get(device, veth_name(node))


def wrapped(packet: bytes, sender: str, receiver: str, *, dst_mac: str | None = None) -> bytes:
    """The underlay's frame around an inner IP packet, as node `sender` sends it to `receiver`."""
    inside = ethernet(packet, src=mac(sender), dst=dst_mac or mac(receiver))
    outside = ipv4(
        underlay(sender), underlay(receiver), UDP, udp(51000, PORT, vxlan(inside)), df=False
    )
    return ethernet(outside, src=mac(sender, "eth0"), dst=mac(receiver, "eth0"))


def seen(
    node: str,
    device: Device,
    direction: Direction,
    packet: bytes,
    *,
    at: int = 0,
    skb: int = 0x1000,
    peer: str | None = None,
    dst_mac: str | None = None,
    **overrides: Any,
) -> Observation:
    """An inner IP packet seen at a point, `at` microseconds; at the uplink it is encapsulated.

    `peer`: the other node. `dst_mac`: the inner frame's destination, where it is not the peer's.
    """
    other = peer or next(name for name in NUMBER if name != node)
    sender, receiver = (node, other) if direction is Direction.OUT else (other, node)
    if device is Device.UPLINK:
        frame = wrapped(packet, sender, receiver, dst_mac=dst_mac)
    elif device is Device.VTEP:
        frame = ethernet(packet, src=mac(sender), dst=dst_mac or mac(receiver))
    else:
        frame = ethernet(packet)
    point = observed(
        frame,
        node=node,
        device=device,
        direction=direction,
        ifindex=_DEVICES[device],
        ifname=_ifname(node, device),
        netns=4026532000 + NUMBER[node],
        skb=skb,
        time_ns=at * 1000,
    )
    return replace(point, **overrides)


def freed(
    node: str,
    device: Device,
    reason: str | None,
    packet: bytes,
    *,
    caller: str = "somewhere",
    at: int = 0,
    skb: int = 0x1000,
    ethertype: int = IPV4,
    **overrides: Any,
) -> Observation:
    """The kernel frees a packet that begins with its IP (or ARP) header."""
    point = observed(
        packet,
        node=node,
        device=device,
        direction=Direction.FREED,
        ifindex=_DEVICES.get(device, 99),
        ifname=_ifname(node, device) if device in _DEVICES else "eth0",
        netns=4026532000 + NUMBER[node],
        skb=skb,
        time_ns=at * 1000,
        ethernet=False,
        ethertype=ethertype,
        drop=Drop(reason=reason, caller=f"{caller}+0x10"),
    )
    return replace(point, **overrides)


def ping(seq: int = 1, *, ident: int = 7, ttl: int = 64, size: int = 56) -> bytes:
    """pod-a's echo request to pod-b."""
    return ipv4(POD["node-a"], POD["node-b"], ICMP, echo(ident, seq, size=size), ttl=ttl, ip_id=seq)


def pong(seq: int = 1, *, ident: int = 7, ttl: int = 64) -> bytes:
    """pod-b's answer."""
    return ipv4(POD["node-b"], POD["node-a"], ICMP, echo(ident, seq, reply=True), ttl=ttl)


ON_THE_WAY = (
    (Device.POD, Direction.IN),
    (Device.BRIDGE, Direction.IN),
    (Device.VTEP, Direction.OUT),
    (Device.UPLINK, Direction.OUT),
    (Device.UPLINK, Direction.IN),
    (Device.VTEP, Direction.IN),
    (Device.BRIDGE, Direction.OUT),
    (Device.POD, Direction.OUT),
)
POD_IN, BRIDGE_IN, VTEP_OUT, UPLINK_OUT, UPLINK_IN, VTEP_IN, BRIDGE_OUT, POD_OUT = range(8)


def journey(
    packet: bytes,
    *,
    first: int = POD_IN,
    last: int = POD_OUT,
    back: bool = False,
    at: int = 0,
    skb: int = 0x1000,
    **overrides: Any,
) -> tuple[Observation, ...]:
    """One packet at the points `first` to `last` of the way, 10 us apart; `back`: node-b to node-a.

    On either node it has its own skb, and either node's clock starts where it likes.
    """
    sender, receiver = ("node-b", "node-a") if back else ("node-a", "node-b")
    return tuple(
        seen(
            sender if index <= UPLINK_OUT else receiver,
            *ON_THE_WAY[index],
            packet,
            at=at + 10 * index + (0 if index <= UPLINK_OUT else 5_000_000),
            skb=skb + (0 if index <= UPLINK_OUT else 0x100),
            **overrides,
        )
        for index in range(first, last + 1)
    )
