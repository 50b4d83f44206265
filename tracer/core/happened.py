"""News of the kernel and of the API, in words: what of it concerns the overlay, and whom."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from tracer.core.before import Event
from tracer.model.cluster import FlannelPod
from tracer.model.lease import Lease
from tracer.model.packet import Ip, Mac, Net
from tracer.model.state import Address, FdbEntry, Link, Neighbour, NodeState, Route, Rule

Entry: TypeAlias = Link | Address | Route | Rule | Neighbour | FdbEntry

_LASTING = ("PERMANENT", "NOARP", "NONE")
"""Other states come and go with traffic."""

_MADE_WITH_ADDRESSES = ("local", "broadcast", "anycast", "multicast")

_OWN_AFFAIR = ("fe80:", "ff", "224.", "169.254.")
"""Link-local and multicast: the kernel writes these for every device."""


class Teller:
    """For one node: knows its devices and whose an address is."""

    def __init__(self, state: NodeState) -> None:
        self.see(state)
        self._peers: dict[str, str] = {}
        self._names = 0
        """When it knew the first leases."""

    @property
    def learnt(self) -> int:
        """MACs, addresses and subnets since the first leases: mostly, earlier ones are over."""
        return len(self._peers) - self._names

    def see(self, state: NodeState) -> None:
        """The devices as they are."""
        self._links = {link.ifindex: link for link in state.links}
        self._settled = frozenset(self._links)
        own = (one for one in state.addresses if one.scope != "link")
        self._own = {address.ifindex for address in own}

    def hold(self, leases: Iterable[Lease]) -> None:
        """Whose MACs, addresses and subnets are told by name from now on."""
        for lease in leases:
            for thing in _of(lease):
                self._peers[thing] = lease.node
        self._names = self._names or len(self._peers)

    def news(self, time_ns: int, gone: bool, entry: Entry) -> Event | None:
        """One change of the node's network; None: the overlay is not concerned."""
        if isinstance(entry, Link):
            return self._link(time_ns, gone, entry)
        if isinstance(entry, FdbEntry):
            return self._fdb(time_ns, gone, entry)
        if isinstance(entry, Neighbour):
            return self._neighbour(time_ns, gone, entry)
        if isinstance(entry, Route):
            return self._route(time_ns, gone, entry)
        if isinstance(entry, Address):
            return self._address(time_ns, gone, entry)
        what = f"the policy rule of priority {entry.priority}, to table {entry.table},"
        return Event(time_ns, f"{what} {_went(gone)}", frozenset((f"{entry.priority}",)))

    def _link(self, time_ns: int, gone: bool, now: Link) -> Event | None:
        before = self._links.get(now.ifindex)
        if gone:
            self._links.pop(now.ifindex, None)
        else:
            self._links[now.ifindex] = now
        said = " and ".join(_differences(before, None if gone else now))
        settled = now.ifindex in self._settled and not gone
        if not said or not (settled or self.is_nodes(now)):
            return None
        return Event(time_ns, f"{now.ifname} {said}", frozenset((now.ifname,)))

    def _fdb(self, time_ns: int, gone: bool, entry: FdbEntry) -> Event | None:
        if entry.dst is None or not self._is_vxlan(entry.ifindex):
            return None
        whose = self._whose(entry.mac, entry.dst)
        what = f"the FDB entry {entry.mac} dst {entry.dst}{whose} {_went(gone)}"
        return Event(time_ns, what, self._about(entry.ifindex, entry.mac, entry.dst))

    def _neighbour(self, time_ns: int, gone: bool, entry: Neighbour) -> Event | None:
        if not self._is_vxlan(entry.ifindex) or entry.ip.startswith(_OWN_AFFAIR):
            return None
        if not gone and entry.state not in _LASTING:
            return None
        at = f" at {entry.mac}" if entry.mac is not None and not gone else ""
        what = f"the neighbour {entry.ip}{at}{self._whose(entry.ip, entry.mac)} {_went(gone)}"
        return Event(time_ns, what, self._about(entry.ifindex, entry.ip, entry.mac))

    def _route(self, time_ns: int, gone: bool, entry: Route) -> Event | None:
        if entry.destination not in self._peers and not self._is_vxlan(entry.ifindex):
            return None
        if entry.destination.startswith(_OWN_AFFAIR) or entry.kind in _MADE_WITH_ADDRESSES:
            return None
        via = f" via {entry.gateway}" if entry.gateway is not None else ""
        what = f"the route to {entry.destination}{via}{self._whose(entry.destination)}"
        about = self._about(entry.ifindex, entry.destination, entry.gateway)
        return Event(time_ns, f"{what} {_went(gone)}", about)

    def _address(self, time_ns: int, gone: bool, entry: Address) -> Event | None:
        link = self._links.get(entry.ifindex)
        if link is None or not self.is_nodes(link) or entry.scope == "link":
            return None
        what = f"the address {entry.ip}/{entry.prefix_length} of {link.ifname} {_went(gone)}"
        return Event(time_ns, what, self._about(entry.ifindex, entry.ip))

    def is_nodes(self, link: Link) -> bool:
        """Not a pod's end: those are veths without an address, and come and go."""
        return link.kind != "veth" or link.ifindex in self._own

    def _is_vxlan(self, ifindex: int | None) -> bool:
        link = self._links.get(ifindex) if ifindex is not None else None
        return link is not None and link.kind == "vxlan"

    def _whose(self, *things: str | None) -> str:
        node = next((self._peers[one] for one in things if one in self._peers), None)
        return f" ({node})" if node is not None else ""

    def _about(self, ifindex: int | None, *things: str | None) -> frozenset[str]:
        link = self._links.get(ifindex) if ifindex is not None else None
        found = {one for one in things if one is not None}
        found |= {self._peers[one] for one in found if one in self._peers}
        return frozenset(found | ({link.ifname} if link is not None else set()))


