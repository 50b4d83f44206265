"""What happens between a pod and its bridge."""

from tracer.core.compare import UNRESOLVED
from tracer.core.predict import firewall
from tracer.core.predict.walk import At, Ending, Walk
from tracer.core.routes import Routes, within
from tracer.model.observation import Device, Direction
from tracer.model.packet import Ip
from tracer.model.request import End
from tracer.model.state import Link, PodLink


def pod_sends(walk: Walk) -> At | Ending:
    """The pod's own route, device and size; what fails here is seen by no device of the node."""
    if walk.source.assumed:
        return _any_pod_sends(walk)
    if unread(walk, walk.source):
        return At.BRIDGE_TAKES_IN
    pod = pod_of(walk, walk.source)
    if pod is None:
        return walk.lost(f"no network namespace of {walk.node} has {walk.src}")
    veth = walk.tables.link(pod.host_ifindex)
    route = Routes(pod.routes, ()).lookup(walk.dst, walk.src, None, 0).route
    if not pod.up or route is None or route.kind != "unicast":
        return walk.unsent(veth, "Network is unreachable")
    if walk.probe.size > pod.mtu and walk.probe.dont_fragment:
        return walk.unsent(veth, "Message too long")
    if veth is None:
        return walk.lost(f"{walk.source.name} has no veth that ends on {walk.node}")
    return _to_bridge(walk, pod, veth, route.gateway or walk.dst)


def _any_pod_sends(walk: Walk) -> At | Ending:
    """What every pod of the node needs: a bridge that is up and has the gateway's address."""
    bridge = walk.tables.bridge()
    if bridge is not None and not bridge.up:
        return walk.lost(f"{bridge.ifname} is down")
    cidr = walk.facts.lease(walk.node, walk.family).pod_cidr
    if bridge is not None and cidr is not None:
        held = walk.tables.addresses_of(bridge.ifindex)
        if not any(within(one.ip, cidr) for one in held):
            return walk.lost(f"nobody on {bridge.ifname} has the gateway's address")
    return At.BRIDGE_TAKES_IN


def _to_bridge(walk: Walk, pod: PodLink, veth: Link, following: Ip) -> At | Ending:
    """The pod resolves its gateway, or the other pod of its node, through the bridge.

    Who cannot be asked for it, and is not known from before, is given up after 3 s.
    """
    bridge = _bridge_of(walk, veth, following)
    if bridge is None:
        return walk.lost(f"{walk.node} has no bridge for its pods")
    held = {address.ip for address in walk.tables.addresses_of(bridge.ifindex)}
    neighbour = following == walk.destination.ip and walk.node == walk.destination.node
    attached = veth.master == bridge.ifindex
    answers = veth.up and attached and bridge.up and (following in held or neighbour)
    if not answers and not _known(pod, following):
        return walk.freed(veth, Device.POD, "NEIGH_FAILED", "neigh_invalidate")
    if not veth.up:
        return walk.unsent(veth, f"the host's end of {walk.source.name} is down")
    walk.passes(veth, Device.POD, Direction.IN)
    if not attached:
        # The frame is for the bridge's MAC, and the veth takes it in by itself.
        return walk.freed(veth, Device.POD, "OTHERHOST", "ip_rcv_core")
    if not bridge.up:
        return walk.lost(f"{bridge.ifname} is down")
    walk.came_by = bridge
    return _bridged(walk, bridge) if neighbour else At.BRIDGE_TAKES_IN


def _bridge_of(walk: Walk, veth: Link, gateway: Ip) -> Link | None:
    """The one that holds the pod's gateway, if its veth is there; else that of the node's pods."""
    master = walk.tables.link(veth.master)
    if master is not None and any(
        one.ip == gateway for one in walk.tables.addresses_of(master.ifindex)
    ):
        return master
    return walk.tables.bridge()


