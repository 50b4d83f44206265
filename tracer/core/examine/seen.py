"""A piece of evidence with what its last packet says, and who has the addresses in it."""

from ipaddress import ip_address, ip_network

from tracer.core.examine.explaining import HALF
from tracer.core.facts import Facts, MissingFact
from tracer.model.lease import Lease
from tracer.model.observation import Direction
from tracer.model.packet import Inner, Ip, Mac, Outer
from tracer.model.watch import Deviating


class Seen:
    """A deviation with what its last packet says."""

    def __init__(self, facts: Facts, one: Deviating) -> None:
        self.facts = facts
        self.here = one.node
        self.peer = one.peer or one.node
        self.leaves = one.direction is not Direction.IN
        packet = facts.packet(one.seen)
        self.inner: Inner | None = packet.inner if packet is not None else None
        self.outer: Outer | None = packet.outer if packet is not None else None
        inside = self.inner.dst if self.inner is not None else one.subnet or ""
        self.family = 6 if ":" in inside else 4
        self.vtep = vtep_name(facts, self.here, self.family)
        leases = {one.family for one in facts.leases if one.node == self.peer}
        self.both: tuple[str, ...] = (HALF,) if len(leases) > 1 else ()

    def lease(self, node: str) -> Lease | None:
        """Of this packet's family."""
        try:
            return self.facts.lease(node, self.family)
        except MissingFact:
            return None

    def mac_owner(self, mac: Mac | None) -> str | None:
        """The node whose lease has the MAC."""
        if mac is None:
            return None
        return next((one.node for one in self.facts.leases if one.vtep_mac == mac), None)

    @property
    def home(self) -> str | None:
        """The node of the pod that the packet goes to or comes from, by the API."""
        if self.inner is None:
            return None
        end = self.inner.dst if self.leaves else self.inner.src
        return next((one.node for one in self.facts.bundle.cluster.pods if end in one.ips), None)

    def pod_owner(self, ip: Ip | None) -> Lease | None:
        """The lease in whose subnet an address lies."""
        if ip is None:
            return None
        address = ip_address(ip)
        for one in self.facts.leases:
            cidr = one.pod_cidr if one.family == address.version else None
            if cidr is not None and address in ip_network(cidr):
                return one
        return None


def vtep_name(facts: Facts, node: str, family: int) -> str:
    """flannel's device on a node, as it is called there or would be."""
    try:
        link = facts.vtep(node, family)
    except MissingFact:
        link = None
    if link is not None:
        return link.ifname
    return f"{'flannel-v6' if family == 6 else 'flannel'}.{facts.vni}"
