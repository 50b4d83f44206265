"""Which underlay address is the node's own, where nothing that was saved says it.

On a node's uplink every packet is from or to the node, so that its address stands in all of them. A
capture of one peer's traffic alone has two such addresses: then the other node's capture tells, or
whoever knows.
"""

from collections import Counter
from collections.abc import Mapping
from ipaddress import ip_address

from tracer.model.packet import Ip, Packet

MOST = 10_000
"""Different addresses that are counted: a node's own one is among the first."""

SHARE = 0.98
"""In so many of the packets the own address stands; the rest is pods' and strangers'."""


class Hosts:
    """The outermost addresses of one file's packets."""

    def __init__(self) -> None:
        self._total = 0
        self._seen: Counter[Ip] = Counter()
        self._outer: Counter[Ip] = Counter()

    def put(self, packet: Packet) -> None:
        """Count one packet. Groups and broadcasts are no host's."""
        if packet.outer is not None:
            ends = (packet.outer.src, packet.outer.dst)
            self._outer.update(ends)
        elif packet.inner is not None:
            ends = (packet.inner.src, packet.inner.dst)
        else:
            return
        if any(_is_group(ip) for ip in ends):
            return
        self._total += 1
        self._seen.update(ip for ip in ends if ip in self._seen or len(self._seen) < MOST)

    def candidates(self) -> frozenset[Ip]:
        """Addresses of VTEPs that stand in nearly all packets: one of them is the node's own."""
        least = SHARE * self._total
        return frozenset(ip for ip in self._outer if self._seen[ip] >= least)


def own_addresses(files: Mapping[str, list[Hosts]], given: Mapping[str, Ip]) -> dict[str, Ip]:
    """Node -> its own underlay address: given, or the one candidate, or the one that is left."""
    found = dict(given)
    open_: dict[str, frozenset[Ip]] = {}
    for node, hosts in files.items():
        sets = [one.candidates() for one in hosts if one.candidates()]
        if sets and node not in found:
            open_[node] = frozenset.intersection(*sets)
    for _ in range(len(open_)):
        for node, candidates in open_.items():
            left = candidates - {ip for other, ip in found.items() if other != node}
            if node not in found and len(left) == 1:
                found[node] = next(iter(left))
    return found


def _is_group(ip: Ip) -> bool:
    address = ip_address(ip)
    return address.is_multicast or ip == "255.255.255.255"
