"""What a watch of one node has seen: pieces of evidence, and the bundle of the moment."""

from typing import Any

from msgspec.structs import replace

from tests import packets as p
from tests.builders import ETH0, FLANNEL, POD, bundle, cluster, mac, state
from tracer.core.examine import examine
from tracer.model.bundle import Bundle
from tracer.model.cluster import ClusterState
from tracer.model.examination import Examination
from tracer.model.observation import Device, Direction, Drop, Observation
from tracer.model.request import CheckRequest
from tracer.model.state import NodeState
from tracer.model.watch import Deviating, Dropping, Gap, Happening, Kind, Watched

S = 1_000_000_000
A, B, C = "node-a", "node-b", "node-c"
OTHER_MAC = "02:bb:00:00:00:99"
IN, OUT = Direction.IN, Direction.OUT


def frame(source: str, destination: str, *, to: str | None = None, by: str | None = None) -> bytes:
    """An echo request of one node's pod to another's, as it leaves flannel.1."""
    packet = p.ipv4(POD[source], POD[destination], p.ICMP, p.echo(7, 1))
    return p.ethernet(packet, src=by or mac(source), dst=to or mac(destination))


def on_wire(
    inner: bytes, source: str, destination: str, *, vni: int = 1, port: int = p.PORT
) -> bytes:
    """The frame in VXLAN, between two addresses of the underlay."""
    datagram = p.udp(50000, port, p.vxlan(inner, vni=vni))
    return p.ethernet(p.ipv4(source, destination, p.UDP, datagram))


def recorded(headers: bytes, node: str, direction: Direction, **more: Any) -> Observation:
    """The last packet, at flannel.1 if not said otherwise."""
    healthy = Observation(
        node=node, device=Device.VTEP, direction=direction, ifindex=FLANNEL, ifname="flannel.1",
        netns=state(node).netns, skb=1, time_ns=9 * S, length=len(headers), gso_size=0,
        ethernet=True, headers=headers[:160],
    )  # fmt: skip
    return replace(healthy, **more)


def at_uplink(headers: bytes, node: str, direction: Direction) -> Observation:
    return recorded(headers, node, direction, device=Device.UPLINK, ifindex=ETH0, ifname="eth0")


def deviating(
    kind: Kind, direction: Direction, seen: Observation | None = None, **more: Any
) -> Deviating:
    """Packets of node-b, seen on node-a."""
    one = Deviating(
        node=A, peer=B, subnet="10.244.2.0/24", kind=kind, direction=direction,
        ifname=seen.ifname if seen is not None else "", packets=17, first_ns=5 * S, last_ns=9 * S,
        seen=seen,
    )  # fmt: skip
    return replace(one, **more)


def dropping(
    reason: str | None, caller: str, headers: bytes | None = None, **more: Any
) -> Dropping:
    """Packets of node-b that node-a's kernel frees."""
    seen = None
    if headers is not None:
        drop = Drop(reason=reason, caller=caller)
        seen = recorded(headers, A, Direction.FREED, drop=drop)
    one = Dropping(
        node=A, peer=B, subnet="10.244.2.0/24", reason=reason, caller=caller, packets=40,
        first_ns=5 * S, last_ns=9 * S, seen=seen,
    )  # fmt: skip
    return replace(one, **more)


def gap(**more: Any) -> Gap:
    """What node-a sends to node-b and does not come in there."""
    one = Gap(
        sender=A, receiver=B, peer=B, after="uplink_out", before="uplink_in", sent=100,
        missing=100, first_ns=5 * S, last_ns=9 * S,
    )  # fmt: skip
    return replace(one, **more)


def moment(
    *evidence: Deviating | Dropping | Gap | Happening,
    tables: NodeState | None = None,
    known: ClusterState | None = None,
) -> Bundle:
    """node-a's tables, healthy if not said otherwise, and what its packets have shown."""
    read = tables or state(A)
    return bundle(
        nodes={read.node: replace(read, pods=())},
        request=None,
        check=CheckRequest(nodes=(read.node,)),
        agents={},
        cluster=known or cluster(),
        watched=Watched(
            time_ns=10 * S,
            deviating=tuple(one for one in evidence if isinstance(one, Deviating)),
            dropping=tuple(one for one in evidence if isinstance(one, Dropping)),
            gaps=tuple(one for one in evidence if isinstance(one, Gap)),
            happened=tuple(one for one in evidence if isinstance(one, Happening)),
        ),
    )


def watched(
    *evidence: Deviating | Dropping | Gap | Happening,
    tables: NodeState | None = None,
    known: ClusterState | None = None,
) -> Examination:
    """What is concluded of it."""
    return examine(moment(*evidence, tables=tables, known=known))
