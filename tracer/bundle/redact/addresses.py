"""Addresses to other addresses: subnets stay subnets, and a kind of address stays of that kind."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from tracer.bundle.redact.ipv4 import Ipv4
from tracer.bundle.redact.ipv6 import Ipv6
from tracer.bundle.redact.macs import Macs
from tracer.bundle.redact.secret import Secret
from tracer.bundle.redact.trie import Network, prefix_of
from tracer.model.packet import Ip, Net


class Addresses:
    """The map of one redaction. `subnets`: what keeps its network, first and last address."""

    def __init__(self, secret: Secret, macs: Macs, subnets: Sequence[Network]) -> None:
        self._ipv4 = Ipv4(secret, [prefix_of(net) for net in subnets if net.version == 4])
        six = [prefix_of(net) for net in subnets if net.version == 6]
        self._ipv6 = Ipv6(secret, macs, self._ipv4, six)
        self._texts: dict[str, str] = {}

    def ip(self, text: Ip) -> Ip:
        """An address in any notation, without its zone. ValueError: it is none."""
        found = self._texts.get(text)
        if found is None:
            raw = self.packed(ip_address(text.partition("%")[0]).packed)
            found = self._texts[text] = str(ip_address(raw))
        return found

    def packed(self, raw: bytes) -> bytes:
        """Four or sixteen bytes."""
        value = int.from_bytes(raw, "big")
        mapped = self._ipv4[value] if len(raw) == 4 else self._ipv6[value]
        return mapped.to_bytes(len(raw), "big")

    def network(self, text: Net) -> Net:
        """`ADDRESS`, `ADDRESS/LENGTH` or `ADDRESS/MASK`. ValueError: it is none of them.

        With bits set behind the prefix it is the address of an interface, and mapped as such.
        """
        found = self._texts.get(text)
        if found is None:
            found = self._texts[text] = self._network(text)
        return found

    def _network(self, text: Net) -> Net:
        address, slash, length = text.partition("/")
        if not slash:
            return self.ip(text)
        given, net = ip_address(address), ip_network(text, strict=False)
        host = net.max_prefixlen - net.prefixlen
        if given != net.network_address or not host:
            return f"{self.ip(address)}/{length}"
        if net.version == 4:
            mapped = self._ipv4.network(int(given), net.prefixlen) >> host << host
            return f"{IPv4Address(mapped)}/{length}"
        mapped = self._ipv6.network(int(given), net.prefixlen) >> host << host
        return f"{IPv6Address(mapped)}/{length}"
