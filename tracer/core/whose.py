"""Whose a packet is: the peer whose subnet its other end lies in, as bpf/watch.c finds it."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import TypeAlias

from tracer.core.decode import decode
from tracer.model.lease import Lease
from tracer.model.observation import Device, Direction, Observation
from tracer.model.packet import Ip, Net

Peer: TypeAlias = tuple[str | None, Net | None]
"""Node and subnet; of what nobody leases: twice None."""

NOBODY: Peer = (None, None)

_Subnet: TypeAlias = tuple[int, int, int]
"""Family, prefix length, and the bits of the network."""


class Whose:
    """Every lease's subnet. `own`: the node that looks; its own subnets are nobody's here."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._subnets: dict[_Subnet, tuple[str, Net]] = {}
        self._lengths: dict[int, set[int]] = {4: set(), 6: set()}
        self._twins: dict[_Subnet, list[tuple[str, Net]]] = {}
        """Others' of the same subnet, whose lease came before: that of whoever is last counts."""
        self._of: dict[str, tuple[_Subnet, ...]] = {}

    def hold(self, leases: Mapping[str, Iterable[Lease]]) -> None:
        """Node -> all its leases, as they are from now on: of one that is gone none."""
        for node, own in leases.items():
            for net in self._of.pop(node, ()):
                self._leave(node, net)
            if node == self._own:
                continue
            nets = {_subnet(one.pod_cidr): one.pod_cidr for one in own if one.pod_cidr}
            self._of[node] = tuple(nets)
            for net, text in nets.items():
                if net in self._subnets:
                    self._twins.setdefault(net, []).append(self._subnets[net])
                self._subnets[net] = (node, text)
                self._lengths[net[0]].add(net[1])

    def _leave(self, node: str, net: _Subnet) -> None:
        twins = self._twins.pop(net, [])
        if self._subnets[net][0] != node:
            twins = [one for one in twins if one[0] != node]
        elif twins:
            self._subnets[net] = twins.pop()
        else:
            del self._subnets[net]
        if twins:
            self._twins[net] = twins

    def of(self, ip: Ip) -> Peer:
        """The narrowest subnet that holds it."""
        address = ip_address(ip)
        for length in sorted(self._lengths[address.version], reverse=True):
            rest = address.max_prefixlen - length
            found = self._subnets.get((address.version, length, int(address) >> rest))
            if found is not None:
                return found
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
        return self.of(inner.dst if leaves(seen) else inner.src)


def leaves(seen: Observation) -> bool:
    """Whether a packet that was not freed is on its way out of the node."""
    out = seen.direction is Direction.OUT
    return not out if seen.device is Device.BRIDGE else out  # what enters the bridge leaves


def _subnet(cidr: Net) -> _Subnet:
    text, _, length = cidr.partition("/")
    address = ip_address(text)
    return address.version, int(length), int(address) >> address.max_prefixlen - int(length)
