"""A node whose kernel has no VXLAN."""

from collections.abc import Iterator

from msgspec.structs import replace

from tests.constructed import Construction
from tracer.model.bundle import Bundle
from tracer.model.observation import Device, Direction, Drop, Observation
from tracer.model.state import NodeState

NODE = "node-b"
KERNEL = "6.5.0-1005-raspi"
"""Of Ubuntu 23.10 on a Raspberry Pi: vxlan.ko is in linux-modules-extra-raspi."""
FREED_AFTER_NS = 21_000


def without_vxlan(healthy: Bundle) -> Bundle:
    """node-b was upgraded to such a kernel: its lease and its peers' entries are of before.

    flanneld makes no flannel.1 and exits. Requests to node-b meet no UDP socket there, its own
    pods' requests no route; nothing is answered.
    """
    cluster = healthy.cluster
    pods = tuple(
        replace(pod, ready=False) if pod.node == NODE else pod for pod in cluster.flannel_pods
    )
    return replace(
        healthy,
        cluster=replace(cluster, flannel_pods=pods),
        nodes={**healthy.nodes, NODE: _state(healthy.nodes[NODE])},
        observations=tuple(_as_far_as_they_come(healthy)),
        sent=tuple(replace(one, reply=None, reply_from=None, rtt_us=None) for one in healthy.sent),
        agents={
            name: replace(
                agent,
                points=tuple(
                    point
                    for point in agent.points
                    if name != NODE or point.device is not Device.VTEP
                ),
                counters={} if name == NODE else agent.counters,
            )
            for name, agent in healthy.agents.items()
        },
    )


def _state(before: NodeState) -> NodeState:
    gone = {link.ifindex for link in before.links if link.vxlan is not None}
    return replace(
        before,
        kernel=KERNEL,
        machine="aarch64",
        vxlan_support="missing",
        links=tuple(link for link in before.links if link.ifindex not in gone),
        addresses=tuple(one for one in before.addresses if one.ifindex not in gone),
        routes=tuple(one for one in before.routes if one.ifindex not in gone),
        neighbours=tuple(one for one in before.neighbours if one.ifindex not in gone),
        fdb=tuple(one for one in before.fdb if one.ifindex not in gone),
        lookups=(),
    )


def _as_far_as_they_come(healthy: Bundle) -> Iterator[Observation]:
    """Of each request what was seen up to where it ends now, and its end; no reply."""
    if healthy.request is None:
        return
    sender = healthy.request.source.node
    for seen in sorted(healthy.observations, key=lambda one: one.time_ns):
        if seen.node == sender and _leaves(seen):
            if sender != NODE:
                yield seen
            elif seen.device in (Device.POD, Device.BRIDGE):
                yield seen
                if seen.device is Device.BRIDGE:
                    yield _freed(seen, "IP_INNOROUTES", "ip_error+0x94")
        elif seen.node == NODE != sender and (seen.device, seen.direction) == (
            Device.UPLINK,
            Direction.IN,
        ):
            yield seen
            yield _freed(seen, "NO_SOCKET", "__udp4_lib_rcv+0x4bc")


def _leaves(seen: Observation) -> bool:
    coming = (Device.POD, Device.BRIDGE)
    wanted = Direction.IN if seen.device in coming else Direction.OUT
    return seen.direction is wanted


def _freed(seen: Observation, reason: str, caller: str) -> Observation:
    return replace(
        seen,
        direction=Direction.FREED,
        time_ns=seen.time_ns + FREED_AFTER_NS,
        length=seen.length - 14,
        ethernet=False,
        ethertype=0x0800,
        headers=seen.headers[14:],
        drop=Drop(reason=reason, caller=caller),
    )


CONSTRUCTED = {
    "vxlan-module-missing": Construction(
        why="a lab's nodes share one kernel, which has VXLAN",
        made=without_vxlan,
    ),
}
