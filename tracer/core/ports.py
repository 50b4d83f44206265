"""The host's end of a pod's veth pair, as far as the node's own tables tell."""

from tracer.model.packet import Ip
from tracer.model.state import NodeState


def host_end(state: NodeState, ip: Ip) -> int | None:
    """ifindex; None: not known.

    Of a pod whose namespace was not entered the bridge tells: the neighbour entry of the address
    has its MAC, and an FDB entry of that MAC the port. Where namespaces were entered and none has
    the address, such entries are of a pod that is gone.
    """
    for pod in state.pods:
        if pod.ip == ip:
            return pod.host_ifindex
    if any(gap.what == f"pod {ip}" for gap in state.not_read):
        return None
    macs = {entry.mac for entry in state.neighbours if entry.ip == ip and entry.mac is not None}
    ports = {link.ifindex for link in state.links if link.kind != "bridge"}
    found = (entry for entry in state.fdb if entry.mac in macs and entry.dst is None)
    return next((entry.ifindex for entry in found if entry.ifindex in ports), None)


def closed(state: NodeState) -> str | None:
    """Why no pod's namespace could be looked into; None: those that were looked for could be."""
    return next((gap.why for gap in state.not_read if gap.what == "pods"), None)
