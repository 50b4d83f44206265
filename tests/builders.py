"""One documented example cluster, healthy, with overrides by keyword.

Three nodes of 10.244.0.0/16 over 192.0.2.0/24, as the lab builds them. A test takes the healthy
thing and breaks exactly what it is about.
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from tracer.model.bundle import FORMAT, AgentEnd, AgentReport, Bundle
from tracer.model.cluster import ClusterState, FlannelPod, NetConf, Node, Pod
from tracer.model.observation import AttachedPoint, Device
from tracer.model.request import End, EndKind, ProbeKind, ProbePlan, Request
from tracer.model.state import (
    Address,
    FdbEntry,
    Link,
    Neighbour,
    NodeState,
    PodLink,
    Route,
    Vxlan,
)

LO, ETH0, FLANNEL, CNI0, VETH = 1, 2, 3, 4, 5
PREFIX = "flannel.alpha.coreos.com"
NUMBER = {"node-a": 1, "node-b": 2, "node-c": 3}
POD = {"node-a": "10.244.1.2", "node-b": "10.244.2.2", "node-c": "10.244.3.2"}
SYSCTLS = {
    "net.ipv4.ip_forward": "1",
    "net.ipv4.conf.all.forwarding": "1",
    "net.ipv4.conf.cni0.forwarding": "1",
    "net.ipv4.conf.flannel/1.forwarding": "1",
    "net.ipv4.conf.eth0.forwarding": "1",
}


def underlay(node: str) -> str:
    return f"192.0.2.1{NUMBER[node]}"


def pod_cidr(node: str) -> str:
    return f"10.244.{NUMBER[node]}.0/24"


def vtep_ip(node: str) -> str:
    return f"10.244.{NUMBER[node]}.0"


def mac(node: str, device: str = "flannel.1") -> str:
    """The healthy MAC of a node's device."""
    kind = {"flannel.1": "f1", "cni0": "c0", "eth0": "e0", "veth": "7e", "pod": "9d"}[device]
    return f"02:{kind}:00:00:00:0{NUMBER[node]}"


def veth_name(node: str) -> str:
    return f"veth{NUMBER[node]}"


def api_node(name: str, **annotations: str) -> Node:
    """A Node object; annotations by flannel's short key with `_` for `-`, "" removes one."""
    values = {
        "backend-data": f'{{"VNI":1,"VtepMAC":"{mac(name)}"}}',
        "backend-type": "vxlan",
        "kube-subnet-manager": "true",
        "public-ip": underlay(name),
    }
    values.update({key.replace("_", "-"): value for key, value in annotations.items()})
    return Node(
        name=name,
        internal_ips=(underlay(name),),
        pod_cidrs=(pod_cidr(name),),
        annotations={f"{PREFIX}/{key}": value for key, value in values.items() if value},
        ready=True,
        kubelet_version="v1.31.0",
    )


def flannel_pod(node: str) -> FlannelPod:
    return FlannelPod(
        namespace="kube-flannel",
        name=f"kube-flannel-ds-{node[-1] * 5}",
        node=node,
        started="2026-11-23T03:00:00Z",
        daemonset="kube-flannel-ds",
        ready=True,
    )


def cluster(*, nodes: Mapping[str, Node] | None = None, **overrides: Any) -> ClusterState:
    """The API's half. `nodes` replaces Node objects by name."""
    by_name = {name: api_node(name) for name in NUMBER} | dict(nodes or {})
    healthy = ClusterState(
        captured_at="2026-11-23T03:12:07Z",
        nodes=tuple(by_name.values()),
        pods=(
            Pod(namespace="default", name="pod-a", ips=(POD["node-a"],), node="node-a"),
            Pod(namespace="default", name="pod-b", ips=(POD["node-b"],), node="node-b"),
        ),
        flannel_pods=tuple(flannel_pod(name) for name in NUMBER),
        net_conf=NetConf(
            text='{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan"}}',
            source="ConfigMap kube-flannel/kube-flannel-cfg",
        ),
    )
    return replace(healthy, **overrides)


def _links(node: str) -> tuple[Link, ...]:
    return (
        Link(
            ifindex=LO, ifname="lo", kind=None, mac="00:00:00:00:00:00", mtu=65536, up=True,
            carrier=True,
        ),
        Link(
            ifindex=ETH0, ifname="eth0", kind="veth", mac=mac(node, "eth0"), mtu=1500, up=True,
            carrier=True, peer_ifindex=9, peer_netnsid=0,
        ),
        Link(
            ifindex=FLANNEL, ifname="flannel.1", kind="vxlan", mac=mac(node), mtu=1450, up=True,
            carrier=True,
            vxlan=Vxlan(
                vni=1, local=underlay(node), port=8472, learning=False, gbp=False,
                underlay_ifindex=ETH0,
            ),
        ),
        Link(
            ifindex=CNI0, ifname="cni0", kind="bridge", mac=mac(node, "cni0"), mtu=1450, up=True,
            carrier=True,
        ),
        Link(
            ifindex=VETH, ifname=veth_name(node), kind="veth", mac=mac(node, "veth"), mtu=1450,
            up=True, carrier=True, master=CNI0, peer_ifindex=2, peer_netnsid=1,
        ),
    )  # fmt: skip


