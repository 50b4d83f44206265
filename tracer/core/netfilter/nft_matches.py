"""nft's `match`: what it compares with what, as steps."""

import operator
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from tracer.core.netfilter.addresses import Addresses
from tracer.core.netfilter.model import Step
from tracer.core.netfilter.nft_keys import Key, address_type, keys_of
from tracer.core.netfilter.nft_literals import STATUS_BITS
from tracer.core.netfilter.nft_lookup import Lookup, holds, pattern
from tracer.core.netfilter.packet import Packet
from tracer.core.netfilter.readers import has_status
from tracer.core.netfilter.steps import Value, checked, unclear

BAD = (LookupError, TypeError, ValueError, AttributeError, RecursionError)
"""What reading a statement of another shape than expected may raise."""


class Scope(NamedTuple):
    """Where a rule stands."""

    addresses: Addresses
    chains: Collection[str]
    named: Callable[[str, tuple[Key, ...]], Lookup | None]
    """A named set or map of the rule's table; None: it is not in the dump."""
    mixed: bool
    """The table meets packets of both IP versions."""
    known: dict[bytes, list[Step]]
    """Matches that were read already: in thousands of rules most are the same."""


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip


def match_steps(body: Any, scope: Scope) -> list[Step]:
    """`match` with all its operators; what cannot be read is unclear."""
    key = msgspec.json.encode(body)
    steps = scope.known.get(key)
    if steps is None:
        try:
            steps = _match_steps(body, scope)
        except BAD:
            steps = [unclear]
        scope.known[key] = steps
    return steps


def _match_steps(body: Any, scope: Scope) -> list[Step]:
    left, right, op = body["left"], body["right"], body.get("op", "==")
    keys = keys_of(left, scope.addresses)
    needs = list(needs_of(keys))
    status = _status_bits(left, right, op)
    if status is not None:
        return [*needs, status]
    asked = _address_kind(left, right, op, scope) or _way_back(left, right, op, scope)
    if asked is not None:
        return [*needs, asked]
    found = lookup_of(right, keys, scope)
    if found is not None:
        return [*needs, _member(found, keys, negated=op == "!=")]
    if len(keys) != 1 or (isinstance(right, str) and right.startswith("@")):
        return [*needs, unclear]
    try:
        return [*needs, checked(keys[0].read, _test(op, right, keys[0]))]
    except BAD:
        return [*needs, unclear]


def needs_of(keys: Sequence[Key]) -> Iterable[Step]:
    """What a packet must be for all of them to exist."""
    return dict.fromkeys(need for key in keys for need in key.needs)


def _test(op: str, right: Any, key: Key) -> Callable[[Value], bool]:
    if op in ("in", "!"):
        bits = int(key.parse(right))
        return lambda value: (int(value) & bits != 0) is (op == "in")
    if op in _COMPARE:
        limit, compare = key.parse(right), _COMPARE[op]
        return lambda value: compare(value, limit)
    wanted = pattern(right, key) if not isinstance(right, list) else key.parse(right)
    if op not in ("==", "!="):
        raise ValueError(op)
    return lambda value: holds(wanted, value) is (op == "==")


def _status_bits(left: Any, right: Any, op: str) -> Step | None:
    """`ct status dnat` and its other form. The status as a number is never known."""
    parse = STATUS_BITS
    if op in ("in", "!") and left == {"ct": {"key": "status"}}:
        bits = parse(right)
        return lambda packet: _equal(has_status(packet, bits), op == "in")
    if op in ("==", "!=") and isinstance(left, dict) and isinstance(left.get("&"), list):
        key, *masks = left["&"]
        if key == {"ct": {"key": "status"}} and len(masks) == 1:
            bits, wanted = parse(masks[0]), parse(right)
            if wanted == bits and bits & (bits - 1) == 0:
                return lambda packet: _equal(has_status(packet, bits), op == "==")
            if wanted == 0:
                return lambda packet: _equal(has_status(packet, bits), op == "!=")
    return None


def _address_kind(left: Any, right: Any, op: str, scope: Scope) -> Step | None:
    """`fib daddr type local`: what is not local is not, whatever else it may be."""
    fib = left.get("fib") if isinstance(left, dict) else None
    words = right.get("set") if isinstance(right, dict) else [right]
    if not isinstance(fib, dict) or not isinstance(words, list) or op not in ("==", "!="):
        return None
    ask = address_type(fib["result"], fib["flags"], scope.addresses)
    if ask is None or not set(words) <= {"local", "multicast"}:
        return None

    def step(packet: Packet) -> bool | None:
        kind = ask(packet)
        return None if kind is None else (kind in words) is (op == "==")

    return step


def _way_back(left: Any, right: Any, op: str, scope: Scope) -> Step | None:
    """`fib saddr . iif oif missing`, the strict reverse path filter."""
    fib = left.get("fib") if isinstance(left, dict) else None
    if not isinstance(fib, dict) or fib.get("result") != "oif" or not isinstance(right, bool):
        return None
    flags = set(fib["flags"])
    if flags - {"mark"} != {"saddr", "iif"} or op not in ("==", "!="):
        return None
    wanted = right is (op == "==")

    def step(packet: Packet) -> bool | None:
        mark = packet.mark if "mark" in flags else 0
        return _equal(scope.addresses.way_back(packet, mark), wanted)

    return step


def _equal(answer: bool | None, wanted: bool) -> bool | None:
    return None if answer is None else answer is wanted


def lookup_of(right: Any, keys: tuple[Key, ...], scope: Scope) -> Lookup | None:
    """The set on the right side, named or written out; None: there is none, or it is missing."""
    if isinstance(right, str) and right.startswith("@"):
        return scope.named(right[1:], keys)
    if isinstance(right, dict) and isinstance(right.get("set"), list):
        return Lookup(keys, ((element, True) for element in right["set"]))
    return None


def _member(found: Lookup, keys: Sequence[Key], *, negated: bool) -> Step:
    def step(packet: Packet) -> bool | None:
        hits, may_miss = found.find(keys, packet)
        if hits and not may_miss:
            return not negated
        return negated if not hits and found.whole else None

    return step
