"""Which slot is whose subnet's, as the programs of bpf/peers.h look it up."""

import mmap
import struct
from ipaddress import ip_address, ip_network
from typing import Protocol

from tracer.collect.maps import Map
from tracer.collect.shape import Index, Shape
from tracer.model.packet import Net

_SLOT = struct.Struct("=I")
_STRIDE = 8
"""An array's elements lie at multiples of 8 bytes (kernel/bpf/arraymap.c)."""


class Subnets(Protocol):
    """Of one family. A subnet goes from slot to slot in one step, for every packet."""

    def put(self, subnet: Net, slot: int) -> None:
        """Give it this slot. Raises OSError; E2BIG: the map is full."""

    def remove(self, subnet: Net) -> None:
        """It is nobody's. Raises OSError; ENOENT: it was not."""


class Keyed:
    """A hash of lengths and masked addresses."""

    def __init__(self, of: Map, words: int) -> None:
        """`words`: of an address, those that the key has."""
        self._map = of
        self._words = words

    def put(self, subnet: Net, slot: int) -> None:
        """The kernel makes a new element, and lets it take the old one's place."""
        self._map.put(self._key(subnet), _SLOT.pack(slot))

    def remove(self, subnet: Net) -> None:
        """Delete it."""
        self._map.remove(self._key(subnet))

    def _key(self, subnet: Net) -> bytes:
        net = ip_network(subnet)
        return _SLOT.pack(net.prefixlen) + net.network_address.packed[: 4 * self._words]


class Numbered:
    """An array by the subnets' numbers, in memory that is shared with the programs.

    The system call may copy a number byte by byte, and a packet be held against a third lease
    meanwhile; a store of an aligned word is never seen by halves.
    """

    def __init__(self, of: Map, index: Index, network: Net) -> None:
        """`network`: the cluster's. Raises OSError."""
        size = -(-index.size * _STRIDE // mmap.PAGESIZE) * mmap.PAGESIZE
        self._slots = memoryview(mmap.mmap(of.fileno(), size)).cast("I")
        self._index = index
        self._network = network

    def put(self, subnet: Net, slot: int) -> None:
        """One store. A subnet outside of the network is left out: the programs never ask for it."""
        if _within(subnet, self._network):
            self._slots[self._index.of(ip_network(subnet)) * (_STRIDE // 4)] = slot

    def remove(self, subnet: Net) -> None:
        """The number of no lease is 0."""
        self.put(subnet, 0)


def subnets(of: Map, wanted: Shape, family: int) -> Subnets:
    """As the programs of this shape have them (shape.flags)."""
    index = wanted.numbered(family)
    if index is not None:
        (network,) = (net for net in wanted.networks if ip_network(net).version == family)
        return Numbered(of, index, network)
    return Keyed(of, wanted.words6 if family == 6 else 1)


def _within(subnet: Net, network: Net) -> bool:
    return ip_address(subnet.split("/")[0]) in ip_network(network)
