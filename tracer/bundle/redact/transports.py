"""What stands behind an IP header, cut: TCP, ICMP and neighbour discovery.

Each function gets where its header begins and returns where the frame ends. UDP is the frame's own
affair: it carries VXLAN. Checksums become 0: over known headers they would tell the addresses.
"""

from tracer.bundle.redact.draft import Draft
from tracer.core.transport import ICMP, ICMP_ECHO, ICMPV6, ICMPV6_ECHO, TCP

_MSS, _SCALE, _SACK_PERMITTED = (2, 4), (3, 3), (4, 2)
_KEPT_OPTIONS = {_MSS, _SCALE, _SACK_PERMITTED}
"""(kind, length): what both ends can do. Others hold clocks, keys or addresses."""

_REDIRECT = (ICMP, 5)
"""It names a gateway."""
_WITH_MTU = {(ICMP, 3), (ICMPV6, 2)}
_MLD = (130, 131, 132)
_ND = {133: (8, ()), 134: (16, ()), 135: (24, (8,)), 136: (24, (8,)), 137: (40, (8, 24))}
"""Type -> (where its options begin, where it holds addresses) (RFC 4861)."""
_LINK_LAYER_OPTIONS = (1, 2)


def cut(draft: Draft, protocol: int, at: int) -> int:
    """Keep the header of a protocol that is known, and none of what it carries."""
    if protocol == TCP:
        return _tcp(draft, at)
    if protocol == ICMP and draft.left(at) >= 8:
        return _icmp(draft, at)
    if protocol == ICMPV6 and draft.left(at) >= 8:
        return _icmpv6(draft, at)
    return at


def icmp_error(draft: Draft, protocol: int, at: int) -> None:
    """The header of an ICMP error, before the packet that it quotes."""
    draft.zero(at + 2, at + 4)
    kind = (protocol, draft.raw[at])
    if kind == _REDIRECT:
        draft.address(at + 4, 4)
    elif kind not in _WITH_MTU:
        draft.zero(at + 4, at + 8)


def _tcp(draft: Draft, at: int) -> int:
    left = draft.left(at)
    if left < 14:
        return at + 8 if left >= 8 else at
    header = (draft.raw[at + 12] >> 4) * 4
    if header < 20:
        return at + 14
    draft.zero(at + 16, at + 18)
    end = at + min(left, header)
    option = at + 20
    while option < end:
        option = _tcp_option(draft, option, end)
    return end


def _tcp_option(draft: Draft, at: int, end: int) -> int:
    """Where the next option begins."""
    kind = draft.raw[at]
    if kind == 1:
        return at + 1
    size = draft.raw[at + 1] if at + 1 < end else 0
    if kind == 0 or size < 2 or at + size > end:
        draft.zero(at, end)
        return end
    if (kind, size) not in _KEPT_OPTIONS:
        draft.write(at, b"\1" * size)
    return at + size


def _icmp(draft: Draft, at: int) -> int:
    draft.zero(at + 2, at + 4)
    if draft.raw[at] not in ICMP_ECHO:
        draft.zero(at + 4, at + 8)
    return at + 8


def _icmpv6(draft: Draft, at: int) -> int:
    draft.zero(at + 2, at + 4)
    kind = draft.raw[at]
    if kind in ICMPV6_ECHO:
        return at + 8
    if kind in _MLD and draft.left(at) >= 24:
        draft.address(at + 8, 16)
        return at + 24
    options, addresses = _ND.get(kind, (0, ()))
    if not options or draft.left(at) < options:
        draft.zero(at + 4, at + 8)
        return at + 8
    for address in addresses:
        draft.address(at + address, 16)
    return _link_layer_options(draft, at + options)


def _link_layer_options(draft: Draft, at: int) -> int:
    """The MACs of neighbour discovery; up to the first option that holds anything else."""
    while draft.left(at) >= 8 and draft.raw[at] in _LINK_LAYER_OPTIONS and draft.raw[at + 1] == 1:
        draft.mac(at + 2)
        at += 8
    return at
