"""The literals of nft's JSON as values: words, numbers, bits."""

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

from tracer.core.netfilter.names import (
    ETHERTYPES,
    FAMILIES,
    ICMP_CODES,
    ICMP_TYPES,
    ICMPV6_CODES,
    ICMPV6_TYPES,
    PACKET_TYPES,
    STATES,
    STATUS,
    TCP_FLAGS,
)
from tracer.core.netfilter.steps import address


def named(names: dict[str, int]) -> Callable[[Any], int]:
    """Words or numbers."""

    def parse(literal: Any) -> int:
        if isinstance(literal, str) and literal in names:
            return names[literal]
        return int(word(literal))

    return parse


def bits_of(names: dict[str, int]) -> Callable[[Any], int]:
    """Words for bits, one or several."""

    def parse(literal: Any) -> int:
        if isinstance(literal, dict) and isinstance(literal.get("|"), list):
            literal = literal["|"]
        if isinstance(literal, list):
            return reduce(operator.or_, map(parse, literal), 0)
        if isinstance(literal, str) and literal in names:
            return names[literal]
        return int(word(literal))

    return parse


def word(literal: Any) -> int:
    """A number, as JSON or as text has it."""
    if isinstance(literal, int):
        return int(literal)
    if isinstance(literal, str):
        return int(literal, 0)
    raise ValueError(literal)


ADDRESS: dict[int, Callable[[Any], int]] = {
    4: lambda text: address(text, 4),
    6: lambda text: address(text, 6),
}
ICMP_TYPE = {True: named(ICMP_TYPES), False: named(ICMPV6_TYPES)}
ICMP_CODE = {True: named(ICMP_CODES), False: named(ICMPV6_CODES)}
FAMILY, ETHERTYPE = named(FAMILIES), named(ETHERTYPES)
PACKET_TYPE, DIRECTION = named(PACKET_TYPES), named({"original": 0, "reply": 1})
FLAGS, STATE, STATUS_BITS = bits_of(TCP_FLAGS), bits_of(STATES), bits_of(STATUS)
