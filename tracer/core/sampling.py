"""Which packets are samples: by a hash of what no hop changes, the same on every node.

The programs of bpf/sample.h compute the same. Trajectory sampling: Duffield and Grossglauser 2000,
RFC 5475.
"""

from struct import unpack_from

MOST_OFTEN, LEAST_OFTEN = 1 << 4, 1 << 20
"""Between these `--sample auto` chooses: one packet in so many."""

_COMES_BACK_BELOW = 0.4
"""Of what it may cost. Twice as many samples cost at most twice as much: still below it all."""

_LARGEST_STEP = 4
"""A moment of much traffic is no reason to see next to nothing for minutes."""

_WORD = 0xFFFFFFFF
_ICMP, _TCP, _UDP, _ICMPV6 = 1, 6, 17, 58
_LATER_FRAGMENT = 0x1FFF


def is_sample(packet: bytes, one_in: int) -> bool:
    """Whether an inner IP packet is recorded where one in so many is; 0: none is."""
    return one_in > 0 and hash_of(packet) < (1 << 32) // one_in


def adapted(one_in: int, overhead: float, most: float) -> int:
    """One packet in so many from now on; 0: none, when even the fewest cost too much.

    `overhead`: the part of one CPU that the programs took while it was one in `one_in`, counting
    and holding included; `most`: what they may take. Fewer as soon as it is too much, more only
    where twice as many could not be; in between it stays, so that steady traffic settles.
    """
    if overhead > most:
        if not one_in or one_in >= LEAST_OFTEN:
            return 0
        times = 2 if overhead <= 2 * most else _LARGEST_STEP
        return min(max(_power(one_in) * times, MOST_OFTEN), LEAST_OFTEN)
    if overhead < _COMES_BACK_BELOW * most:
        return max(_power(one_in) // 2, MOST_OFTEN) if one_in else LEAST_OFTEN
    return one_in


def _power(number: int) -> int:
    """The power of two that is not above it."""
    return 1 << number.bit_length() - 1


def hash_of(packet: bytes) -> int:
    """32 bits. `packet`: an IP header and 8 bytes of its payload, or what of them there is."""
    if packet[0] >> 4 == 6:
        words = unpack_from("<8I", packet, 8)
        found = _mixed(_mixed(words[0] ^ words[2], words[3]), words[7])
        found = _mixed(found, words[6] ^ packet[6] << 16)
        return _transport(found, packet[40:], packet[6])
    source, destination = unpack_from("<2I", packet, 12)
    (ident,) = unpack_from("<H", packet, 4)
    found = _mixed(_mixed(source, destination), ident | packet[9] << 16)
    if unpack_from(">H", packet, 6)[0] & _LATER_FRAGMENT:
        return found
    return _transport(found, packet[(packet[0] & 15) * 4 :], packet[9])


def _transport(found: int, data: bytes, protocol: int) -> int:
    """Checksums are left out: they are completed on the way."""
    if len(data) < 8:
        return found
    first, second = unpack_from("<2I", data)
    if protocol in (_ICMP, _ICMPV6):
        first &= 0xFFFF
    elif protocol == _UDP:
        second &= 0xFFFF
    elif protocol != _TCP:
        second = 0
    return _mixed(_mixed(found, first), second)


def _mixed(found: int, value: int) -> int:
    found = (found ^ value) * 0x9E3779B1 & _WORD
    return found ^ found >> 15
