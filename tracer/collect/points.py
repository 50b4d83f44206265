"""Which devices of a node to watch: those that the traced packets pass, whatever their names."""

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from tracer.collect.netlink import Netlink
from tracer.collect.routes import way_to
from tracer.core.ports import closed, host_end
from tracer.model.observation import AttachedPoint, Device
from tracer.model.packet import Ip
from tracer.model.state import Link, NodeState

RouteDevice: TypeAlias = Callable[[Ip], int | None]
"""Address -> ifindex of the device that the kernel would send it out of; None: no such route."""

SUBNET_ENV = "/run/flannel/subnet.env"
_SUBNET_KEYS = ("FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET")


def route_device(ip: Ip) -> int | None:
    """The device that the kernel sends packets to `ip` out of; None: none, or it is our own."""
    try:
        with Netlink() as netlink:
            way = way_to(netlink, ip)
    except (OSError, ValueError):
        return None
    return way.ifindex if way is not None and way.kind == "unicast" else None


def points(
    state: NodeState,
    *,
    peers: Sequence[Ip],
    pods: Sequence[Ip],
    pair: Sequence[Ip] = (),
    device_to: RouteDevice = route_device,
) -> tuple[tuple[AttachedPoint, ...], tuple[str, ...]]:
    """The devices to watch, from pod to underlay, and in words which pods have no device here.

    A device counts once, with the first of its roles. `pair`: the traced inner addresses, which
    find a vxlan device that is not flannel's by name.
    """
    devices = {link.ifindex: link for link in state.links}
    found: dict[int, AttachedPoint] = {}
    ends = (host_end(state, ip) for ip in pods)
    veths = [end if end in devices else None for end in ends]
    vteps = _vteps(state, pair, device_to)
    roles: tuple[tuple[Device, Iterator[int | None]], ...] = (
        (Device.POD, iter(veths)),
        (Device.BRIDGE, _bridges(state, devices, [v for v in veths if v is not None])),
        (Device.VTEP, (link.ifindex for link in vteps)),
        (Device.UPLINK, _uplinks(state, vteps, peers, device_to)),
    )
    for device, ifindexes in roles:
        for ifindex in ifindexes:
            link = devices.get(ifindex) if ifindex is not None else None
            if link is not None and link.ifname != "lo":
                found.setdefault(
                    link.ifindex,
                    AttachedPoint(
                        device=device, ifindex=link.ifindex, ifname=link.ifname, mac=link.mac
                    ),
                )
    return tuple(found.values()), tuple(_missing(state, found, pods))


def _bridges(state: NodeState, devices: dict[int, Link], veths: list[int]) -> Iterator[int]:
    """The bridge that holds the pods' veths, and the one that holds the node's pod subnet.

    On a healthy node they are one. A veth taken into another bridge makes them two: packets to
    the pod go out of the one, packets from it come in on the other.
    """
    masters = [devices[veth].master for veth in veths]
    chosen = [master for master in masters if master is not None and master in devices]
    gateways = set(_subnet_addresses(state))
    chosen += [one.ifindex for one in state.addresses if one.ip in gateways]
    if not chosen:
        chosen = [link.ifindex for link in state.links if link.ifname == "cni0"]
    yield from chosen


def _subnet_addresses(state: NodeState) -> Iterator[Ip]:
    """The bridge's own addresses as flannel assigned them (FLANNEL_SUBNET=10.244.1.1/24)."""
    for line in state.files.get(SUBNET_ENV, "").splitlines():
        key, _, value = line.partition("=")
        if key in _SUBNET_KEYS:
            try:
                yield str(ipaddress.ip_interface(value.strip()).ip)
            except ValueError:
                continue


def _vteps(state: NodeState, pair: Sequence[Ip], device_to: RouteDevice) -> list[Link]:
    """flannel's vxlan devices by name; then those that the pair's routes use; then any.

    Never one in collect-metadata mode, which is another CNI's, unless the routes use it.
    """
    tunnels = [link for link in state.links if link.vxlan is not None]
    used = {device_to(ip) for ip in pair}
    chosen = [t for t in tunnels if t.ifname.startswith("flannel") or t.ifindex in used]
    return chosen or [t for t in tunnels if t.vxlan is not None and not t.vxlan.external]


def _uplinks(
    state: NodeState, vteps: list[Link], peers: Sequence[Ip], device_to: RouteDevice
) -> Iterator[int | None]:
    """Where the peers are reached, where vxlan is bound to, and where its local address lives."""
    for peer in peers:
        yield device_to(peer)
    for link in vteps:
        if link.vxlan is None:
            continue
        yield link.vxlan.underlay_ifindex
        for address in state.addresses:
            if address.ip == link.vxlan.local:
                yield address.ifindex


def _missing(
    state: NodeState, found: dict[int, AttachedPoint], pods: Sequence[Ip]
) -> Iterator[str]:
    there = {pod.ip: pod for pod in state.pods}
    why = closed(state)
    for ip in pods:
        if ip not in there and why is not None:
            if host_end(state, ip) not in found:
                yield f"pod {ip}: its namespace was not entered ({why}), nor does a bridge know it"
        elif ip not in there:
            yield f"pod {ip}: no network namespace of this node holds the address"
        elif there[ip].host_ifindex not in found:
            yield f"pod {ip}: its device {there[ip].ifname} is no veth that ends on this node"
