"""IPv4 addresses: private ones stay in their block, public ones go to where nobody is."""

from collections.abc import Sequence

from tracer.bundle.redact.secret import Secret
from tracer.bundle.redact.trie import Prefix, Trie, inside, prefix_of

KEPT = (
    "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/24", "255.255.255.255/32",
)  # fmt: skip
"""The same on every machine (RFC 6890): they say nothing about anybody."""

STAYS = (
    "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
    "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4",
)  # fmt: skip
"""Special-purpose blocks (RFC 6890, RFC 5771): what is of one of them comes out of it again."""

RESERVED = "240.0.0.0/4"
"""Public addresses come out here, in a block that nobody has. Its last /16 is the broadcast's."""
_SLOTS = (1 << 12) - 1


class Ipv4(dict[int, int]):
    """Address -> address, as numbers, each worked out once."""

    def __init__(self, secret: Secret, subnets: Sequence[Prefix]) -> None:
        super().__init__()
        self._secret = secret
        self._kept = [prefix_of(net) for net in KEPT]
        self._stays = [prefix_of(net) for net in STAYS]
        reserved = prefix_of(RESERVED)
        self._trie = Trie(secret, 32, [*self._kept, *self._stays, reserved], subnets)
        self._wide = [
            one
            for one in subnets
            if one.length < 16 and not any(block.holds(one) for block in self._stays)
        ]
        self._reserved_in_use = any(one.meets(reserved) for one in self._wide)
        self._slots: dict[int, int] = {}
        self._taken: set[int] = set()

    def __missing__(self, value: int) -> int:
        self[value] = mapped = self._mapped(value)
        return mapped

    def network(self, value: int, length: int) -> int:
        """A network's address. A public one wider than /16 is not moved: its parts go apart."""
        return self[value] if length >= 16 else self._trie(value)

    def _mapped(self, value: int) -> int:
        if inside(value, 32, self._kept):
            return value
        mapped = self._trie(value)
        slot = None if inside(value, 32, self._stays) else self._slot(value)
        return mapped if slot is None else 0xF << 28 | slot << 16 | mapped & 0xFFFF

    def _slot(self, value: int) -> int | None:
        """The place of a public address's /16 in the reserved block.

        None: it stays a public address, because a wider subnet holds it (a node's route to it must
        go on holding it), or because the block is in use or full.
        """
        if self._reserved_in_use or inside(value, 32, self._wide):
            return None
        unit = value >> 16
        if unit not in self._slots and len(self._taken) < _SLOTS:
            slot = self._secret.number("slot", unit.to_bytes(2, "big")) % _SLOTS
            while slot in self._taken:
                slot = (slot + 1) % _SLOTS
            self._taken.add(slot)
            self._slots[unit] = slot
        return self._slots.get(unit)
