"""The kernel's own answers to the route look-ups that the traced packets will make on this node."""

from collections.abc import Iterator, Sequence

from tracer.collect import words
from tracer.collect.netlink import Netlink
from tracer.collect.routes import route_to
from tracer.core.ports import host_end
from tracer.model.observation import AttachedPoint, Device
from tracer.model.packet import Ip
from tracer.model.state import Link, Lookup, NodeState


def lookups(
    state: NodeState, points: Sequence[AttachedPoint], *, pair: tuple[Ip, Ip], peers: Sequence[Ip]
) -> tuple[Lookup, ...]:
    """Asked as the packets will ask: by source, by the device that they come in by.

    Of the pair, the end on this node: its packets out, the other's in by the VTEP, and by the
    uplink where its own go straight there (DirectRouting). Then the outer packet to each of `peers`
    from the VTEP's own address. Two pods of one node are bridged: nothing is routed.
    """
    with Netlink() as netlink:
        return tuple(_Asking(netlink, state, points, pair).all(pair, peers))


class _Asking:
    """One node's devices, and what the kernel says of them."""

    def __init__(
        self,
        netlink: Netlink,
        state: NodeState,
        points: Sequence[AttachedPoint],
        pair: tuple[Ip, Ip],
    ) -> None:
        self._netlink = netlink
        self._links = {link.ifindex: link for link in state.links}
        self._points = points
        self._own = {one.ip for one in state.addresses}
        self._veths = {pod.ip: pod.host_ifindex for pod in state.pods}
        for ip in pair:
            if (end := host_end(state, ip)) is not None:
                self._veths[ip] = end

    def all(self, pair: tuple[Ip, Ip], peers: Sequence[Ip]) -> Iterator[Lookup]:
        here = [ip for ip in pair if ip in self._own or ip in self._veths]
        if len(here) == 2 and not self._own & set(here):
            return
        vteps: dict[int, Link] = {}
        for ip in here:
            other = pair[0] if ip == pair[1] else pair[1]
            out = self._lookup(other, ip, self._comes_in_by(ip))
            yield out
            if other in here:
                continue
            vtep = self._vtep(out, ip)
            for link in (vtep, self._straight(out)):
                if link is not None:
                    yield self._lookup(ip, other, link)
            if vtep is not None:
                vteps[vtep.ifindex] = vtep
        for vtep in vteps.values():
            yield from self._outer(vtep, peers)

    def _outer(self, vtep: Link, peers: Sequence[Ip]) -> Iterator[Lookup]:
        local = vtep.vxlan.local if vtep.vxlan is not None else None
        port = vtep.vxlan.port if vtep.vxlan is not None else None
        for peer in dict.fromkeys(peers):
            if local is None or _family(local) == _family(peer):
                yield self._lookup(peer, local, None, port)

    def _lookup(self, dst: Ip, src: Ip | None, iif: Link | None, port: int | None = None) -> Lookup:
        """Also without an answer: then the C library's words for the kernel's refusal."""
        route, error = None, None
        try:
            route = route_to(
                self._netlink, dst, src, iif=iif.ifindex if iif else None, udp_port=port
            )
        except OSError as refusal:
            error = refusal.strerror or str(refusal)
        return Lookup(dst=dst, src=src, iif=iif.ifname if iif else None, route=route, error=error)

    def _comes_in_by(self, ip: Ip) -> Link | None:
        """The bridge of a pod's veth, or the veth that has none; None: the node's own address."""
        if ip in self._own:
            return None
        veth = self._links.get(self._veths[ip] or 0)
        bridge = self._links.get(veth.master or 0) if veth is not None else None
        return bridge or veth or self._first(Device.BRIDGE)

    def _vtep(self, out: Lookup, ip: Ip) -> Link | None:
        """The vxlan device that the way out takes; else the one whose underlay is of the family."""
        used = self._links.get(out.route.ifindex or 0) if out.route is not None else None
        if used is not None and used.vxlan is not None:
            return used
        vteps = [link for link in self._of(Device.VTEP) if link.vxlan is not None]
        alike = [
            link
            for link in vteps
            if link.vxlan and link.vxlan.local and _family(link.vxlan.local) == _family(ip)
        ]
        return next(iter(alike or vteps), None)

    def _straight(self, out: Lookup) -> Link | None:
        """An uplink by which the way out goes without the VTEP."""
        uplinks = self._of(Device.UPLINK)
        route = out.route
        if route is None or route.kind != "unicast":
            return None
        return next((link for link in uplinks if link.ifindex == route.ifindex), None)

    def _of(self, device: Device) -> list[Link]:
        found = (self._links.get(one.ifindex) for one in self._points if one.device is device)
        return [link for link in found if link is not None]

    def _first(self, device: Device) -> Link | None:
        return next(iter(self._of(device)), None)


def _family(ip: Ip) -> int:
    return words.packed_ip(ip)[0]
