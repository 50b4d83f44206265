"""Whose a packet is: the peer whose subnet its other end lies in, as bpf/watch.c finds it."""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from tracer.core.decode import decode
from tracer.model.lease import Lease
from tracer.model.observation import Direction, Observation
from tracer.model.packet import Ip, Net

Peer: TypeAlias = tuple[str | None, Net | None]
"""Node and subnet; of what nobody leases: twice None."""

NOBODY: Peer = (None, None)


class Whose:
    """Every lease's subnet. `own`: the node that looks; its own subnets are nobody's here."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._subnets: dict[IPv4Network | IPv6Network, tuple[str, Net]] = {}
        self._lengths: dict[int, set[int]] = {4: set(), 6: set()}
        self._of: dict[str, tuple[IPv4Network | IPv6Network, ...]] = {}

    def hold(self, leases: Mapping[str, Iterable[Lease]]) -> None:
        """Node -> all its leases, as they are from now on: of one that is gone none."""
        for node, own in leases.items():
            for net in self._of.pop(node, ()):
                if self._subnets.get(net, ("", ""))[0] == node:
                    del self._subnets[net]
            if node == self._own:
                continue
            nets = tuple(ip_network(one.pod_cidr, strict=False) for one in own if one.pod_cidr)
            self._of[node] = nets
            for net in nets:
                self._subnets[net] = (node, str(net))
                self._lengths[net.version].add(net.prefixlen)

    def of(self, ip: Ip) -> Peer:
        """The narrowest subnet that holds it."""
        address = ip_address(ip)
        for length in sorted(self._lengths[address.version], reverse=True):
            net = ip_network((address, length), strict=False)
            if net in self._subnets:
                return self._subnets[net]
        return NOBODY

    def sent(self, seen: Observation, ports: frozenset[int]) -> Peer:
        """Of a packet that was recorded. `ports`: those that may carry VXLAN.

        Of one that leaves, to whom it goes; of one that arrives, from whom it comes; of one that
        was freed the first that is known, as in bpf/watch.c.
        """
        inner = decode(seen, ports).inner
        if inner is None:
            return NOBODY
        if seen.direction is Direction.FREED:
            found = self.of(inner.dst)
            return found if found is not NOBODY else self.of(inner.src)
        leaves = seen.direction is Direction.OUT
        if seen.device == "bridge":
            leaves = not leaves  # what enters the bridge leaves the node
        return self.of(inner.dst if leaves else inner.src)
