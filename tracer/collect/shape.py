"""What the programs of bpf/watch.c are compiled for, and how their C says it."""

import struct
import sys
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple, TypeAlias

from tracer.core.held import EVERY_NS, Held
from tracer.model.packet import Net

MOST_INDEXED = 1 << 16
"""Subnets that a network has room for, where they are told by number: 512 KB of the kernel's."""

Network: TypeAlias = IPv4Network | IPv6Network


class Index(NamedTuple):
    """Which bits of an address number its subnet in the cluster's network."""

    word: int
    """In which of its words of 32 bits."""
    shift: int
    size: int
    """Room for so many subnets, a power of two."""

    def of(self, net: Network) -> int:
        """The number of a subnet."""
        (word,) = struct.unpack_from("!I", net.network_address.packed, 4 * self.word)
        return int(word) >> self.shift & self.size - 1


class Shape(NamedTuple):
    """Another one calls for other programs; leases may come and go within one."""

    networks: tuple[Net, ...]
    """The cluster's."""
    own: tuple[Net, ...]
    """This node's subnets."""
    lengths4: tuple[int, ...]
    """Prefix lengths of the peers' subnets. One look-up for each, or one by number."""
    lengths6: tuple[int, ...]
    ports: tuple[int, ...]
    """UDP destination ports that may carry VXLAN."""

    @property
    def words6(self) -> int:
        """Words of an IPv6 address that may be of its subnet."""
        return -(-max(self.lengths6, default=_USUAL[6]) // 32)

    def numbered(self, family: int) -> Index | None:
        """Where subnets can be told by number: in one network, of one length, and not too many."""
        networks = _of(self.networks, family)
        lengths = self.lengths4 if family == 4 else self.lengths6
        if len(networks) != 1 or len(lengths) > 1:
            return None
        length = max(lengths, default=_USUAL[family])
        bits, word = length - networks[0].prefixlen, (length - 1) // 32
        if not 0 <= bits <= MOST_INDEXED.bit_length() - 1 or length - bits < 32 * word:
            return None
        return Index(word, 32 * word + 32 - length, 1 << bits)


_USUAL = {4: 24, 6: 64}
"""flannel's lengths of subnets, for a cluster of one node."""


def shape(held: Held) -> Shape:
    """That of the programs which can hold this."""
    lengths: tuple[set[int], set[int]] = (set(), set())
    for peer in held.peers:  # thousands, at each change of a lease: as text they take no time
        lengths[":" in peer.subnet].add(int(peer.subnet.rpartition("/")[2]))
    four, six = (tuple(sorted(each)) for each in lengths)
    own = tuple(sorted(one.subnet for one in held.own))
    return Shape(held.networks, own, four, six, held.ports)


def flags(wanted: Shape, slots: int) -> list[str]:
    """The shape as -D flags. Addresses and ports as the programs load them from memory."""
    ports = (int.from_bytes(port.to_bytes(2, "big"), sys.byteorder) for port in wanted.ports)
    return [
        f"-DSLOTS={slots}",
        f"-DEVERY_NS={EVERY_NS}ull",
        f"-DPODS4(a)={_pods(wanted, 4, '(a)')}",
        f"-DPODS6(p)={_pods(wanted, 6, 'WORD6(p,{})')}",
        f"-DWORDS6={wanted.words6}",
        f"-DVXLAN_PORT(p)=({'||'.join(f'(p)=={port:#x}' for port in ports)})",
        *_index(wanted.numbered(4), "4", "a", "(a)"),
        *_index(wanted.numbered(6), "6", "p", "WORD6(p,{})"),
        f"-DEACH4(T)={_each(wanted.lengths4 or (_USUAL[4],))}",
        f"-DEACH6(T)={_each(wanted.lengths6 or (_USUAL[6],))}",
    ]


def _index(index: Index | None, family: str, argument: str, name: str) -> list[str]:
    if index is None:
        return []
    number = f"(NET32({name.format(index.word)})>>{index.shift}&{index.size - 1:#x}u)"
    return [f"-DINDEX{family}({argument})={number}", f"-DSIZE{family}={index.size}"]


def words(packed: bytes) -> tuple[int, ...]:
    """Four or sixteen bytes as the programs load them."""
    return struct.unpack(f"={len(packed) // 4}I", packed)


def _pods(wanted: Shape, family: int, name: str) -> str:
    """In the cluster's network, and in none of the own subnets."""
    inside = "||".join(_within(net, name) for net in _of(wanted.networks, family))
    apart = "".join(f"&&!{_within(net, name)}" for net in _of(wanted.own, family))
    return f"(({inside or '0'}){apart})"


def _of(networks: Iterable[Net], family: int) -> list[Network]:
    return [net for net in map(ip_network, networks) if net.version == family]


def _within(net: Network, name: str) -> str:
    masks, network = words(net.netmask.packed), words(net.network_address.packed)
    terms = [
        f"({name.format(index)}&{mask:#x}u)=={word:#x}u"
        for index, (mask, word) in enumerate(zip(masks, network, strict=True))
        if mask
    ]
    return f"({'&&'.join(terms) or '1'})"


def _each(lengths: Iterable[int]) -> str:
    """The longest first: a subnet within another one is its own."""
    return "".join(f"T({length})" for length in sorted(lengths, reverse=True))
