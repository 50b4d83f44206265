"""IPv6 addresses: local ones stay in their block, public ones go to where nobody is."""

from collections.abc import Sequence

from tracer.bundle.redact.ipv4 import Ipv4
from tracer.bundle.redact.macs import WELL_KNOWN_GROUP, Macs
from tracer.bundle.redact.secret import Secret
from tracer.bundle.redact.trie import Prefix, Trie, inside, prefix_of

KEPT = "::/127"
"""The unspecified address and the loopback."""

EMBEDS_IPV4 = ("::ffff:0:0/96", "64:ff9b::/96")
DOCUMENTATION = ("2001:db8::/32", "3fff::/20")
LINK_LOCAL = "fe80::/64"
GROUPS, SOLICITED = "ff00::/8", "ff02::1:ff00:0/104"
STAYS = (
    *EMBEDS_IPV4, "64:ff9b:1::/48", "100::/64", *DOCUMENTATION, "fc00::/7",
    "fd00::/8", LINK_LOCAL, "fe80::/10", GROUPS,
)  # fmt: skip
"""Special-purpose blocks (RFC 6890): what is of one of them comes out of it again."""

PUBLIC, NOBODYS = "2000::/3", "4000::/3"
"""All public addresses, and a block of that size of which IANA has given nothing to anybody."""
_SWAP = 0b011 << 125
_LOW = (1 << 112) - 1


class Ipv6(dict[int, int]):
    """Address -> address, as numbers, each worked out once."""

    def __init__(self, secret: Secret, macs: Macs, ipv4: Ipv4, subnets: Sequence[Prefix]) -> None:
        super().__init__()
        self._macs, self._ipv4 = macs, ipv4
        self._kept, self._link_local = prefix_of(KEPT), prefix_of(LINK_LOCAL)
        self._groups, self._solicited = prefix_of(GROUPS), prefix_of(SOLICITED)
        self._embeds = [prefix_of(net) for net in EMBEDS_IPV4]
        self._documentation = [prefix_of(net) for net in DOCUMENTATION]
        public, nobodys = prefix_of(PUBLIC), prefix_of(NOBODYS)
        blocks = [self._kept, *(prefix_of(net) for net in STAYS), public, nobodys]
        self._trie = Trie(secret, 128, blocks, subnets)
        # A subnet that holds one of the two blocks must hold the other, and 4000::/3 be empty.
        self._moves = not any(
            nobodys.holds(one) or (one.length < 3 and one.holds(public) != one.holds(nobodys))
            for one in subnets
        )

    def __missing__(self, value: int) -> int:
        self[value] = mapped = self._mapped(value)
        return mapped

    def network(self, value: int, length: int) -> int:
        """A network's address. What is wider than /3 is a part of the default route, and stays."""
        return self[value] if length >= 3 else value

    def _mapped(self, value: int) -> int:
        if inside(value, 128, (self._kept,)):
            return value
        if inside(value, 128, self._embeds):
            return value >> 32 << 32 | self._ipv4[value & 0xFFFFFFFF]
        if inside(value, 128, (self._link_local,)):
            return self._on_link(value)
        if inside(value, 128, (self._groups,)):
            return self._group(value)
        if self._moves and value >> 125 in (0b001, 0b010):
            return self._moved(value)
        return self._trie(value)

    def _moved(self, value: int) -> int:
        """The two blocks change places, so that no two addresses meet."""
        public = value >> 125 == 0b001
        own = value if public else value ^ _SWAP
        if inside(own, 128, self._documentation):
            return self._trie(value) if public else value
        return self._trie(own) ^ _SWAP if public else self._trie(own)

    def _on_link(self, value: int) -> int:
        """Made from a MAC (EUI-64, RFC 4291 appendix A), it follows that MAC."""
        if not _is_eui64(value):
            value = self._trie(value)
            while _is_eui64(value):
                value = self._trie(value)
            return value
        low = (value & (1 << 64) - 1).to_bytes(8, "big")
        mac = self._macs.packed(bytes((low[0] ^ 2, *low[1:3], *low[5:])))
        eui64 = bytes((mac[0] ^ 2, *mac[1:3], 0xFF, 0xFE, *mac[3:]))
        return value >> 64 << 64 | int.from_bytes(eui64, "big")

    def _group(self, value: int) -> int:
        """Flags and scope stay; groups of protocols wholly; solicited-node ones follow the MACs."""
        if inside(value, 128, (self._solicited,)):
            low = self._macs.device((value & 0xFFFFFF).to_bytes(3, "big"))
            return value >> 24 << 24 | int.from_bytes(low, "big")
        if value & _LOW < WELL_KNOWN_GROUP:
            return value
        while True:
            value = value & ~_LOW | self._trie(value) & _LOW
            known = inside(value, 128, (self._solicited,)) or value & _LOW < WELL_KNOWN_GROUP
            if not known:
                return value


def _is_eui64(value: int) -> bool:
    return value >> 24 & 0xFFFF == 0xFFFE
