"""Frames with their addresses replaced in place and their payload cut.

What is read is read by the core's own readers, so that the core finds the same packets afterwards.
What cannot be understood is cut, with all behind it.
"""

from struct import unpack_from

from tracer.bundle.redact.addresses import Addresses
from tracer.bundle.redact.draft import Draft
from tracer.bundle.redact.macs import Macs
from tracer.bundle.redact.secret import Secret
from tracer.bundle.redact.transports import cut, icmp_error
from tracer.core.decode import (
    ARP,
    IPV4,
    IPV6,
    VLAN_TAGS,
    behind_ip,
    digested,
    is_vxlan,
    ports_here,
    vni_of,
)
from tracer.core.network import FRAGMENT, IpHeader, Unreadable, extension_headers, ip_header
from tracer.core.transport import UDP, Transport
from tracer.model.observation import Observation

_I_FLAG = 0x08
_SHORT = 4
"""Payloads of fewer bytes are permuted instead of digested, lest two of them meet."""


class Frames:
    """The map of one redaction. `ports`: UDP ports that carry VXLAN on some node."""

    def __init__(
        self, secret: Secret, addresses: Addresses, macs: Macs, ports: frozenset[int]
    ) -> None:
        self._secret, self._addresses, self._macs = secret, addresses, macs
        self._ports = ports

    def headers(self, observation: Observation) -> bytes:
        """The observation's headers, never longer than they were. Never raises."""
        draft = Draft(observation.headers, self._addresses, self._macs)
        frame = _Frame(draft, self._secret, self._ports, observation)
        return draft.first(frame.end())


class _Frame:
    """One frame; each method rewrites what begins at `at` and returns where the frame ends."""

    def __init__(
        self, draft: Draft, secret: Secret, ports: frozenset[int], observation: Observation
    ) -> None:
        self._draft, self._secret, self._seen = draft, secret, observation
        self._every_port = ports
        self._ports = ports_here(observation, ports)

    def end(self) -> int:
        """Rewrite all of it."""
        if self._seen.ethernet:
            return self._ethernet(0, outermost=True)
        return self._network(0, self._seen.ethertype, outermost=True)

    def _ethernet(self, at: int, *, outermost: bool) -> int:
        draft = self._draft
        if draft.left(at) < 14:
            return at
        draft.mac(at)
        draft.mac(at + 6)
        ethertype = unpack_from("!H", draft.raw, at + 12)[0]
        at += 14
        while ethertype in VLAN_TAGS:
            if draft.left(at) < 4:
                return at
            ethertype = unpack_from("!H", draft.raw, at + 2)[0]
            at += 4
        return self._network(at, ethertype, outermost=outermost)

    def _network(self, at: int, ethertype: int | None, *, outermost: bool) -> int:
        if ethertype == ARP:
            return self._arp(at)
        if ethertype not in (IPV4, IPV6, None):
            return at
        raw = self._draft.raw
        header = ip_header(raw, at, max(0, self._seen.length - at))
        if isinstance(header, Unreadable):
            return self._unreadable(at)
        self._addressed(at, header)
        if header.payload_at is None:
            return self._extended(at)
        behind = behind_ip(raw, header)
        if outermost and is_vxlan(raw, header, behind, self._ports, self._seen):
            return self._vxlan(behind)
        return self._carried(header, behind, behind.quote_at)

    def _arp(self, at: int) -> int:
        draft = self._draft
        if draft.left(at) < 28:
            return at
        if draft.raw[at : at + 6] != b"\x00\x01\x08\x00\x06\x04":
            draft.zero(at + 8, at + 28)
            return at + 28
        for mac, address in ((at + 8, at + 14), (at + 18, at + 24)):
            draft.mac(mac)
            draft.address(address, 4)
        return at + 28

    def _unreadable(self, at: int) -> int:
        """As much as shows why: a version that is none, or lengths of IPv4 that cannot be."""
        draft = self._draft
        if not draft.left(at):
            return at
        version = draft.raw[at] >> 4
        if version not in (4, 6):
            draft.write(at, bytes((version << 4,)))
            return at + 1
        if version == 4 and draft.left(at) >= 20:
            whole = draft.raw[at] & 0x0F >= 5
            draft.zero(at + 1, at + 2 if whole else at + 4)
            draft.zero(at + 4, at + 20)
            return at + 20
        return at

    def _addressed(self, at: int, header: IpHeader) -> None:
        """The IP header's own addresses; options and extension headers emptied."""
        draft = self._draft
        if ":" not in header.src:
            options = at + (draft.raw[at] & 0x0F) * 4
            draft.address(at + 12, 4)
            draft.address(at + 16, 4)
            draft.zero(at + 20, options)
            draft.checksum(at, options, at + 10)
            return
        draft.address(at + 8, 16)
        draft.address(at + 24, 16)
        for kind, start, size in extension_headers(draft.raw, at + 40, draft.raw[at + 6]):
            if kind != FRAGMENT:
                draft.zero(start + 2, start + size)

    def _extended(self, at: int) -> int:
        """The end of the last extension header that is there."""
        end = at + 40
        for _, start, size in extension_headers(self._draft.raw, end, self._draft.raw[at + 6]):
            end = start + size
        return end

    def _vxlan(self, behind: Transport) -> int:
        draft, at = self._draft, behind.payload_at or 0
        draft.zero(at - 2, at)
        if vni_of(draft.raw, behind) is None:
            draft.zero(at, at + 8)
            return at + 8
        return self._ethernet(at + 8, outermost=False)

    def _carried(self, header: IpHeader, behind: Transport, quote_at: int | None) -> int:
        """Behind an IP header that is not VXLAN's outer one."""
        draft, at = self._draft, header.payload_at or 0
        if header.fragment_offset:
            return at
        if header.protocol == UDP:
            return self._udp(header, behind)
        if quote_at is None:
            return cut(draft, header.protocol, at)
        icmp_error(draft, header.protocol, at)
        return self._quote(quote_at)

    def _udp(self, header: IpHeader, behind: Transport) -> int:
        draft, at = self._draft, behind.payload_at
        if at is None:
            return header.payload_at or 0
        draft.zero(at - 2, at)
        span = digested(draft.raw, header, behind)
        if span is None:
            return at
        draft.write(at, self._token(draft.raw[slice(*span)], behind.dst_port))
        return span[1]

    def _token(self, payload: bytes, port: int | None) -> bytes:
        """As many bytes as there were, from which the payload cannot be told.

        To a VXLAN port what has no VNI flag must not come by one: the core would look inside.
        """
        size = len(payload)
        if size < _SHORT:
            value = int.from_bytes(payload, "big")
            return self._secret.permuted("payload", value, 8 * size).to_bytes(size, "big")
        token = self._secret.digest("payload", payload, size)
        if port in self._every_port and not payload[0] & _I_FLAG:
            return bytes((token[0] & ~_I_FLAG, *token[1:]))
        return token

    def _quote(self, at: int) -> int:
        """The packet that an ICMP error is about, up to its own transport header."""
        raw = self._draft.raw
        header = ip_header(raw, at, 0)
        if isinstance(header, Unreadable):
            return self._unreadable(at)
        self._addressed(at, header)
        if header.payload_at is None:
            return self._extended(at)
        behind = behind_ip(raw, header)
        vxlan = header.protocol == UDP and behind.dst_port in self._ports
        if vxlan and vni_of(raw, behind) is not None:
            return self._vxlan(behind)
        return self._carried(header, behind, None)
