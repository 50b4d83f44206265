"""One packet, seen at one point, once: the only thing the kernel tells us about packets."""

from enum import StrEnum

from tracer.model.packet import Mac
from tracer.model.record import Record


class Device(StrEnum):
    """What a device is to the overlay, whatever its name."""

    UNKNOWN = "unknown"
    POD = "pod"
    """The host's end of a pod's veth pair."""
    BRIDGE = "bridge"
    VTEP = "vtep"
    UPLINK = "uplink"


class Direction(StrEnum):
    """As TC sees it: a packet from a pod comes *in* on its veth and on the bridge."""

    UNKNOWN = "unknown"
    IN = "in"
    OUT = "out"
    FREED = "freed"
    """Not a device's hook: the kernel freed the packet (tracepoint skb:kfree_skb)."""


class Drop(Record, frozen=True, kw_only=True):
    """Why and where the kernel freed a packet."""

    reason: str | None
    """The kernel's name without its prefix, such as `OTHERHOST`; None below Linux 5.17."""
    caller: str | None
    """Symbol and offset of the code that freed it, such as `ip_rcv_core+0x22c`."""


class Observation(Record, frozen=True, kw_only=True, tag="observation", tag_field="kind"):
    """One packet at one hook. `headers` is the frame's beginning as it was on the wire."""

    node: str
    device: Device
    direction: Direction
    ifindex: int
    ifname: str
    netns: int
    """Inode of the network namespace of the device."""
    skb: int
    """Address of the sk_buff. No identity by itself: addresses are reused. 0: not known."""
    time_ns: int
    """The node's CLOCK_MONOTONIC. Never compared between nodes."""
    length: int
    """Bytes of the frame (of a drop: from where `headers` begins)."""
    gso_size: int
    """0: an ordinary packet. Else a super-packet of segments of this many payload bytes."""
    ethernet: bool
    """`headers` begins with Ethernet; else with IP or ARP, and `ethertype` says which."""
    ethertype: int | None = None
    headers: bytes
    drop: Drop | None = None


class AttachedPoint(Record, frozen=True, kw_only=True):
    """A device that an agent watches, both directions."""

    device: Device
    ifindex: int
    ifname: str
    mac: Mac | None = None