def lease_changed(time_ns: int, before: Lease | None, now: Lease | None) -> Event | None:
    """None: nothing of it that a peer's tables hold is another."""
    one = now or before
    if one is None:
        return None
    about = frozenset((one.node, *(_of(before) if before else ()), *(_of(now) if now else ())))
    if before is None or now is None:
        return Event(time_ns, f"the lease of {one.node} {_went(now is None)}", about)
    said = [
        f"{name} {old or 'none'} became {new or 'none'}"
        for name, old, new in (
            ("VtepMAC", before.vtep_mac, now.vtep_mac),
            ("public-ip", before.public_ip, now.public_ip),
            ("pod CIDR", before.pod_cidr, now.pod_cidr),
            ("VNI", before.vni, now.vni),
            ("backend", before.backend_type, now.backend_type),
        )
        if old != new
    ]
    return Event(time_ns, f"in the lease of {one.node} {', '.join(said)}", about) if said else None


def flanneld_changed(
    time_ns: int, before: FlannelPod | None, now: FlannelPod | None
) -> Event | None:
    """None: it is the same process still."""
    one = now or before
    if one is None or one.node is None:
        return None
    about = frozenset((one.node,))
    if now is None:
        return Event(time_ns, f"flanneld on {one.node} ended", about)
    if before is None or before.started != now.started:
        return Event(time_ns, f"flanneld on {one.node} started", about)
    return None


def _of(lease: Lease) -> Iterator[str]:
    things: tuple[Mac | Ip | Net | None, ...] = (lease.vtep_mac, lease.public_ip, lease.pod_cidr)
    yield from (one for one in things if one is not None)
    if lease.pod_cidr is not None:
        yield lease.pod_cidr.partition("/")[0]


def _went(gone: bool) -> str:
    return "went" if gone else "was written"


def _differences(before: Link | None, now: Link | None) -> Iterator[str]:
    if now is None:
        yield "was removed"
    elif before is None:
        yield "was made"
    else:
        if before.up != now.up:
            yield "was set up" if now.up else "was set down"
        if before.carrier != now.carrier:
            yield "got its carrier" if now.carrier else "lost its carrier"
        if before.mac != now.mac:
            yield f"changed its MAC from {before.mac} to {now.mac}"
        if before.mtu != now.mtu:
            yield f"changed its MTU from {before.mtu} to {now.mtu}"
        if before.ifname != now.ifname:
            yield f"was called {before.ifname} before"
        if before.master != now.master:
            yield "joined a bridge" if now.master else "left its bridge"
