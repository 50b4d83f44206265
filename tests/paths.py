"""Paths of pod-a to pod-b and back, as `core/correlate.py` makes them, ended where a test says."""

from typing import Any

from msgspec.structs import replace

from tests.builders import POD, mac, underlay, veth_name
from tracer.model.observation import Device, Direction, Drop
from tracer.model.packet import Inner, InnerId, Outer, Packet
from tracer.model.path import Hop, Outcome, Path, Place, Way

IN, OUT, FREED = Direction.IN, Direction.OUT, Direction.FREED
SMALL, FULL = 84, 1450
OFFSET_US = (0, 2, 11, 19, 0, 9, 16, 18)


def places(way: Way = Way.REQUEST) -> tuple[Place, ...]:
    """The eight points of the way, in order."""
    sender, receiver = ends(way)
    return (
        Place(node=sender, device=Device.POD, direction=IN, ifname=veth_name(sender)),
        Place(node=sender, device=Device.BRIDGE, direction=IN, ifname="cni0"),
        Place(node=sender, device=Device.VTEP, direction=OUT, ifname="flannel.1"),
        Place(node=sender, device=Device.UPLINK, direction=OUT, ifname="eth0"),
        Place(node=receiver, device=Device.UPLINK, direction=IN, ifname="eth0"),
        Place(node=receiver, device=Device.VTEP, direction=IN, ifname="flannel.1"),
        Place(node=receiver, device=Device.BRIDGE, direction=OUT, ifname="cni0"),
        Place(node=receiver, device=Device.POD, direction=OUT, ifname=veth_name(receiver)),
    )


POD_IN, BRIDGE_IN, VTEP_OUT, UPLINK_OUT, UPLINK_IN, VTEP_IN, BRIDGE_OUT, POD_OUT = range(8)


def ends(way: Way) -> tuple[str, str]:
    return ("node-a", "node-b") if way is Way.REQUEST else ("node-b", "node-a")


def inner(way: Way, seq: int, size: int, ttl: int, dst_mac: str | None) -> Inner:
    sender, receiver = ends(way)
    return Inner(
        src_mac=mac(sender),
        dst_mac=dst_mac,
        src=POD[sender],
        dst=POD[receiver],
        ttl=ttl,
        protocol="icmp",
        ip_id=seq,
        dont_fragment=size == FULL,
        ip_length=size,
        icmp_type=8 if way is Way.REQUEST else 0,
        icmp_code=0,
        icmp_id=7,
        icmp_seq=seq,
    )


def _hop(way: Way, index: int, seq: int, size: int, dst_mac: str) -> Hop:
    place = places(way)[index]
    sender, receiver = ends(way)
    ttl = 64 if index < VTEP_OUT else 63 if index < BRIDGE_OUT else 62
    outer = None
    length = size + 14
    if place.device is Device.UPLINK:
        outer = Outer(
            src_mac=mac(sender, "eth0"),
            dst_mac=mac(receiver, "eth0"),
            src=underlay(sender),
            dst=underlay(receiver),
            src_port=51000,
            dst_port=8472,
            vni=1,
        )
        length += 50
    return Hop(
        node=place.node,
        device=place.device,
        direction=place.direction,
        ifname=place.ifname,
        since_us=OFFSET_US[index],
        length=length,
        packet=Packet(outer=outer, inner=inner(way, seq, size, ttl, dst_mac)),
    )


def path(
    way: Way = Way.REQUEST,
    seq: int = 1,
    *,
    size: int = SMALL,
    last: int = POD_OUT,
    outcome: Outcome = Outcome.DELIVERED,
    dst_mac: str | None = None,
    **overrides: Any,
) -> Path:
    """One packet that came as far as the point numbered `last`."""
    sender, receiver = ends(way)
    wire = dst_mac or mac(receiver)
    kind = "request" if way is Way.REQUEST else "reply"
    whole = Path(
        way=way,
        inner_id=InnerId(
            src=POD[sender], dst=POD[receiver], protocol="icmp", token=f"{kind}+7+{seq}"
        ),
        seq=seq,
        size=size,
        hops=tuple(_hop(way, index, seq, size, wire) for index in range(last + 1)),
        outcome=outcome,
        end=places(way)[last],
    )
    return replace(whole, **overrides)


def delivered(way: Way = Way.REQUEST, seq: int = 1, **overrides: Any) -> Path:
    return path(way, seq, **overrides)


def lost(last: int, way: Way = Way.REQUEST, seq: int = 1, **overrides: Any) -> Path:
    """Last seen at the point numbered `last`, then never again."""
    rest = places(way)[last + 1 :]
    return path(way, seq, last=last, outcome=Outcome.LOST, not_reached=rest, **overrides)


def dropped(
    at: Place,
    reason: str | None,
    caller: str,
    *,
    last: int,
    way: Way = Way.REQUEST,
    seq: int = 1,
    **overrides: Any,
) -> Path:
    """Seen up to the point numbered `last`, then freed by the kernel while it was on `at`."""
    drop = Drop(reason=reason, caller=f"{caller}+0x22c")
    before = path(way, seq, last=last, outcome=Outcome.DROPPED, **overrides)
    freed = replace(
        before.hops[-1],
        node=at.node,
        device=at.device,
        direction=FREED,
        ifname=at.ifname,
        drop=drop,
    )
    rest = tuple(place for place in places(way)[last + 1 :])
    return replace(before, hops=(*before.hops, freed), end=at, drop=drop, not_reached=rest)


def unseen(way: Way = Way.REQUEST, seq: int = 1, **overrides: Any) -> Path:
    """A packet that no point has seen although all were watched."""
    start = places(way)[POD_IN]
    nowhere = path(way, seq, outcome=Outcome.LOST, hops=(), end=start, not_reached=places(way))
    return replace(nowhere, **overrides)


def freed_on(node: str, device: Device, ifname: str) -> Place:
    return Place(node=node, device=device, direction=FREED, ifname=ifname)


def all_well(count: int = 5, *, full: bool = True) -> tuple[Path, ...]:
    """Requests and replies, all delivered; the last one of full MTU."""
    sizes = [SMALL] * count + ([FULL] if full else [])
    return tuple(
        delivered(way, seq, size=size)
        for way in (Way.REQUEST, Way.REPLY)
        for seq, size in enumerate(sizes, start=1)
    )
