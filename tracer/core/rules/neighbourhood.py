"""What a node's devices are to its VTEP: the uplink below it, others beside it, pods behind it."""

from tracer.core.case import Case
from tracer.core.rules.allocation import is_outside
from tracer.core.tables import Tables
from tracer.model.request import End
from tracer.model.state import Link, NodeState, Vxlan


def uplink_below(case: Case, node: str) -> Link | None:
    """The device that the node's VTEP is bound to. MissingFact: the devices were not read."""
    vtep = case.vtep(node)
    if vtep is None or vtep.vxlan is None:
        return None
    return case.tables(node, "links").link(vtep.vxlan.underlay_ifindex)


def is_dead(link: Link) -> bool:
    """It takes and sends nothing: down, or without a carrier."""
    return not (link.up and link.carrier)


def room(case: Case, uplink: Link) -> int:
    """Bytes of the largest inner packet that fits into one packet of the uplink."""
    return uplink.mtu - overhead(case)


def overhead(case: Case) -> int:
    """Bytes of VXLAN's headers: outer IP, UDP, VXLAN, inner Ethernet."""
    return 70 if case.family == 6 else 50


def largest_sent(case: Case, node: str) -> int | None:
    """Bytes of the largest packet that leaves the node's uplink; None: one of the two is unknown.

    What its VTEP makes, or what the uplink makes of that by fragmentation.
    """
    vtep, uplink = case.vtep(node), uplink_below(case, node)
    if vtep is None or uplink is None:
        return None
    return min(vtep.mtu + overhead(case), uplink.mtu)


def holds_the_port(
    state: NodeState, vtep: Link | None, vni: int, port: int, family: int
) -> Link | None:
    """Another VXLAN device that is up and does not let the VTEP have its UDP port, or its VNI.

    Two devices of one family share a port's socket if they take in alike (vxlan_find_sock); one in
    external mode has both families' sockets and takes all VNIs. With the same VNI as well the
    second is not even made.
    """
    if vtep is not None and (vtep.up or vtep.vxlan is None):
        return None
    for link in state.links:
        other = link.vxlan
        if other is None or not link.up or other.port != port or link == vtep:
            continue
        if other.external:
            return link
        unlike = vtep is not None and vtep.vxlan is not None and other.gbp != vtep.vxlan.gbp
        if _family(other) == family and (unlike or other.vni == vni):
            return link
    return None


def _family(vxlan: Vxlan) -> int:
    """Of its socket: that of its addresses, else 4 (vxlan_sock_add)."""
    ips = (vxlan.local, vxlan.group)
    return 6 if any(ip is not None and ":" in ip for ip in ips) else 4


def cannot_come_up(case: Case, node: str, vtep: Link) -> bool:
    """Somebody else has its port, or flanneld ends before it sets it up: it is no other fault."""
    if flanneld_ends(case, node):
        return True
    vxlan = vtep.vxlan
    if vxlan is None:
        return False
    state, family = case.state(node), _family(vxlan)
    return holds_the_port(state, vtep, vxlan.vni, vxlan.port, family) is not None


def flanneld_ends(case: Case, node: str) -> bool:
    """It makes the device, sees that the pod CIDR is missing or of another network, and ends."""
    api = case.api_node(node)
    if api is not None and not any((":" in net) is (case.family == 6) for net in api.pod_cidrs):
        return True
    leases = (one for one in case.leases if one.node == node and one.family == case.family)
    return any(is_outside(one, case.net_conf) for one in leases)


def largest_of_pods(tables: Tables, end: End, state: NodeState) -> tuple[int, str] | None:
    """(MTU, whose) of the end's pod; of one that is assumed, that of the node's largest pod.

    The bridge itself tells nothing: without ports it has a MTU of its own choosing.
    """
    for pod in state.pods:
        if pod.ip == end.ip:
            return pod.mtu, f"{end.name} {pod.ifname}"
    bridge = tables.bridge()
    if bridge is None or not end.assumed:
        return None
    ports = [link for link in state.links if link.master == bridge.ifindex]
    largest = max(ports, key=lambda link: link.mtu, default=None)
    return (largest.mtu, f"{state.node} link {largest.ifname}") if largest is not None else None
