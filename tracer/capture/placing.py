"""Which device of its node a frame was seen at, and which way it went there.

Where the capture says the device (a name, or a number that the saved state knows), that counts.
`tcpdump -i any` of old says neither: then the packet tells. Encapsulated it is at the uplink, with
a VTEP's MAC at the VTEP; from a pod it comes in at the veth and then at the bridge, to a pod it
goes out by the bridge and then by the veth.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from tracer.capture.collecting import FileSigns, Kept
from tracer.collect.points import points
from tracer.core.leases import leases
from tracer.core.ports import host_end
from tracer.core.tables import Tables
from tracer.model.cluster import ClusterState
from tracer.model.observation import AttachedPoint, Device, Direction
from tracer.model.packet import Ip, Mac
from tracer.model.request import End, EndKind
from tracer.model.state import NodeState

FREED = ("freed", "freed-arp")
"""Interfaces of our own pcapng files that are no devices."""

_BRIDGES = {"cni0", "cbr0", "kube-bridge", "docker0"}
_BY_NAME = (("flannel", Device.VTEP), ("veth", Device.POD), ("cali", Device.POD))


class Placer:
    """One node's devices as far as they are known, and where each of its frames belongs."""

    def __init__(
        self,
        node: str,
        state: NodeState | None,
        cluster: ClusterState,
        ends: tuple[End, End],
        kept: Sequence[Kept],
        files: Sequence[FileSigns],
        own: Ip | None = None,
    ) -> None:
        self.node = node
        self._tables = Tables(state) if state is not None else None
        self._local = [end for end in ends if end.node == node]
        self._near = len(self._local) == 2
        self._underlay = _underlay(node, state, cluster) or frozenset([own] if own else [])
        here = [one for one in kept if files[one.file].capture.node == node]
        self._points = _points(state, cluster, ends, here)
        self._by_index = {point.ifindex: point for point in self._points if point.ifindex}
        self._by_name = {point.ifname: point for point in self._points}
        macs = {point.mac for point in self._points if point.device is Device.VTEP}
        self._vteps = _vtep_macs(kept, cluster) | (macs - {None})
        self._uplinks = {one.bare.source for one in here if one.packet.outer} - {None}
        self._files = files
        self._whole = {
            number: self._of_file([one for one in here if one.file == number])
            for number in {one.file for one in here}
        }
        self._passed: Counter[tuple[object, Direction]] = Counter()

    def point(self, one: Kept) -> AttachedPoint | None:
        """The device that a frame was seen at; None: one that is not on the way."""
        if one.ifname is not None:
            return self.named(one.ifname)
        if one.bare.ifindex is not None and self._tables is not None:
            link = self._tables.link(one.bare.ifindex)
            if link is not None:
                return self._by_index.get(link.ifindex)
        if self._files[one.file].every_device:
            return self.of(self._by_content(one))
        return self._whole[one.file]

    def named(self, ifname: str) -> AttachedPoint | None:
        """The device of that name. Without a state, its name says what it is.

        `NODE:DEVICE` is how flantrace itself names interfaces: no device's name holds a colon.
        """
        node, _, ifname = ifname.rpartition(":")
        if node not in ("", self.node) or (node and ifname in FREED):
            return None
        if ifname in self._by_name:
            return self._by_name[ifname]
        if self._tables is not None and self._tables.link_named(ifname) is not None:
            return None
        return AttachedPoint(device=_role(ifname), ifindex=0, ifname=ifname)

    def of(self, device: Device) -> AttachedPoint:
        """The device of that role, by its role where no name is known."""
        found = (point for point in self._points if point.device is device)
        return next(found, AttachedPoint(device=device, ifindex=0, ifname=device.value))

    def whole(self, number: int) -> AttachedPoint | None:
        """The one device of a file that names none; None: it holds nothing of the pair."""
        return self._whole.get(number)

    def every(self) -> tuple[AttachedPoint, ...]:
        """All devices on the way that the node has, known or supposed."""
        roles = [Device.VTEP, Device.UPLINK]
        if any(end.kind is EndKind.POD and not end.host_network for end in self._local):
            roles = [Device.POD, Device.BRIDGE, *roles]
        known = [point for point in self._points if point.device in roles]
        missing = [role for role in roles if role not in {point.device for point in known}]
        return (*known, *(self.of(role) for role in missing))

    def direction(self, one: Kept, point: AttachedPoint) -> Direction:
        """As the capture says it, else by addresses; UNKNOWN: nothing tells."""
        if one.bare.direction is not Direction.UNKNOWN:
            return one.bare.direction
        outer, inner = one.packet.outer, one.packet.inner
        if outer is not None:
            return self._from(outer.src, outer.dst, self._underlay)
        if point.mac is not None and point.device in (Device.VTEP, Device.UPLINK):
            # Both ends of a link have MACs of their own: ours is the sender's or the receiver's.
            return Direction.OUT if one.packet.src_mac == point.mac else Direction.IN
        if inner is None:
            return Direction.UNKNOWN
        local = {end.ip for end in self._local}
        way = self._from(inner.src, inner.dst, local)
        if point.device in (Device.POD, Device.BRIDGE):
            # What a pod sends comes in at the node's devices.
            return {Direction.OUT: Direction.IN, Direction.IN: Direction.OUT}.get(way, way)
        return way

    @staticmethod
    def _from(src: Ip, dst: Ip, own: Iterable[Ip]) -> Direction:
        held = (src in own, dst in own)
        return {(True, False): Direction.OUT, (False, True): Direction.IN}.get(
            held, Direction.UNKNOWN
        )

    def _by_content(self, one: Kept) -> Device:
        packet, source = one.packet, one.bare.source
        if packet.outer is not None:
            return Device.UPLINK
        if source is not None and source in self._vteps:
            return Device.VTEP
        if packet.arp is not None:
            return Device.BRIDGE if packet.arp.sender_mac not in self._vteps else Device.VTEP
        if source is not None and source in self._uplinks:
            return Device.UPLINK
        if self._near:
            return Device.POD
        key = one.inner_id, one.bare.direction
        self._passed[key] += 1
        first = self._passed[key] % 2 == 1
        return Device.POD if first is (one.bare.direction is Direction.IN) else Device.BRIDGE

    def _of_file(self, here: Sequence[Kept]) -> AttachedPoint:
        """What a file without any name was made at, by all that it holds."""
        if any(one.packet.outer is not None for one in here):
            return self.of(Device.UPLINK)
        macs = {mac for one in here for mac in (one.packet.src_mac, one.packet.dst_mac)}
        return self.of(Device.VTEP if macs & self._vteps else Device.BRIDGE)


