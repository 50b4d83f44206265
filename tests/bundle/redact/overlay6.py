"""A recording of an IPv6 overlay over public IPv6: pod-a pings pod-b, with or without a fault."""

from msgspec.structs import replace

from tests.builders import (
    CNI0,
    ETH0,
    FLANNEL,
    NUMBER,
    agent,
    api_node,
    bundle,
    cluster,
    mac,
    pod_end,
    request,
    state,
)
from tests.packets import (
    ICMPV6,
    IPV6,
    ON_THE_WAY,
    PORT,
    UDP,
    UPLINK_OUT,
    echo,
    ethernet,
    ipv6,
    seen,
    udp,
    vxlan,
)
from tracer.model.bundle import Bundle
from tracer.model.observation import Device, Observation
from tracer.model.state import Address, FdbEntry, Neighbour, NodeState, Route

VTEP = "flannel-v6.1"


def cidr(node: str) -> str:
    return f"fd00:10:244:{NUMBER[node]}::/64"


def vtep_ip(node: str) -> str:
    return f"fd00:10:244:{NUMBER[node]}::"


def pod(node: str) -> str:
    return f"{vtep_ip(node)}2"


def underlay(node: str) -> str:
    return f"2a01:4f8:1:2::1{NUMBER[node]}"


def _state(node: str, peer: str, neighbour: str) -> NodeState:
    plain = state(node)
    links = tuple(
        replace(link, ifname=VTEP, vxlan=replace(link.vxlan, local=underlay(node)))
        if link.vxlan is not None
        else link
        for link in plain.links
    )
    return replace(
        plain,
        links=links,
        addresses=(
            Address(ifindex=ETH0, ip=underlay(node), prefix_length=64, scope="global"),
            Address(ifindex=FLANNEL, ip=vtep_ip(node), prefix_length=128, scope="global"),
            Address(ifindex=CNI0, ip=f"{vtep_ip(node)}1", prefix_length=64, scope="global"),
        ),
        routes=(
            Route(destination="2a01:4f8:1:2::/64", ifindex=ETH0),
            Route(destination="2000::/3", ifindex=ETH0, gateway="fe80::1"),
            Route(destination=cidr(node), ifindex=CNI0),
            Route(destination=cidr(peer), ifindex=FLANNEL, gateway=vtep_ip(peer), onlink=True),
        ),
        neighbours=(
            Neighbour(ifindex=FLANNEL, ip=vtep_ip(peer), mac=neighbour, state="PERMANENT"),
        ),
        fdb=(FdbEntry(ifindex=FLANNEL, mac=neighbour, dst=underlay(peer), flags=("self",)),),
        pods=tuple(
            replace(
                one,
                ip=pod(node),
                routes=(Route(destination="::/0", gateway=f"{vtep_ip(node)}1", ifindex=2),),
            )
            for one in plain.pods
        ),
    )


def _frame(device: Device, packet: bytes, dst_mac: str) -> bytes:
    inner = ethernet(packet, IPV6, src=mac("node-a"), dst=dst_mac)
    if device is not Device.UPLINK:
        return inner if device is Device.VTEP else ethernet(packet, IPV6)
    outer = ipv6(underlay("node-a"), underlay("node-b"), UDP, udp(51000, PORT, vxlan(inner)))
    return ethernet(outer, IPV6, src=mac("node-a", "eth0"), dst=mac("node-b", "eth0"))


def _journey(dst_mac: str) -> tuple[Observation, ...]:
    packet = ipv6(pod("node-a"), pod("node-b"), ICMPV6, echo(7, 1, v6=True))
    found = []
    for index, (device, direction) in enumerate(ON_THE_WAY):
        node = "node-a" if index <= UPLINK_OUT else "node-b"
        plain = seen(node, device, direction, packet, at=10 * index)
        frame = _frame(device, packet, dst_mac)
        ifname = VTEP if device is Device.VTEP else plain.ifname
        found.append(replace(plain, headers=frame[:160], length=len(frame), ifname=ifname))
    return tuple(found)


def overlay6(*, stale: bool = False) -> Bundle:
    """`stale`: node-a addresses node-b's frames to a MAC that node-b's VTEP does not have."""
    used = "02:f1:00:00:00:99" if stale else mac("node-b")
    nodes = {
        name: replace(
            api_node(
                name,
                backend_v6_data=f'{{"VNI":1,"VtepMAC":"{mac(name)}"}}',
                public_ipv6=underlay(name),
            ),
            pod_cidrs=(cidr(name),),
            internal_ips=(underlay(name),),
        )
        for name in NUMBER
    }
    journey = _journey(used)
    points = {
        name: tuple(
            replace(one, ifname=VTEP) if one.device is Device.VTEP else one
            for one in agent(name).points
        )
        for name in ("node-a", "node-b")
    }
    return replace(
        bundle(
            _state("node-a", "node-b", used),
            _state("node-b", "node-a", mac("node-a")),
            cluster=cluster(nodes=nodes),
            request=request(
                source=pod_end("node-a", ip=pod("node-a")),
                destination=pod_end("node-b", ip=pod("node-b")),
                plan=None,
            ),
            agents={name: agent(name, points=points[name]) for name in points},
        ),
        observations=journey[:6] if stale else journey,
    )
