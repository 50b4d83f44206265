"""A keyed permutation of addresses that keeps prefixes: what begins alike goes on beginning alike.

The idea is Crypto-PAn's (Xu, Fan, Ammar and Moon 2002): each bit is flipped or not as a keyed
function of the bits before it says. Here some bits are never flipped, so that a block stays where
it is, and a subnet keeps its network, first and broadcast address.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from tracer.bundle.redact.secret import Secret

Network = IPv4Network | IPv6Network


class Prefix(NamedTuple):
    """The first `length` bits of an address, as a number."""

    length: int
    value: int

    def holds(self, other: "Prefix") -> bool:
        """The other is this one, or a part of it."""
        longer = other.length - self.length
        return longer >= 0 and other.value >> longer == self.value

    def meets(self, other: "Prefix") -> bool:
        """One holds the other."""
        return self.holds(other) or other.holds(self)


def prefix_of(net: Network | str) -> Prefix:
    """A network's prefix."""
    net = ip_network(net) if isinstance(net, str) else net
    return Prefix(net.prefixlen, int(net.network_address) >> (net.max_prefixlen - net.prefixlen))


def inside(value: int, bits: int, blocks: Iterable[Prefix]) -> bool:
    """One of the blocks holds the address, which is `bits` wide."""
    return any(value >> (bits - length) == prefix for length, prefix in blocks)


class Trie:
    """The map of one address family, `bits` wide: each `block` onto itself, else at random."""

    def __init__(
        self, secret: Secret, bits: int, blocks: Iterable[Prefix], subnets: Iterable[Prefix]
    ) -> None:
        self._secret = secret
        self._bits = bits
        self._above: list[set[int]] = [set() for _ in range(bits)]
        for length, prefix in blocks:
            for depth in range(length):
                self._above[depth].add(prefix >> (length - depth))
        self._subnets: list[set[int]] = [set() for _ in range(bits + 1)]
        for length, prefix in subnets:
            self._subnets[length].add(prefix)
        self._flips: dict[tuple[int, int], int] = {}

    def __call__(self, value: int) -> int:
        """The address that stands for `value`."""
        bits, result = self._bits, 0
        # Since some subnet began, all bits were zeros, or all were ones: both ways are straight.
        zeros = ones = False
        for depth in range(bits):
            prefix = value >> (bits - depth)
            if prefix in self._subnets[depth]:
                zeros = ones = True
            straight = zeros or ones or prefix in self._above[depth]
            bit = value >> (bits - 1 - depth) & 1
            result = result << 1 | (bit if straight else bit ^ self._flip(depth, prefix))
            zeros, ones = zeros and not bit, ones and bool(bit)
        return result

    def _flip(self, depth: int, prefix: int) -> int:
        """One digest has a bit for each way through the next eight bits."""
        octets, level = divmod(depth, 8)
        start = prefix >> level
        known = self._flips.get((octets, start))
        if known is None:
            data = octets.to_bytes(1, "big") + start.to_bytes(self._bits // 8, "big")
            known = self._flips[octets, start] = self._secret.number(f"trie{self._bits}", data)
        return known >> ((1 << level) + (prefix & (1 << level) - 1)) & 1
