"""Pods' edge: what no lab of network namespaces can show."""

from msgspec.structs import replace

from tests.constructed import Construction
from tracer.model.bundle import Bundle
from tracer.model.state import Neighbour

LIMITS = {"gc_thresh1": "128", "gc_thresh2": "512", "gc_thresh3": "1024"}
"""The kernel's own (net/ipv4/arp.c)."""


def crowded(before: Bundle) -> Bundle:
    """node-b stands in an underlay of more than a thousand machines, and has met them all."""
    state = before.nodes["node-b"]
    uplink = next(link.ifindex for link in state.links if link.ifname == "eth0")
    met = tuple(
        Neighbour(
            ifindex=uplink,
            ip=f"192.0.{16 + number // 250}.{1 + number % 250}",
            mac=f"52:54:00:c1:{number // 250:02x}:{number % 250:02x}",
            state="STALE",
        )
        for number in range(1024)
    )
    limits = {f"net.ipv4.neigh.default.{name}": value for name, value in LIMITS.items()}
    not_read = tuple(gap for gap in state.not_read if "gc_thresh" not in gap.what)
    full = replace(
        state,
        neighbours=(*state.neighbours, *met),
        sysctls={**state.sysctls, **limits},
        not_read=not_read,
    )
    return replace(before, nodes={**before.nodes, "node-b": full})


CONSTRUCTED = {
    "neigh-table-overflow": Construction(
        why="the neighbour table is one for the whole machine, and filling it would cut off its"
        " other users",
        made=crowded,
        spares="the entries that this traffic needs are there already",
    ),
}
