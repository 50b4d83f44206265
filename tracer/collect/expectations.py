"""The leases in the maps of bpf/peers.h.

A lease that is another than before gets a slot of its own, in which its expectations stand before
its subnet is given the slot's number, in one write: no packet is held against half of each.
"""

import struct
import time
from collections import deque
from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from tracer.collect.maps import Map
from tracer.collect.shape import Shape
from tracer.collect.subnets import subnets
from tracer.core.held import Held, HeldOwn, HeldPeer
from tracer.errors import CollectFailed
from tracer.model.packet import Ip, Mac, Net

NO_LEASE = 0
"""The slot of addresses that are in nobody's subnet."""

RESTS_S = 5.0
"""A packet that is under way may still be counted in a slot that was left a moment ago; and what
was counted is read each second. Earlier a slot is given to another only when there is no other."""

EXPECTATION = struct.Struct("=16s16s8s4s2sH")
"""struct expectation. All but `expects` as it lies in a packet."""

_MAC, _OUTER, _PLAIN = 1, 2, 4
"""enum expects."""

_INDEX = struct.Struct("=I")


class Expectations:
    """Writes what is to be held, and knows which slot is whose."""

    def __init__(self, maps: Mapping[str, Map], wanted: Shape, slots: int) -> None:
        """`maps`: those of bpf/peers.h and of the counters, by name."""
        self._maps = maps
        self._subnets = {
            family: subnets(maps[f"peers{family}"], wanted, family) for family in (4, 6)
        }
        self._slots: dict[Net, int] = {}
        self._peers: dict[int, HeldPeer] = {}
        self._free = list(range(slots - 1, NO_LEASE, -1))
        self._resting: deque[tuple[float, int]] = deque()
        """When each was left, by CLOCK_MONOTONIC, in seconds."""

    def hold(self, held: Held) -> None:
        """Make it so. CollectFailed: there are more leases than slots."""
        for own in held.own:
            self._maps["own"].put(_INDEX.pack(own.family == 6), _of_own(own))
        wanted = {peer.subnet: peer for peer in held.peers}
        for subnet in self._slots.keys() - wanted.keys():
            self._subnets[ip_network(subnet).version].remove(subnet)
            self._leave(self._slots.pop(subnet))
        for subnet, peer in wanted.items():
            before = self._slots.get(subnet)
            known = self._peers[before] if before is not None else None
            if known is not peer and known != peer:
                self._move(subnet, peer, before)

    def peer(self, slot: int) -> HeldPeer | None:
        """Whose slot it is, or was when last it was used."""
        return self._peers.get(slot)

    def slot(self, subnet: Net) -> int | None:
        """That of a lease that is held; None: no lease has that subnet."""
        return self._slots.get(subnet)

    def used(self) -> int:
        """Slots at the front of the maps that have ever been anybody's, NO_LEASE among them."""
        return max(self._peers, default=NO_LEASE) + 1

    def _move(self, subnet: Net, peer: HeldPeer, before: int | None) -> None:
        # The oldest that rest come first: the fewer have been used, the fewer are read each second.
        while self._resting and time.monotonic() - self._resting[0][0] > RESTS_S:
            self._free.append(self._resting.popleft()[1])
        if not self._free and self._resting:
            self._free.append(self._resting.popleft()[1])
        if not self._free:
            raise CollectFailed(
                "there are more leases than the programs have room for",
                where="bpf/peers.h",
                hint="start it again: there is room for more leases than there are then",
            )
        slot = self._free.pop()
        if slot in self._peers:
            for counters in ("tallies", "deviated"):
                counted = self._maps[counters]
                counted.put(_INDEX.pack(slot), bytes(counted.value_size))
        self._peers[slot] = peer
        self._maps["expected"].put(_INDEX.pack(slot), _of_peer(peer))
        self._subnets[ip_network(subnet).version].put(subnet, slot)
        self._slots[subnet] = slot
        if before is not None:
            self._leave(before)

    def _leave(self, slot: int) -> None:
        self._resting.append((time.monotonic(), slot))


def _of_peer(peer: HeldPeer) -> bytes:
    return _packed(peer.public_ip, None, peer.vtep_mac, 0, 0, _PLAIN if peer.plain else 0)


def _of_own(own: HeldOwn) -> bytes:
    return _packed(own.local, own.vtep_ip, own.mac, own.vni, own.port, 0)


def _packed(
    outer: Ip | None, vtep: Ip | None, mac: Mac | None, vni: int, port: int, expects: int
) -> bytes:
    expects |= (_MAC if mac is not None else 0) | (_OUTER if outer is not None else 0)
    return EXPECTATION.pack(
        ip_address(outer).packed if outer is not None else b"",
        ip_address(vtep).packed if vtep is not None else b"",
        bytes.fromhex(mac.replace(":", "")) if mac is not None else b"",
        (vni << 8).to_bytes(4, "big"),
        port.to_bytes(2, "big"),
        expects,
    )