def _routes(node: str) -> tuple[Route, ...]:
    own = NUMBER[node]
    local = (
        (underlay(node), ETH0),
        (vtep_ip(node), FLANNEL),
        (f"10.244.{own}.1", CNI0),
    )
    return (
        Route(destination="192.0.2.0/24", ifindex=ETH0, scope="link", source=underlay(node)),
        Route(destination=pod_cidr(node), ifindex=CNI0, scope="link", source=f"10.244.{own}.1"),
        *(
            Route(
                destination=pod_cidr(peer), gateway=vtep_ip(peer), ifindex=FLANNEL, onlink=True,
                protocol=3,
            )
            for peer in NUMBER
            if peer != node
        ),
        *(
            Route(destination=f"{ip}/32", ifindex=ifindex, table=255, kind="local", scope="host")
            for ip, ifindex in local
        ),
    )  # fmt: skip


def state(node: str, **overrides: Any) -> NodeState:
    """A healthy node's kernel and files."""
    own = NUMBER[node]
    peers = [peer for peer in NUMBER if peer != node]
    healthy = NodeState(
        node=node,
        hostname=node,
        kernel="6.12.0",
        machine="x86_64",
        captured_at="2026-11-23T03:12:07Z",
        monotonic_ns=1_000_000_000,
        netns=4026532000 + own,
        links=_links(node),
        addresses=(
            Address(ifindex=ETH0, ip=underlay(node), prefix_length=24, scope="global"),
            Address(ifindex=FLANNEL, ip=vtep_ip(node), prefix_length=32, scope="global"),
            Address(ifindex=CNI0, ip=f"10.244.{own}.1", prefix_length=24, scope="global"),
        ),
        routes=_routes(node),
        neighbours=(
            *(
                Neighbour(ifindex=FLANNEL, ip=vtep_ip(peer), mac=mac(peer), state="PERMANENT")
                for peer in peers
            ),
            Neighbour(ifindex=CNI0, ip=POD[node], mac=mac(node, "pod"), state="REACHABLE"),
        ),
        fdb=tuple(
            FdbEntry(ifindex=FLANNEL, mac=mac(peer), dst=underlay(peer), flags=("self",))
            for peer in peers
        ),
        pods=(
            PodLink(
                ip=POD[node], netns=4026532100 + own, found_in=f"/run/netns/cni-{own}",
                host_ifindex=VETH, ifname="eth0", mac=mac(node, "pod"), mtu=1450, up=True,
                routes=(
                    Route(destination="0.0.0.0/0", gateway=f"10.244.{own}.1", ifindex=2),
                    Route(destination="10.244.0.0/16", gateway=f"10.244.{own}.1", ifindex=2),
                    Route(destination=pod_cidr(node), ifindex=2, scope="link", source=POD[node]),
                ),
            ),
        ),
        sysctls=SYSCTLS,
    )  # fmt: skip
    return replace(healthy, **overrides)


def agent(node: str, **overrides: Any) -> AgentReport:
    """An agent that watched everything and stayed to the end."""
    points = (
        AttachedPoint(device=Device.POD, ifindex=VETH, ifname=veth_name(node)),
        AttachedPoint(device=Device.BRIDGE, ifindex=CNI0, ifname="cni0"),
        AttachedPoint(device=Device.VTEP, ifindex=FLANNEL, ifname="flannel.1", mac=mac(node)),
        AttachedPoint(device=Device.UPLINK, ifindex=ETH0, ifname="eth0"),
    )
    healthy = AgentReport(
        node=node, end=AgentEnd.BYE, points=points, attach="tcx", drops=True, reasons=True, lost=0
    )
    return replace(healthy, **overrides)


def pod_end(node: str, **overrides: Any) -> End:
    name = f"default/pod-{node[-1]}"
    return replace(End(kind=EndKind.POD, name=name, node=node, ip=POD[node]), **overrides)


def request(**overrides: Any) -> Request:
    healthy = Request(
        source=pod_end("node-a"),
        destination=pod_end("node-b"),
        plan=ProbePlan(kind=ProbeKind.ICMP, count=5, full_mtu=True),
    )
    return replace(healthy, **overrides)


def bundle(
    *states: NodeState, nodes: Mapping[str, NodeState] | None = None, **overrides: Any
) -> Bundle:
    """A recording of pod-a to pod-b. `states` replace those of their nodes (node-c: none)."""
    recorded = {name: state(name) for name in ("node-a", "node-b")}
    recorded |= {changed.node: changed for changed in states}
    healthy = Bundle(
        format=FORMAT,
        tool_version="0.1.0",
        created_at="2026-11-23T03:12:07Z",
        request=request(),
        cluster=cluster(),
        nodes=recorded if nodes is None else nodes,
        agents={name: agent(name) for name in ("node-a", "node-b")},
    )
    return replace(healthy, **overrides)
