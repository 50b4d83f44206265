"""Whether the network between two nodes swallowed packets, and nothing of theirs explains it."""

from tracer.core.case import WayView
from tracer.core.ladder import came_in
from tracer.core.rules.datagrams import vxlan_port
from tracer.core.rules.interface import published_elsewhere
from tracer.core.rules.nat import behind_nat
from tracer.core.rules.neighbourhood import is_dead, uplink_below
from tracer.core.rules.publicip import twins
from tracer.core.sightings import USUAL_PORTS
from tracer.model.observation import Device, Direction


def vanished(way: WayView) -> bool:
    """All packets left the sender's uplink encapsulated, to the right address; none came in."""
    end, crossing = way.end, way.crossing
    if end is None or crossing is None or crossing.dst is None:
        return False
    if not end.outer or not end.lost_at(way.sender, Device.UPLINK, Direction.OUT):
        return False
    if any(came_in(path, way.receiver) for path in way.paths):
        return False
    uplink = uplink_below(way.case, way.receiver)
    if uplink is not None and is_dead(uplink):
        return False
    if twins(way) or behind_nat(way) or published_elsewhere(way):
        return False
    if not _knows_the_port(way):
        return False
    lease = way.receiver_lease
    return way.receiver_tables.has_address(crossing.dst) or crossing.dst == (
        lease.public_ip_overwrite
    )


def _knows_the_port(way: WayView) -> bool:
    """The receiver's agent takes this port for VXLAN, so that it would have seen the packets."""
    known = {link.vxlan.port for link in way.receiver_tables.state.links if link.vxlan is not None}
    conf = way.case.net_conf
    return vxlan_port(way) in USUAL_PORTS | known | ({conf.port} if conf is not None else set())