def _known(pod: PodLink, ip: Ip) -> bool:
    """The pod's own neighbour table has an entry for it."""
    return any(
        entry.ip == ip and entry.mac is not None and entry.state not in UNRESOLVED
        for entry in pod.neighbours
    )


def _bridged(walk: Walk, bridge: Link) -> Ending:
    """Between pods of one node; with br_netfilter the hooks of IP see them, too."""
    family = "ip6" if walk.family == 6 else "ip"
    if walk.tables.sysctl(f"net.bridge.bridge-nf-call-{family}tables") == "1":
        port = _port(walk, bridge)
        if dropped := firewall.drops_bridged(walk, bridge, port):
            return dropped
    return _into_pod(walk, bridge)


def bridge_takes_in(walk: Walk) -> At | Ending:
    """What is for the bridge's own MAC goes up to the node's IP layer."""
    bridge = walk.came_by or walk.tables.bridge()
    if bridge is None:
        return walk.lost(f"{walk.node} has no bridge for its pods")
    walk.dst_mac = bridge.mac
    walk.passes(bridge, Device.BRIDGE, Direction.IN)
    walk.came_by = bridge
    return At.IP_TAKES_IN


def bridge_puts_out(walk: Walk) -> At | Ending:
    """The neighbour entry of the pod, which the kernel makes itself, and the pod's port."""
    route = walk.answer.route if walk.answer is not None else None
    bridge = walk.tables.link(route.ifindex) if route is not None else None
    if bridge is None:
        return walk.lost("the route names no bridge that was recorded")
    walk.src_mac = bridge.mac
    if walk.node != walk.destination.node:
        # Two nodes with one pod CIDR: here nobody answers for the pod.
        return walk.freed(bridge, Device.BRIDGE, "NEIGH_FAILED", "neigh_invalidate")
    if walk.destination.assumed or unread(walk, walk.destination):
        walk.passes(bridge, Device.BRIDGE, Direction.OUT)
        return walk.delivered()
    if _port(walk, bridge) is None:
        return walk.freed(bridge, Device.BRIDGE, "NEIGH_FAILED", "neigh_invalidate")
    pod = pod_of(walk, walk.destination)
    entry = walk.tables.neighbour(bridge.ifindex, walk.dst)
    resolved = entry is not None and entry.state not in UNRESOLVED
    walk.dst_mac = entry.mac if entry is not None and resolved else None
    walk.dst_mac = walk.dst_mac or (pod.mac if pod is not None else None)
    walk.passes(bridge, Device.BRIDGE, Direction.OUT)
    if pod is not None and pod.mac is not None and walk.dst_mac != pod.mac:
        return walk.lost(f"the neighbour entry of {walk.dst} is not the pod's MAC")
    return _into_pod(walk, bridge)


def _into_pod(walk: Walk, bridge: Link) -> Ending:
    veth = _port(walk, bridge)
    if veth is None:
        return walk.lost(f"no port of {bridge.ifname} leads to {walk.dst}")
    walk.passes(veth, Device.POD, Direction.OUT)
    return walk.delivered()


def _port(walk: Walk, bridge: Link) -> Link | None:
    """The bridge's port that leads to the destination; None: no pod, or no way to it."""
    pod = pod_of(walk, walk.destination)
    veth = walk.tables.link(pod.host_ifindex) if pod is not None and pod.up else None
    return veth if veth is not None and veth.up and veth.master == bridge.ifindex else None


def pod_of(walk: Walk, end: End) -> PodLink | None:
    """None: no namespace of the node has that address."""
    pods = walk.facts.state(end.node).pods
    return next((pod for pod in pods if pod.ip == end.ip), None)


def unread(walk: Walk, end: End) -> bool:
    """Nobody could look for the pod: what its own edge does is a doubt, and no end.

    `pod ADDRESS` is not read where it was looked for and not found (collect/snapshot.py).
    """
    for gap in walk.facts.state(end.node).not_read:
        if gap.what == "pods":
            walk.doubts.append(f"the namespace of {end.name} was not read: {gap.why}")
            return True
    return False
