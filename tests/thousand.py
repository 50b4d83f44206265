"""A large cluster's recording, made up: N nodes that all know each other."""

import random
from ipaddress import ip_address

from msgspec.structs import replace

from tests.builders import FLANNEL, PREFIX, bundle, state
from tests.changes import with_link, with_vxlan
from tracer.model.bundle import Bundle
from tracer.model.cluster import NetConf, Node
from tracer.model.state import FdbEntry, Neighbour, NodeState, Route

NET_CONF = '{"Network":"10.64.0.0/10","Backend":{"Type":"vxlan"}}'


def large(count: int) -> Bundle:
    """A healthy recording with the state of `count` nodes: three entries for each peer on each."""
    dice = random.Random(1)
    names = [f"node-{number:04d}" for number in range(count)]
    subnets = [f"10.{64 + (number >> 8)}.{number & 255}" for number in range(count)]
    underlays = [str(ip_address("172.16.0.10") + number) for number in range(count)]
    macs = ["02:" + dice.randbytes(5).hex(":") for _ in range(count)]
    peers = list(zip(subnets, underlays, macs, strict=True))
    made = bundle()
    nodes = tuple(
        Node(
            name=name,
            internal_ips=(underlay,),
            pod_cidrs=(f"{subnet}.0/24",),
            annotations={
                f"{PREFIX}/backend-data": f'{{"VNI":1,"VtepMAC":"{mac}"}}',
                f"{PREFIX}/backend-type": "vxlan",
                f"{PREFIX}/kube-subnet-manager": "true",
                f"{PREFIX}/public-ip": underlay,
            },
            ready=True,
        )
        for name, (subnet, underlay, mac) in zip(names, peers, strict=True)
    )
    states = {
        name: _state(name, own, [peer for peer in peers if peer is not own])
        for name, own in zip(names, peers, strict=True)
    }
    conf = NetConf(text=NET_CONF, source="ConfigMap kube-flannel/kube-flannel-cfg")
    return replace(made, nodes=states, cluster=replace(made.cluster, nodes=nodes, net_conf=conf))


Peer = tuple[str, str, str]
"""First three bytes of the pod CIDR, underlay address, VTEP's MAC."""


def _own(like: NodeState, own: Peer) -> NodeState:
    """A node's own devices, addresses and routes: those of node-a under other numbers."""
    subnet, underlay, mac = own
    like = with_vxlan(with_link(like, "flannel.1", mac=mac), local=underlay)
    ours = {"192.0.2.11": underlay, "10.244.1.0": f"{subnet}.0", "10.244.1.1": f"{subnet}.1"}
    nets = {f"{old}/32": f"{new}/32" for old, new in ours.items()}
    nets |= {"10.244.1.0/24": f"{subnet}.0/24", "192.0.2.0/24": "172.16.0.0/16"}
    return replace(
        like,
        addresses=tuple(replace(one, ip=ours[one.ip]) for one in like.addresses),
        routes=tuple(
            replace(
                one,
                destination=nets[one.destination],
                source=ours[one.source] if one.source is not None else None,
            )
            for one in like.routes
            if one.destination in nets
        ),
        pods=(),
    )


def _state(name: str, own: Peer, peers: list[Peer]) -> NodeState:
    like = _own(state("node-a"), own)
    return replace(
        like,
        node=name,
        hostname=name,
        routes=like.routes
        + tuple(
            Route(
                destination=f"{subnet}.0/24",
                gateway=f"{subnet}.0",
                ifindex=FLANNEL,
                onlink=True,
                protocol=3,
            )
            for subnet, _, _ in peers
        ),
        neighbours=tuple(
            Neighbour(ifindex=FLANNEL, ip=f"{subnet}.0", mac=mac, state="PERMANENT")
            for subnet, _, mac in peers
        ),
        fdb=tuple(
            FdbEntry(ifindex=FLANNEL, mac=mac, dst=underlay, flags=("self",))
            for _, underlay, mac in peers
        ),
    )
