"""What a node published to its peers: the reading of its annotations."""

from tracer.model.packet import Ip, Mac, Net
from tracer.model.record import Record


class Lease(Record, frozen=True, kw_only=True):
    """One node's lease in one address family, read from its Node object."""

    node: str
    family: int
    """4 or 6."""
    pod_cidr: Net | None
    backend_type: str | None
    vni: int | None
    """None: written by an old flannel, which left it out; peers then take their own."""
    vtep_mac: Mac | None
    public_ip: Ip | None
    public_ip_overwrite: Ip | None = None
    source: str
    """Where it stands, such as `Node/node-b flannel.alpha.coreos.com/backend-data`."""
    defect: str | None = None
    """Why flannel's peers would ignore this lease, in words."""
