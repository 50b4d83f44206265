"""What became of flantrace's own test datagrams on the underlay."""

from collections.abc import Iterable

from tracer.core.case import WayView
from tracer.core.decode import decode
from tracer.model.message import Datagram
from tracer.model.observation import Device, Direction, Observation
from tracer.model.packet import Ip

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
    tests = [test for test in way.case.bundle.datagrams if _sender(way, test) in (None, way.sender)]
    left, came = _passed(way, tests, port)
    vxlan = port in came if port in left else None
    other = port + 1 in came if port + 1 in left else None
    return vxlan, other, port


def from_third_node(way: WayView) -> tuple[str, bool, bool] | None:
    """(node, to the VXLAN port, to the next one): did a third node's datagrams come in?

    None: there were none. Nobody watched them leave: an agent says what it could not send.
    """
    port = vxlan_port(way)
    for test in way.case.bundle.datagrams:
        node = _sender(way, test)
        if node is None or node in (way.sender, way.receiver):
            continue
        if any(trouble.node == node for trouble in way.case.bundle.troubles):
            continue
        _, came = _passed(way, [test], port)
        return node, port in came, port + 1 in came
    return None


def seen_of(test: Datagram, others: Iterable[Datagram], observations: Iterable[Observation]) -> int:
    """At how many hooks its datagrams were seen. `others`: earlier tests, by the same port."""
    foreign = {one.src for one in others} - {test.src}
    marked = (_marked(one, {test.src_port}, test.ports[0], foreign) for one in observations)
    return sum(port is not None for port in marked)


def _sender(way: WayView, test: Datagram) -> str | None:
    """Whose address it came from; None: nobody knows it, as behind NAT."""
    return way.case.owner_of(test.src)


def _passed(way: WayView, tests: list[Datagram], port: int) -> tuple[set[int], set[int]]:
    """Ports to which these were seen to leave the sender, and to come in at the receiver."""
    left: set[int] = set()
    came: set[int] = set()
    others = {test.src for test in way.case.bundle.datagrams} - {test.src for test in tests}
    marks = {test.src_port for test in tests}
    for observation in way.case.bundle.observations:
        if observation.device is not Device.UPLINK:
            continue
        found = _marked(observation, marks, port, others)
        if found is None:
            continue
        if (observation.node, observation.direction) == (way.sender, Direction.OUT):
            left.add(found)
        elif (observation.node, observation.direction) == (way.receiver, Direction.IN):
            came.add(found)
    return left, came


def _marked(observation: Observation, marks: set[int], port: int, others: set[Ip]) -> int | None:
    """The destination port of one of our own datagrams, not from one of the other addresses."""
    packet = decode(observation, frozenset({port}))
    for layer in (packet.outer, packet.inner):
        if layer is not None and layer.src_port in marks and layer.src not in others:
            return layer.dst_port
    return None
