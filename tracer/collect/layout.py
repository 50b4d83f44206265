"""Where the fields lie: of our own record (bpf/observation.h), and of the kernel's structs.

The kernel's offsets become -D flags, because the programs are compiled without its headers.
"""

import struct
from typing import NamedTuple

from tracer.collect.btf import Btf

RECORD = struct.Struct("=QQQIIIIIHBB16s160s")
"""struct observation. Fixed-size, and the ring's only kind of record."""

IN, OUT, FREED = 1, 2, 3
"""enum direction."""
HOOK_SHIFT = 4
"""watch.c has its enum hook above the direction."""
STEP = RECORD.size + 8
"""From record to record in the ring, with their headers."""
DIRECTION_AT = 8 + 47
"""In a record with its header."""


class RawRecord(NamedTuple):
    """struct observation as it lies in the ring, field by field."""

    time_ns: int
    skb: int
    location: int
    ifindex: int
    netns: int
    length: int
    gso_size: int
    reason: int
    ethertype: int
    captured: int
    direction: int
    ifname: bytes
    headers: bytes


_SKB = ("head", "data", "tail", "end", "len", "protocol", "network_header", "mac_header")
_SKB_OWNERS = ("dev", "sk")

_SKB_WINDOW = 256
"""struct scratch.skb in bpf/trace.c."""


def skb_flags(btf: Btf) -> list[str] | None:
    """-D flags with every offset that the tracepoint's program reads; None: this kernel lacks one.

    64-bit kernels only: there `tail` and `end` are 32-bit offsets, not pointers
    (include/linux/skbuff.h, NET_SKBUFF_DATA_USES_OFFSET).
    """
    found = {f"SKB_{name.upper()}": btf.offset("sk_buff", name) for name in _SKB + _SKB_OWNERS}
    found["SKB_REFDST"] = btf.offset("sk_buff", "_skb_refdst")
    window = max((value for value in found.values() if value is not None), default=0) + 8
    found |= {
        "DEV_IFINDEX": btf.offset("net_device", "ifindex"),
        "DEV_NAME": btf.offset("net_device", "name"),
        "DEV_NET": btf.offset("net_device", "nd_net"),
        "NET_INUM": btf.offset("net", "ns", "inum"),
        "SK_NET": btf.offset("sock", "__sk_common", "skc_net"),
        "DST_DEV": btf.offset("dst_entry", "dev"),
        "SHINFO_GSO_SIZE": btf.offset("skb_shared_info", "gso_size"),
    }
    if None in found.values() or window > _SKB_WINDOW:
        return None
    return [f"-DSKB_SPAN={window}", *(f"-D{name}={value}" for name, value in found.items())]
