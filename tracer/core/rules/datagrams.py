"""What became of flantrace's own test datagrams on the underlay."""

from tracer.core.case import WayView
from tracer.core.decode import decode
from tracer.model.observation import Device, Direction, Observation

DEFAULT_PORT = 8472
"""The Linux kernel's, which flannel leaves alone (flannel vxlan.go: Port 0)."""


def vxlan_port(way: WayView) -> int:
    """The UDP port that the sender's VTEP sends to."""
    crossing = way.crossing
    vxlan = crossing.vtep.vxlan if crossing is not None else None
    return vxlan.port if vxlan is not None else DEFAULT_PORT


def datagrams(way: WayView) -> tuple[bool | None, bool | None, int | None]:
    """Did the test datagrams to the VXLAN port and to the next one arrive? None: not sent.

    Sent means: seen to leave the sender's uplink.
    """
    port = vxlan_port(way)
    marks = {test.src_port for test in way.case.bundle.datagrams}
    left: set[int] = set()
    came: set[int] = set()
    for observation in way.case.bundle.observations:
        if observation.device is not Device.UPLINK:
            continue
        found = _marked(observation, marks, port)
        if found is None:
            continue
        if (observation.node, observation.direction) == (way.sender, Direction.OUT):
            left.add(found)
        elif (observation.node, observation.direction) == (way.receiver, Direction.IN):
            came.add(found)
    vxlan = port in came if port in left else None
    other = port + 1 in came if port + 1 in left else None
    return vxlan, other, port


def _marked(observation: Observation, marks: set[int], port: int) -> int | None:
    """The destination port of one of our own datagrams."""
    packet = decode(observation, frozenset({port}))
    for layer in (packet.outer, packet.inner):
        if layer is not None and layer.src_port in marks:
            return layer.dst_port
    return None
