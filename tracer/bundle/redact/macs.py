"""MACs to other MACs: one for each, the same everywhere, of the same sort.

Both halves are permuted by themselves: MACs of one vendor stay MACs of one (other) vendor, and a
link-local address or a solicited-node group can follow the MAC that it is made from.
"""

from tracer.bundle.redact.secret import Secret
from tracer.model.packet import Mac

_IPV6_GROUP, _IPV4_GROUP = b"\x33\x33", b"\x01\x00\x5e"
_BRIDGE_GROUP = b"\x01\x80\xc2"
_FIXED_VENDORS = {b"\0\0\0", b"\xff\xff\xff", _IPV4_GROUP, _BRIDGE_GROUP}
_FIXED_DEVICES = {0, 0xFFFFFF}
WELL_KNOWN_GROUP = 0x20000
"""IPv6 groups below this are the protocols' own: all nodes, routers, MLD, DHCPv6, mDNS."""


class Macs:
    """The map of one redaction."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._known: dict[bytes, bytes] = {}

    def text(self, mac: Mac) -> Mac:
        """A MAC in any of the three forms that Go reads; the answer is in colon form."""
        digits = "".join(c for c in mac if c.isalnum())
        return self.packed(bytes.fromhex(digits)).hex(":")

    def packed(self, mac: bytes) -> bytes:
        """Six bytes. No MAC, the broadcast and the groups of protocols stay as they are."""
        found = self._known.get(mac)
        if found is None:
            found = self._known[mac] = self._mapped(mac)
        return found

    def device(self, low: bytes) -> bytes:
        """The last three bytes of a MAC, or of what was made from one."""
        value = int.from_bytes(low, "big")
        if value in _FIXED_DEVICES:
            return low
        value = self._secret.permuted("device", value, 24)
        while value in _FIXED_DEVICES:
            value = self._secret.permuted("device", value, 24)
        return value.to_bytes(3, "big")

    def _mapped(self, mac: bytes) -> bytes:
        if mac.startswith(_IPV6_GROUP):
            return _IPV6_GROUP + self._group(mac[2:])
        if mac.startswith((_BRIDGE_GROUP, _IPV4_GROUP + b"\0\0")):
            return mac
        if mac.startswith(_IPV4_GROUP):
            return _IPV4_GROUP + self._group_of_ipv4(mac[3:])
        return self._vendor(mac[:3]) + self.device(mac[3:])

    def _vendor(self, vendor: bytes) -> bytes:
        """The bits that say group or single, global or local, stay."""
        if vendor in _FIXED_VENDORS:
            return vendor
        while True:
            sort, value = vendor[0] & 3, int.from_bytes(vendor, "big")
            value = (value >> 18) << 16 | value & 0xFFFF
            value = self._secret.permuted(f"vendor {sort}", value, 22)
            vendor = ((value >> 16) << 18 | sort << 16 | value & 0xFFFF).to_bytes(3, "big")
            if vendor not in _FIXED_VENDORS and vendor[:2] != _IPV6_GROUP:
                return vendor

    def _group(self, low: bytes) -> bytes:
        """The last four bytes of an IPv6 group."""
        value = int.from_bytes(low, "big")
        if value < WELL_KNOWN_GROUP:
            return low
        if low[0] == 0xFF:
            # Solicited-node: the end of an address, which may be the end of a MAC (RFC 4291, 2.7.1)
            return low[:1] + self.device(low[1:])
        while True:
            value = self._secret.permuted("group", value, 32)
            if value >= WELL_KNOWN_GROUP and value >> 24 != 0xFF:
                return value.to_bytes(4, "big")

    def _group_of_ipv4(self, low: bytes) -> bytes:
        """The last 23 bits of an IPv4 group outside of 224.0.0.0/24 and its like."""
        value = int.from_bytes(low, "big")
        if value >> 23:
            return low  # MPLS's half of the block (RFC 5332)
        while True:
            value = self._secret.permuted("group4", value, 24)
            if value >> 8 and not value >> 23:
                return value.to_bytes(3, "big")
