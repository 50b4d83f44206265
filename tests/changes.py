"""One thing broken on a node: the same NodeState with exactly one difference."""

from typing import Any

from msgspec.structs import replace

from tests.builders import FLANNEL
from tracer.model.state import FdbEntry, Neighbour, NodeState


def with_link(before: NodeState, ifname: str, /, **changes: Any) -> NodeState:
    """The same node with one device changed."""
    links = tuple(
        replace(link, **changes) if link.ifname == ifname else link for link in before.links
    )
    assert links != before.links, f"{ifname} of {before.node} is what it was"
    return replace(before, links=links)


def with_vxlan(before: NodeState, **changes: Any) -> NodeState:
    """The same node with another attribute of flannel.1."""
    vxlan = next(link.vxlan for link in before.links if link.ifname == "flannel.1")
    assert vxlan is not None
    return with_link(before, "flannel.1", vxlan=replace(vxlan, **changes))


def with_neighbour(before: NodeState, ip: str, mac: str | None, state: str) -> NodeState:
    """The same node with another entry for `ip` on flannel.1."""
    kept = without_neighbours(before, ip).neighbours
    entry = Neighbour(ifindex=FLANNEL, ip=ip, mac=mac, state=state)
    return replace(before, neighbours=(*kept, entry))


def without_neighbours(before: NodeState, *ips: str) -> NodeState:
    """The same node without flannel.1's neighbours `ips`; without `ips`: without any of them."""
    kept = tuple(n for n in before.neighbours if n.ifindex != FLANNEL or (ips and n.ip not in ips))
    return replace(before, neighbours=kept)


def with_fdb(before: NodeState, mac: str, dst: str) -> NodeState:
    """The same node with the FDB entry of `mac` on flannel.1 added or replaced."""
    kept = tuple(entry for entry in before.fdb if entry.mac != mac)
    entry = FdbEntry(ifindex=FLANNEL, mac=mac, dst=dst, flags=("self",))
    return replace(before, fdb=(*kept, entry))


def without_fdb(before: NodeState, mac: str) -> NodeState:
    return replace(before, fdb=tuple(entry for entry in before.fdb if entry.mac != mac))


def without_route(before: NodeState, destination: str) -> NodeState:
    kept = tuple(route for route in before.routes if route.destination != destination)
    return replace(before, routes=kept)


def without_address(before: NodeState, ip: str) -> NodeState:
    """The same node without an address, and without the routes that the kernel made of it."""
    return replace(
        before,
        addresses=tuple(each for each in before.addresses if each.ip != ip),
        routes=tuple(r for r in before.routes if r.source != ip and r.destination != f"{ip}/32"),
    )


def with_address(before: NodeState, old: str, new: str) -> NodeState:
    """The same node after its underlay address changed from `old` to `new`."""
    addresses = tuple(replace(a, ip=new) if a.ip == old else a for a in before.addresses)
    routes = tuple(
        replace(r, destination=f"{new}/32") if r.destination == f"{old}/32" else r
        for r in before.routes
    )
    return replace(before, addresses=addresses, routes=routes)