def _points(
    state: NodeState | None, cluster: ClusterState, ends: tuple[End, End], here: Sequence[Kept]
) -> tuple[AttachedPoint, ...]:
    """The devices on the way, chosen as an agent would choose them."""
    if state is None:
        return ()
    tables = Tables(state)
    peers = [
        lease.public_ip
        for lease in leases(cluster)
        if lease.node != state.node and lease.public_ip is not None
    ]

    def device_to(ip: Ip) -> int | None:
        answer = tables.route(ip)
        return answer.route.ifindex if answer.route is not None else None

    pair = [end.ip for end in ends]
    found, _ = points(state, peers=peers, pods=(), pair=pair, device_to=device_to)
    taken = {point.ifindex for point in found}
    veths = (_veth(state, end.ip, here, taken) for end in ends if end.node == state.node)
    return (*dict.fromkeys(veth for veth in veths if veth is not None), *found)


def _veth(state: NodeState, ip: Ip, here: Sequence[Kept], taken: set[int]) -> AttachedPoint | None:
    """The host's end of the pod's veth pair: by the tables, else where its packets come in."""
    links = {link.ifindex: link for link in state.links}
    link = links.get(host_end(state, ip) or 0)
    if link is None:
        names = {link.ifname: link for link in state.links}
        entered = (
            links.get(one.bare.ifindex or 0) or names.get(one.ifname or "")
            for one in here
            if one.packet.outer is None
            and one.packet.inner is not None
            and one.packet.inner.src == ip
            and one.bare.direction is Direction.IN
        )
        link = next((one for one in entered if one is not None and one.ifindex not in taken), None)
    if link is None:
        return None
    return AttachedPoint(device=Device.POD, ifindex=link.ifindex, ifname=link.ifname, mac=link.mac)


def _underlay(node: str, state: NodeState | None, cluster: ClusterState) -> frozenset[Ip]:
    found = {address.ip for address in state.addresses} if state is not None else set()
    found |= {ip for one in cluster.nodes if one.name == node for ip in one.internal_ips}
    found |= {
        lease.public_ip
        for lease in leases(cluster)
        if lease.node == node and lease.public_ip is not None
    }
    return frozenset(found)


def _vtep_macs(kept: Sequence[Kept], cluster: ClusterState) -> frozenset[Mac]:
    """MACs of VTEPs: those inside of encapsulated packets, and those of the leases."""
    found = {lease.vtep_mac for lease in leases(cluster)}
    for one in kept:
        if one.packet.outer is not None and one.packet.inner is not None:
            found |= {one.packet.inner.src_mac, one.packet.inner.dst_mac}
    return frozenset(mac for mac in found if mac is not None)


def _role(ifname: str) -> Device:
    if ifname in _BRIDGES or ifname.startswith("br-"):
        return Device.BRIDGE
    return next((role for start, role in _BY_NAME if ifname.startswith(start)), Device.UPLINK)
