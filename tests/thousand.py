"""A large cluster's recording, made up: N nodes that all know each other."""

import random
from ipaddress import ip_address

from msgspec.structs import replace

from tests.builders import FLANNEL, PREFIX, bundle, state
from tracer.model.bundle import Bundle
from tracer.model.cluster import Node
from tracer.model.state import FdbEntry, Neighbour, NodeState, Route


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
        name: _state(name, [peer for peer in peers if peer is not own])
        for name, own in zip(names, peers, strict=True)
    }
    return replace(made, nodes=states, cluster=replace(made.cluster, nodes=nodes))


def _state(name: str, peers: list[tuple[str, str, str]]) -> NodeState:
    like = state("node-a")
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
